"""The real dispatcher, reconciler and job, driven through interleavings that nobody would think of, in memory.

    scheduler    actors that stop before every operation, so that somebody else decides who goes on
    bucket       S3;  ledger: DynamoDB;  table: Iceberg and the reader;  jobs: EMR Serverless
    world        one deployment of them, and everything that can happen to it: a label each
    rules        what holds always, and what holds when nothing moves any more
    explorer     schedules by chance, from a seed; the same again; and shrunk
    universes    what can happen in them, by name
    enumeration  every schedule of a small scenario, up to a number of preemptions
    mutations    rules of the real code taken away, each of which an exploration must miss

No decision is copied here: what is explored are the functions that are deployed. What stands for AWS behaves as AWS
documents it, at its worst: statements of a call one by one, an index that is behind, answers that are lost, a commit
that landed and says that it did not, a read in two requests between which the object may change, runs begun twice.

What holds always: a path has rows of one version only (appended: of each once), all of them, of the bytes that its
batch claimed; a record says so; what was there and is replaced by nobody stays; foreign rows stay; an item that says
`completed` is right; a claim keeps what the item said of the table, and takes no version that is completed. At rest:
nothing is open or waits, the item says what the object is, rows are in or the reason is one that the file or its runs
gave, and there were no more runs than `Rules.most_runs` allows for what happened. The daily walk has nothing to catch,
but where a user has deleted batches, a function outlived its lease, or functions of the old code outlived a deploy.

Left out: several tables and contracts that claim the same key; a page or a transaction of more items than one call
takes (25, 100); `trigger = "run"`, leases that are renewed, and the audit; Spark and Iceberg themselves, whose steps
`tests/engine` runs; staging that is older than the clean-up, and the clean-up; clocks that differ; uploads in parts,
and names that a listing encodes; a rejects table. A rollback is judged by what is in the table only, for the paths of
the commits that it undid. Rows that a run brings in after its file has failed by name are taken for an earlier
version's: a failure commits nothing, and shuts nobody out.
"""
