"""The idempotency guide, from top to bottom, as its reader goes through it.

    guide.md     the guide: its text is the test data, nothing of it is written down a second time
    guide        its blocks of code, by heading, and which scenario has run which
    terminal     a shell in a project's directory: what a user types, and what is printed
    notebook     a Python session of the user's: what is typed into it; kernel: its other end, in that session
    world        the stack from outside, asked by boto3: buckets, ledger, table, logs; and emptied between scenarios
    project      the directory in which all of that happens, the stack's start and its end
    commands     what the scenarios type beside the guide; cells: what they type into the session
    retell       runs docs/guide.md and writes down what is printed: no test

A scenario is a module or a test. It begins with nothing in the stack, so that it can be run alone. Blocks are run as
they are printed. What they use and do not define is supplied, and nothing else: five names (`kernel.SUPPLIED`), the
buckets, the files, and the Region that the environment `e2e-test` has.
"""
