"""From an S3 event to a Spark job: parse, route, claim, batch, submit."""
