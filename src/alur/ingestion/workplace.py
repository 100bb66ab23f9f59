"""What a session works with: the stores, S3 and the clock of one deployment, made when they are first needed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from alur.aws.deployment import Deployment
from alur.aws.dynamodb import BotoDynamo
from alur.aws.storage import Storage
from alur.clock import Clock, utc_now
from alur.contracts.contract import Contract
from alur.dispatch.batching import BatchMaker
from alur.errors import DeploymentUnknown, SettingsError
from alur.ingestion.claiming import SessionClaims
from alur.ledger.batches import BatchStore, batch_store
from alur.ledger.files import FileLedger, file_ledger
from alur.ledger.retries import Retries

DEFAULT_LEASE_SECONDS = 300.0
"""How long a session that has died keeps its files, where `ALUR_LEASE_SECONDS` says nothing."""


@dataclass(frozen=True)
class Workplace:
    """One deployment, as a session uses it. Making it makes no call.

    Attributes:
        deployment: where things are.
        clock: the present.
        sleep: waits that many seconds.
    """

    deployment: Deployment = field(default_factory=Deployment)
    clock: Clock = utc_now
    sleep: Callable[[float], None] = time.sleep

    @cached_property
    def storage(self) -> Storage:
        """S3."""
        return Storage(self.deployment.client("s3"))

    @cached_property
    def files(self) -> FileLedger:
        """The files' ledger."""
        return file_ledger(self._dynamo, self.deployment.name("StateTable"))

    @cached_property
    def batches(self) -> BatchStore:
        """The batches' store."""
        return batch_store(self._dynamo, self.deployment.name("BatchesTable"))

    @cached_property
    def lake_bucket(self) -> str:
        """The bucket of the tables, of records and of copies."""
        return self.deployment.name("LakeBucket")

    @cached_property
    def lease_seconds(self) -> float:
        """How long a lease is.

        Raises:
            SettingsError: `ALUR_LEASE_SECONDS` is no number.
        """
        given = self.deployment.variables.get("ALUR_LEASE_SECONDS", "")
        try:
            return float(given) if given else DEFAULT_LEASE_SECONDS
        except ValueError:
            raise SettingsError("ALUR_LEASE_SECONDS", f"{given!r} is not a number of seconds") from None

    @cached_property
    def maker(self) -> BatchMaker:
        """Makes batches."""
        return BatchMaker(
            self.batches,
            self.storage,
            lake_bucket=self.lake_bucket,
            lease_seconds=self.lease_seconds,
            clock=self.clock,
        )

    @cached_property
    def retries(self) -> Retries:
        """The rule by which what failed is tried again."""
        try:
            return Retries(max_attempts=int(self.deployment.name("MaxAttempts")))
        except (DeploymentUnknown, ValueError):
            return Retries()

    def claims(self, contract: Contract) -> SessionClaims:
        """Return what claims files of a table for this session."""
        return SessionClaims(
            contract,
            files=self.files,
            batches=self.batches,
            maker=self.maker,
            clock=self.clock,
            retries=self.retries,
        )

    @cached_property
    def _dynamo(self) -> BotoDynamo:
        return BotoDynamo(self.deployment.client("dynamodb"))


def workplace_of(deployment: Deployment | None) -> Workplace:
    """Return the workplace of a deployment; None: wherever the environment says.

    Args:
        deployment: where things are.
    """
    return Workplace(deployment or Deployment(variables=os.environ))
