"""A deployment on the shared servers for the commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from alur.aws.clients import client
from alur.aws.deployment import Deployment
from alur.aws.dynamodb import BotoDynamo
from alur.cli.deployed import Deployed
from alur.clock import utc_now
from alur.ledger import batches, files
from alur.ledger.dynamo import DynamoTable
from alur.local.environment import Endpoints
from cli_support import Place
from deployment_support import make_world
from ledger_support import create_batches_table, create_state_table, unique


@pytest.fixture
def place(aws_servers: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Two tables, `orders` and `flights`, whose files are ingested when they land."""
    dynamodb, sqs = client("dynamodb"), client("sqs")
    state, batch = create_state_table(dynamodb), create_batches_table(dynamodb)
    gateway = BotoDynamo(dynamodb)
    tables = (DynamoTable(gateway, state, files.SORT_KEY), DynamoTable(gateway, batch, batches.SORT_KEY))
    world = make_world(tables=tables)
    # The objects' dates are the server's: the commands' clock must not be years away from it.
    world.clock.now = utc_now()
    queue_url = sqs.create_queue(QueueName=unique("events"))["QueueUrl"]
    variables = {
        "ALUR_ENVIRONMENT": "test",
        "ALUR_STATE_TABLE": state,
        "ALUR_BATCHES_TABLE": batch,
        "ALUR_LANDING_BUCKET": world.landing,
        "ALUR_EVENT_INGESTION": "on",
        "ALUR_EVENT_QUEUE_URL": queue_url,
    }
    monkeypatch.delenv("ALUR_ENV", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    def of(cls: type[Deployed], environment: str | None) -> Deployed:
        return cls(Deployment(environment=environment), world.clock)

    def contracts(**_: Any) -> tuple[Any, ...]:
        return tuple(world.contracts)

    monkeypatch.setattr(Deployed, "of", classmethod(of))
    monkeypatch.setattr("alur.cli.deployed.load_contracts", contracts)
    yield Place(world, queue_url, variables)
    sqs.delete_queue(QueueUrl=queue_url)
