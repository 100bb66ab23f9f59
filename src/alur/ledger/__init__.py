"""A file's life: its states and transitions (pure), and the tables that hold them.

`model` says what an item is, `transitions` what may happen to it, `table` the port that stores it, `dynamo` and
`memory` the port's two implementations, `files` and `batches` the two stores that everything else uses.
"""
