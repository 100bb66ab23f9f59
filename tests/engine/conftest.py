"""The Spark session, the ledger's tables, and a workbench of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import boto3
import pytest
from pyspark.sql import SparkSession
from workbench import BATCHES_TABLE, DATABASE, LANDING, STATE_TABLE, Servers, Workbench, make_contract

from alur.contracts import BronzeTable
from alur.contracts.contract import Contract
from alur.local.environment import REGION, Endpoints
from alur.local.paths import Paths
from spark_session import LAKE, start_session, stop_session


@pytest.fixture(scope="session")
def spark(aws_endpoints: Endpoints, paths: Paths, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The shared session."""
    yield start_session(aws_endpoints, paths, tmp_path_factory.mktemp("spark"))
    stop_session()


@pytest.fixture(scope="session")
def servers(aws_endpoints: Endpoints) -> Servers:
    """Buckets, the Glue database and the ledger's tables, made once."""
    account = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": REGION}
    s3 = boto3.client("s3", endpoint_url=aws_endpoints.aws, **account)
    glue = boto3.client("glue", endpoint_url=aws_endpoints.aws, **account)
    dynamodb = boto3.client("dynamodb", endpoint_url=aws_endpoints.dynamodb, **account)
    for bucket in (LANDING, LAKE):
        s3.create_bucket(Bucket=bucket)
    glue.create_database(DatabaseInput={"Name": DATABASE, "LocationUri": f"s3://{LAKE}/warehouse/{DATABASE}"})
    for table, sort_key in ((STATE_TABLE, "file_path"), (BATCHES_TABLE, "batch_id")):
        dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "ingestion_key", "KeyType": "HASH"},
                {"AttributeName": sort_key, "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("ingestion_key", sort_key)
            ],
        )
    return Servers(s3, dynamodb, glue)


@pytest.fixture
def bench(spark: SparkSession, servers: Servers) -> Workbench:
    """A table of its own (`id`, `name`, `amount`), named after nothing else, with the ledger and S3 at hand."""
    return Workbench(spark, servers, make_contract())


@pytest.fixture
def bench_for(spark: SparkSession, servers: Servers) -> Callable[[type[BronzeTable] | Contract], Workbench]:
    """Makes a workbench for another contract."""

    def make(contract: type[BronzeTable] | Contract) -> Workbench:
        return Workbench(spark, servers, contract if isinstance(contract, Contract) else contract.contract())

    return make
