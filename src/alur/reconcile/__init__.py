"""What was begun gets on: what is ready is submitted, what has ended frees its place."""
