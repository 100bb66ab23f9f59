"""A deployment's tables, buckets and application on the shared servers, as a function's environment names them."""

from __future__ import annotations

import pytest

from alur.aws.clients import client
from alur.local.environment import Endpoints
from deployment_support import VARIABLES
from ledger_support import create_batches_table, create_state_table, unique


@pytest.fixture
def function_env(aws_servers: Endpoints) -> dict[str, str]:
    """A function's environment."""
    s3, dynamodb, emr = client("s3"), client("dynamodb"), client("emr-serverless")
    landing, lake = unique("landing"), unique("lake")
    for bucket in (landing, lake):
        s3.create_bucket(Bucket=bucket)
    application = emr.create_application(name=unique("app"), releaseLabel="emr-6.15.0", type="SPARK")
    return {
        **VARIABLES,
        "ALUR_LANDING_BUCKET": landing,
        "ALUR_LAKE_BUCKET": lake,
        "ALUR_STATE_TABLE": create_state_table(dynamodb),
        "ALUR_BATCHES_TABLE": create_batches_table(dynamodb),
        "ALUR_APPLICATION_ID": application["applicationId"],
    }
