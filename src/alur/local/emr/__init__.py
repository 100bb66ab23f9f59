"""EMR Serverless on one machine: moto's API with job runs that are real.

model            what a run is, and its states
runs             client token, queue, slots, cancelling: threads, but no processes
configuration    what EMR does with a request's Spark settings, for local Spark       pure
driver           one run: code from S3, `spark-submit`, logs to S3
api              the operations of moto's EMR Serverless, over `runs`
"""
