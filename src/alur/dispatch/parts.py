"""What the functions are made of: the stores, the gateways and the submitter of one deployment."""

from __future__ import annotations

from dataclasses import dataclass

from alur.aws.clients import client
from alur.aws.dynamodb import BotoDynamo
from alur.aws.jobs import Jobs
from alur.aws.settings import Settings
from alur.aws.storage import Storage
from alur.clock import Clock, utc_now
from alur.contracts.contract import Contract
from alur.contracts.loading import load_contracts
from alur.contracts.routing import Router
from alur.dispatch.batching import BatchMaker
from alur.dispatch.dispatcher import Dispatcher
from alur.dispatch.submission import Submitter
from alur.ledger.batches import BatchStore, batch_store
from alur.ledger.files import FileLedger, file_ledger


@dataclass(frozen=True, slots=True)
class Parts:
    """One deployment's parts.

    Attributes:
        settings: the deployment.
        files, batches: the ledger.
        storage: S3.
        jobs: EMR Serverless.
        submitter: starts runs.
        maker: makes batches.
        clock: the present.
    """

    settings: Settings
    files: FileLedger
    batches: BatchStore
    storage: Storage
    jobs: Jobs
    submitter: Submitter
    maker: BatchMaker
    clock: Clock

    @classmethod
    def of(cls, settings: Settings, clock: Clock = utc_now) -> Parts:
        """Make the parts; no call to AWS is made yet.

        Args:
            settings: the deployment.
            clock: the present.
        """
        gateway = BotoDynamo(client("dynamodb"))
        batches = batch_store(gateway, settings.batches_table)
        jobs = Jobs(client("emr-serverless"))
        storage = Storage(client("s3"))
        return cls(
            settings=settings,
            files=file_ledger(gateway, settings.state_table),
            batches=batches,
            storage=storage,
            jobs=jobs,
            submitter=Submitter(batches, jobs, settings, clock),
            maker=BatchMaker(
                batches,
                storage,
                lake_bucket=settings.lake_bucket,
                lease_seconds=settings.lease_seconds,
                clock=clock,
            ),
            clock=clock,
        )

    def contracts(self, package: str = "contracts") -> tuple[Contract, ...]:
        """Load the contracts.

        Args:
            package: where they are.

        Raises:
            ContractError: one of them is declared wrongly.
        """
        return load_contracts(package, variables=self.settings.variables)

    def dispatcher(self, contracts_package: str = "contracts") -> Dispatcher:
        """Make the dispatcher.

        Args:
            contracts_package: where the contracts are.

        Raises:
            ContractError: one of them is declared wrongly.
        """
        return Dispatcher(
            router=Router(self.contracts(contracts_package)),
            files=self.files,
            maker=self.maker,
            storage=self.storage,
            submitter=self.submitter,
            clock=self.clock,
        )
