"""What the commands that look at a deployment are made of: its stores, its contracts, its event queue.

The composition root of those commands: nothing is asked for before it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import click

from alur.aws.deployment import Deployment
from alur.aws.dynamodb import BotoDynamo
from alur.aws.queue import EventQueue
from alur.aws.storage import Storage
from alur.clock import Clock, utc_now
from alur.contracts.contract import Contract, Trigger
from alur.contracts.loading import load_contracts
from alur.dispatch.notifications import Notifier
from alur.ledger.batches import BatchStore, batch_store
from alur.ledger.files import FileLedger, file_ledger

env_option = click.option(
    "--env", "environment", metavar="ENV", help="The environment: a section of samconfig.toml, as dev."
)
"""Which deployment a command works on."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""Data for programs instead of people."""

_QUEUE_OUTPUT = "EventQueueUrl"


@dataclass(frozen=True)
class Deployed:
    """One deployment, as far as commands need it.

    Args:
        deployment: where everything is.
        clock: the present.
    """

    deployment: Deployment
    clock: Clock = utc_now

    @classmethod
    def of(cls, environment: str | None) -> Deployed:
        """Find a deployment; no call is made yet.

        Args:
            environment: a section of samconfig.toml; None: the process's variables say.
        """
        return cls(Deployment(environment=environment))

    @cached_property
    def contracts(self) -> tuple[Contract, ...]:
        """Every table's contract, its variables replaced.

        Raises:
            ContractError: one of them is declared wrongly.
            DeploymentUnknown: nothing names the landing bucket.
        """
        return load_contracts(variables=self.deployment.contract_variables)

    def contract(self, table: str) -> Contract:
        """Return the contract of a table.

        Args:
            table: its class's name, or its name in the ledger.

        Raises:
            click.BadParameter: there is no such table.
        """
        for contract in self.contracts:
            if table in (contract.ingestion_key, contract.class_name):
                return contract
        known = ", ".join(f"{contract.ingestion_key} ({contract.class_name})" for contract in self.contracts)
        raise click.BadParameter(
            f"there is no table {table}; src/contracts/ declares {known or 'none'}", param_hint="TABLE"
        )

    @cached_property
    def files(self) -> FileLedger:
        """The files' ledger."""
        return file_ledger(self._dynamodb, self.deployment.name("StateTable"))

    @cached_property
    def batches(self) -> BatchStore:
        """The batches' store."""
        return batch_store(self._dynamodb, self.deployment.name("BatchesTable"))

    @cached_property
    def storage(self) -> Storage:
        """S3."""
        return Storage(self.deployment.client("s3"))

    @cached_property
    def notifier(self) -> Notifier:
        """What sends events to the dispatcher."""
        queue = EventQueue(self.deployment.client("sqs"), self.deployment.name(_QUEUE_OUTPUT))
        return Notifier(queue, self.deployment.region_name or "", self.clock)

    def takes_events(self, contract: Contract) -> bool:
        """Whether a table's files are taken in by events, and not only by `alur run`.

        Args:
            contract: the table's.
        """
        return contract.trigger is Trigger.EVENT and self._ingests_events

    @cached_property
    def _ingests_events(self) -> bool:
        return self.deployment.name("EventIngestion") == "on"

    @cached_property
    def _dynamodb(self) -> BotoDynamo:
        return BotoDynamo(self.deployment.client("dynamodb"))
