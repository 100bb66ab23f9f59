"""Publishing into Iceberg, and the job that does it."""
