"""Worlds for the reconciler: in memory, and over DynamoDB Local where a race needs a real table."""

from __future__ import annotations

import pytest

from alur.aws.clients import client
from alur.aws.dynamodb import BotoDynamo
from alur.ledger.dynamo import DynamoTable
from alur.local.environment import Endpoints
from deployment_support import World, make_light_world
from ledger_support import create_batches_table, create_state_table


@pytest.fixture
def world() -> World:
    """A deployment whose tables and S3 are in memory."""
    return make_light_world()


@pytest.fixture
def real(aws_servers: Endpoints) -> World:
    """The same with its tables in DynamoDB Local."""
    dynamodb = client("dynamodb")
    gateway = BotoDynamo(dynamodb)
    return make_light_world(
        tables=(
            DynamoTable(gateway, create_state_table(dynamodb), "file_path"),
            DynamoTable(gateway, create_batches_table(dynamodb), "batch_id"),
        )
    )
