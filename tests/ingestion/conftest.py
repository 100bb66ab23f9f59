"""The Spark session that the suites share, and a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from pyspark.sql import SparkSession

from alur.local.environment import REGION, Endpoints
from alur.local.paths import Paths
from spark_session import start_session, stop_session


@pytest.fixture(scope="session")
def spark(aws_endpoints: Endpoints, paths: Paths, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The shared session."""
    yield start_session(aws_endpoints, paths, tmp_path_factory.mktemp("spark"))
    stop_session()


@pytest.fixture(scope="session")
def s3(aws_endpoints: Endpoints) -> Any:
    """A client of moto's S3."""
    return boto3.client(
        "s3",
        endpoint_url=aws_endpoints.aws,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        region_name=REGION,
    )


@pytest.fixture
def bucket(s3: Any) -> str:
    """A bucket that nobody else has."""
    name = f"ingestion-{uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name
