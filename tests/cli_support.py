"""A deployment that the commands find by ALUR_* variables, on moto and DynamoDB Local, beside the real dispatcher."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from click.testing import CliRunner, Result

from alur.aws.clients import client
from alur.cli import main
from alur.contracts.contract import Contract, OnOverwrite, Trigger
from alur.dispatch.dispatcher import Report
from alur.dispatch.events import parse
from alur.ledger.model import LedgerItem, Status
from deployment_support import World


@dataclass(slots=True)
class Place:
    """What a test has in its hands.

    Attributes:
        world: the deployment; its clock is the commands' clock, its contracts are theirs.
        queue_url: the event queue.
        variables: what the commands' environment says.
    """

    world: World
    queue_url: str
    variables: dict[str, str]

    def call(self, *arguments: str, answer: str | None = None) -> Result:
        """Run a command; whatever is no clean exit is raised here."""
        result = CliRunner(mix_stderr=False).invoke(main, list(arguments), input=answer)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def json(self, *arguments: str) -> Any:
        """Run a command with --json, and return what it printed."""
        return json.loads(self.call(*arguments, "--json").stdout)

    def path(self, key: str) -> str:
        return f"s3://{self.world.landing}/{key}"

    def messages(self) -> list[dict[str, Any]]:
        """Take everything out of the event queue."""
        sqs = client("sqs")
        taken: list[dict[str, Any]] = []
        while found := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
            taken += found
        return taken

    def announced(self) -> list[str]:
        """Take everything out of the event queue; return the keys that it named, as the dispatcher reads them."""
        return [record.key for record in parse(sqs_event_of(self.messages())).created]

    def deliver(self) -> Report:
        """Hand what is in the event queue to the real dispatcher, as Lambda does."""
        self.world.clock.advance(milliseconds=1)
        return self.world.dispatcher.dispatch(parse(sqs_event_of(self.messages())))

    def completed(self, key: str, body: bytes = b"a\n1\n", rows: int = 1) -> LedgerItem:
        """Put a file and ingest it."""
        self.world.send(self.world.put(key, body))
        table = key.split("/")[0]
        self.world.complete(key, rows, table)
        return self.world.there(key, table)

    def has(self, key: str, status: Status) -> bool:
        item = self.world.item(key, key.split("/")[0])
        return item is not None and item.status is status

    def set_contract(
        self, key: str, *, trigger: Trigger = Trigger.EVENT, on_overwrite: OnOverwrite = OnOverwrite.REPLACE
    ) -> Contract:
        """Declare a table otherwise."""
        (number,) = [at for at, contract in enumerate(self.world.contracts) if contract.ingestion_key == key]
        changed = replace(self.world.contracts[number], trigger=trigger, on_overwrite=on_overwrite)
        self.world.contracts[number] = changed
        return changed


def sqs_event_of(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """A Lambda event of these messages, as the event source mapping makes it."""
    return {
        "Records": [
            {"messageId": message["MessageId"], "eventSource": "aws:sqs", "body": message["Body"]}
            for message in messages
        ]
    }
