"""The local stack: the deployment of `template.yaml` on one machine, with the same handlers and the same job.

One process (`serve`) holds moto's server, runs DynamoDB Local and `spark-submit` as its children, and drives the
handlers. Everything reaches it by the standard `AWS_ENDPOINT_URL…` variables: no code outside this package knows that
it is local.

    paths, java, jars, children       what is on the machine
    class_archive                     what Spark starts from
    moto_server, dynamodb_server      servers
    emr/                              EMR Serverless whose runs are real
    template, intrinsics, resources   from template.yaml to resources
    functions, poller, rules          what Lambda and its event sources do
    stack, state                      the whole, and what the other commands know of it

What it does not do: IAM is not enforced, time-based S3 lifecycle rules do nothing, and all data is gone at its end.
"""
