"""The two implementations of the table, and DynamoDB Local's clients."""

from __future__ import annotations

from typing import Any

import pytest

from alur.aws.clients import client
from alur.aws.dynamodb import BotoDynamo
from alur.ledger.dynamo import DynamoTable
from alur.ledger.memory import MemoryTable
from alur.ledger.table import ItemTable
from alur.local.environment import Endpoints
from ledger_support import create_batches_table, create_state_table


@pytest.fixture
def dynamodb(aws_servers: Endpoints) -> Any:
    """A boto3 client of DynamoDB Local."""
    return client("dynamodb")


@pytest.fixture
def state_table(dynamodb: Any) -> str:
    """The name of an empty state table in DynamoDB Local."""
    return create_state_table(dynamodb)


@pytest.fixture(params=["memory", "dynamodb"])
def table(request: pytest.FixtureRequest) -> ItemTable:
    """An empty table with the index `open`: in memory, and in DynamoDB Local."""
    if request.param == "memory":
        return MemoryTable("batch_id")
    dynamodb = request.getfixturevalue("dynamodb")
    return DynamoTable(BotoDynamo(dynamodb), create_batches_table(dynamodb), "batch_id")
