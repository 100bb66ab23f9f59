"""A stack that is the environment `e2e-test` of samconfig.toml: the ordinary tools find it by its own names."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from alur.local.background import down, up
from alur.local.environment import isolated_environment

pytestmark = pytest.mark.stack

# What a user types, who knows the environment's names and nothing of this project.
LOOK = """
import boto3, json
s3 = boto3.client("s3")
bucket = "alur-landing-e2e-20260122-114314"
s3.put_object(Bucket=bucket, Key="orders/one.csv", Body=b"order_id,amount\\n1,2.50\\n")
stack = boto3.client("cloudformation").describe_stacks(StackName="alur-e2e-test")["Stacks"][0]
print(json.dumps({
    "table": boto3.client("dynamodb").describe_table(TableName="alur-ingestion-state")["Table"]["TableStatus"],
    "keys": [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]],
    "location": s3.get_bucket_location(Bucket=bucket)["LocationConstraint"],
    "notification": s3.get_bucket_notification_configuration(Bucket=bucket).get("QueueConfigurations", []),
    "status": stack["StackStatus"],
    "outputs": {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]},
    "applications": [one["id"] for one in boto3.client("emr-serverless").list_applications()["applications"]],
}))
"""

SESSION = """
import json
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
rows = spark.read.csv("s3://alur-landing-e2e-20260122-114314/orders/one.csv", header=True).collect()
print(json.dumps({
    "rows": [row.asDict() for row in rows],
    "namespaces": [row.namespace for row in spark.sql("SHOW NAMESPACES IN alur").collect()],
    "warehouse": spark.conf.get("spark.sql.catalog.alur.warehouse"),
    "files": [spark.conf.get("spark.sql.warehouse.dir"), spark.conf.get("spark.local.dir")],
    "master": spark.conf.get("spark.master"),
}))
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("stack")
    yield up(directory, ["--section", "e2e-test"], lambda _: None)
    down(directory)


def run(state, code, directory):
    """Run Python in a shell that has been told of the stack; what it prints is JSON."""
    told = {**isolated_environment(state.endpoints, os.environ), **state.variables, **state.names, **state.spark}
    done = subprocess.run(
        [sys.executable, "-c", code], env=told, cwd=directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_the_environment_is_found_by_its_own_names_in_its_own_region(stack, tmp_path):
    seen, _ = run(stack, LOOK, tmp_path)
    assert stack.variables["AWS_REGION"] == stack.variables["AWS_DEFAULT_REGION"] == "ap-southeast-5"
    assert stack.names["ALUR_ENV"] == "e2e-test"
    assert (seen["table"], seen["status"]) == ("ACTIVE", "CREATE_COMPLETE")
    assert seen["keys"] == ["orders/one.csv"]
    assert seen["location"] == "ap-southeast-5"
    assert seen["notification"] == []
    assert seen["outputs"] == dict(stack.outputs)
    assert seen["outputs"]["EventIngestion"] == "off"
    assert seen["outputs"]["LakeBucket"].startswith("alur-lake-e2e-test-")
    assert seen["applications"] == [stack.outputs["ApplicationId"]]


def test_a_plain_spark_session_reads_s3_and_the_catalog_of_the_stack(stack, tmp_path):
    run(stack, LOOK, tmp_path)
    seen, complaints = run(stack, SESSION, tmp_path)
    assert seen["rows"] == [{"order_id": "1", "amount": "2.50"}]
    assert seen["namespaces"] == [stack.outputs["Database"]]
    assert seen["warehouse"] == f"s3://{stack.outputs['LakeBucket']}/warehouse"
    assert all(os.path.dirname(stack.spark_conf) in place for place in seen["files"])
    assert seen["master"] == "local[2]"
    assert "WARN " not in complaints
    assert os.listdir(tmp_path) == []
