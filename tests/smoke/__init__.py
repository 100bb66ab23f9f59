"""`make aws-smoke ENV=dev`: what a person with an account runs first, step by step, and a report of it.

    __main__   the command line: which environment, and what is to be left
    session    the steps in their order, timed; clean-up and destroy come in any case
    steps      each step: what is typed, what is expected, and what is seen
    bench      what steps have in their hands: a shell, looks at the deployment, names of this run's own
    shell      a shell in which commands are typed as a user types them
    looks      what a deployment says of files, runs and batches, asked by clients of one's own
    orders     files of orders, small ones and large ones
    report     the report, as markdown

With LOCAL=1 the same steps go against the local stack: then only deploy and destroy are others.

Every file that is written is below a folder of the test's own, `orders/alur-smoke-ID/`; only that folder is removed.
An environment in which the table has files already is refused, unless `--force` says otherwise: then only what is the
test's own is compared. A stack is destroyed if this test has deployed it, and if somebody says so.
"""
