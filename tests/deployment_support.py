"""A deployment for tests: settings, contracts, events, and the dispatcher and reconciler over real stores and S3."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from alur.aws.clients import client
from alur.aws.jobs import Jobs, RunState
from alur.aws.settings import Settings
from alur.aws.storage import Storage
from alur.contracts.contract import Contract, OnOverwrite, fingerprint_of
from alur.contracts.fields import Field
from alur.contracts.routing import Router
from alur.dispatch.dispatcher import Dispatcher, Report
from alur.dispatch.events import Delivery, Intake, Malformed, ObjectCreated
from alur.dispatch.job_arguments import JobArguments
from alur.dispatch.submission import Submitter
from alur.ledger.batches import BatchResult, BatchState, BatchStore
from alur.ledger.files import FileLedger
from alur.ledger.memory import MemoryTable
from alur.ledger.model import LedgerItem, Status
from alur.ledger.table import ItemTable
from alur.ledger.transitions import complete, fail
from alur.reconcile.reconciler import Reconciler
from ledger_support import NOW, Ticking, unique

VARIABLES = {
    "ALUR_ENVIRONMENT": "test",
    "ALUR_STATE_TABLE": "state",
    "ALUR_BATCHES_TABLE": "batches",
    "ALUR_DATABASE": "bronze",
    "ALUR_LANDING_BUCKET": "landing",
    "ALUR_LAKE_BUCKET": "lake",
    "ALUR_ARTIFACTS_BUCKET": "artifacts",
    "ALUR_APPLICATION_ID": "00app",
    "ALUR_JOB_ROLE_ARN": "arn:aws:iam::123456789012:role/job",
    "ALUR_ARCHIVE_URI": "s3://artifacts/code/0/alur.tar.gz",
    "ALUR_ENTRY_POINT_URI": "s3://artifacts/code/0/main.py",
    "ALUR_MAX_VCPU": "16",
    "ALUR_MAX_MEMORY_GB": "64",
    "ALUR_MAX_RUNS_PER_TABLE": "1",
    "ALUR_MIN_MINUTES_BETWEEN_RUNS": "0",
    "ALUR_LEASE_SECONDS": "300",
    "AWS_REGION": "us-east-1",
}


def contract(
    ingestion_key: str, *globs: str, on_overwrite: OnOverwrite = OnOverwrite.REPLACE, null_values: Sequence[str] = ()
) -> Contract:
    """A contract of one column."""
    fields = (Field("a", "string", True, ""),)
    return Contract(
        ingestion_key=ingestion_key,
        class_name=f"{ingestion_key.title()}Bronze",
        fields=fields,
        source_paths=globs,
        source_system="sales_db",
        on_overwrite=on_overwrite,
        null_values=tuple(null_values),
        partition_by=(),
        description="",
        fingerprint=fingerprint_of(fields, null_values),
    )


class RecordingJobs(Jobs):
    """EMR Serverless as its API promises it: a token starts one run. What it is to refuse, a test says."""

    def __init__(self) -> None:
        super().__init__(None)
        self.requests: dict[str, Mapping[str, Any]] = {}
        self.run_ids: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.calls = 0
        self.fail_next: list[Exception] = []
        self.lose_next = 0
        self.lost: Exception | None = None
        self._lock = threading.Lock()

    def start(self, application_id: str, client_token: str, request: Mapping[str, Any]) -> str:
        with self._lock:
            self.calls += 1
            if self.fail_next:
                raise self.fail_next.pop(0)
            if client_token not in self.run_ids:
                run_id = f"r{len(self.run_ids)}"
                self.run_ids[client_token] = run_id
                self.requests[run_id] = request
                self.states[run_id] = "RUNNING"
            if self.lose_next:
                self.lose_next -= 1
                assert self.lost is not None
                raise self.lost
            return self.run_ids[client_token]

    def state(self, application_id: str, run_id: str) -> RunState | None:
        if run_id not in self.states:
            return None
        return RunState(self.states[run_id], "")

    def arguments(self, run_id: str) -> JobArguments:
        """What a run was told."""
        return JobArguments.parse(self.requests[run_id]["jobDriver"]["sparkSubmit"]["entryPointArguments"])

    def going(self) -> list[str]:
        return [run_id for run_id, state in self.states.items() if state == "RUNNING"]


def created(key: str, etag: str = "e1", *, bucket: str, at: datetime = NOW, size_bytes: int = 10) -> ObjectCreated:
    return ObjectCreated(bucket, key, etag, size_bytes, None, None, at, "ObjectCreated:Put")


def messages(*bodies: Sequence[Any]) -> Intake:
    """An invocation: one SQS message, `m0`, `m1`, …, for each list of records."""
    return Intake(tuple(Delivery(f"m{number}", tuple(records)) for number, records in enumerate(bodies)))


def direct(*records: ObjectCreated | Malformed) -> Intake:
    """An invocation that came without a queue."""
    return Intake((Delivery(None, tuple(records)),))


def s3_record(bucket: str, key: str, etag: str = "e1", size_bytes: int = 10) -> dict[str, Any]:
    """A record of an S3 notification; the key must be one that encodes to itself."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": "2026-11-23T10:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": size_bytes, "eTag": etag}},
    }


def sqs_event(*bodies: Any) -> dict[str, Any]:
    """A Lambda event of SQS: one message, `m0`, `m1`, …, for each body."""
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "eventSource": "aws:sqs",
                "body": body if isinstance(body, str) else json.dumps({"Records": body}),
            }
            for number, body in enumerate(bodies)
        ]
    }


@dataclass(slots=True)
class World:
    """One deployment, whose tables, S3 and EMR a test may touch."""

    settings: Settings
    file_table: ItemTable
    batch_table: ItemTable
    storage: Storage
    jobs: Jobs
    contracts: list[Contract]
    clock: Ticking

    @property
    def files(self) -> FileLedger:
        return FileLedger(self.file_table)

    @property
    def batches(self) -> BatchStore:
        return BatchStore(self.batch_table)

    @property
    def submitter(self) -> Submitter:
        return Submitter(self.batches, self.jobs, self.settings, self.clock)

    @property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(
            router=Router(self.contracts),
            files=self.files,
            batches=self.batches,
            storage=self.storage,
            submitter=self.submitter,
            settings=self.settings,
            clock=self.clock,
        )

    @property
    def reconciler(self) -> Reconciler:
        return Reconciler(batches=self.batches, jobs=self.jobs, submitter=self.submitter, clock=self.clock)

    @property
    def landing(self) -> str:
        return self.settings.landing_bucket

    @property
    def recorded(self) -> RecordingJobs:
        assert isinstance(self.jobs, RecordingJobs)
        return self.jobs

    def configured(self, **changed: Any) -> World:
        """The same deployment under other settings."""
        return replace(self, settings=replace(self.settings, **changed))

    def put(self, key: str, body: bytes = b"a\n1\n") -> ObjectCreated:
        """Write an object, and return the event that S3 sends for it."""
        client("s3").put_object(Bucket=self.landing, Key=key, Body=body)
        found = self.storage.head(self.landing, key)
        assert found is not None
        return created(key, found.etag, bucket=self.landing, size_bytes=len(body))

    def remove(self, key: str) -> None:
        client("s3").delete_object(Bucket=self.landing, Key=key)

    def event(self, key: str, etag: str = "e1", **facts: Any) -> ObjectCreated:
        """An event of an object that nobody needs to look at."""
        return created(key, etag, bucket=self.landing, **facts)

    def send(self, *events: ObjectCreated) -> Report:
        """Dispatch events, a message each, a moment after whatever came before: batch ids sort by time."""
        self.clock.advance(milliseconds=1)
        return self.dispatcher.dispatch(messages(*([event] for event in events)))

    def item(self, key: str, table: str = "orders") -> LedgerItem | None:
        path = f"s3://{self.landing}/{key}"
        return self.files.read(table, [path]).get(path)

    def there(self, key: str, table: str = "orders") -> LedgerItem:
        found = self.item(key, table)
        assert found is not None, key
        return found

    def complete(self, key: str, rows: int = 1, table: str = "orders") -> None:
        """Flip a claim as the job does."""
        found = self.there(key, table)
        assert found.batch_id is not None
        now = self.clock()
        change = complete(found, batch_id=found.batch_id, rows=rows, snapshot_id="s", queryable_at=now, now=now)
        assert self.files.apply([change])[0].applied

    def fail(self, key: str, error: Any, table: str = "orders") -> None:
        """End a claim as the job does, with what is wrong."""
        found = self.there(key, table)
        assert found.batch_id is not None
        assert self.files.apply([fail(found, batch_id=found.batch_id, error=error, now=self.clock())])[0].applied

    def run_ends(self, run_id: str, state: str = "SUCCESS") -> None:
        """Do what a run does: complete each claim of its batches, close them, and end."""
        arguments = self.recorded.arguments(run_id)
        for batch_id in arguments.batch_ids:
            batch = self.batches.begin(arguments.ingestion_key, batch_id, arguments.token)
            assert batch is not None
            paths = [
                f"s3://{file['bucket']}/{file['key']}"
                for file in self.storage.get_document(batch.manifest_uri)["files"]
            ]
            mine = [
                item
                for item in self.files.read(arguments.ingestion_key, paths).values()
                if item.batch_id == batch_id and item.status is Status.PROCESSING
            ]
            now = self.clock()
            flips = [
                complete(item, batch_id=batch_id, rows=1, snapshot_id="s", queryable_at=now, now=now) for item in mine
            ]
            assert all(flip.applied for flip in self.files.apply(flips))
            result = BatchResult(arguments.token, len(mine), 0, len(mine), 20, 30)
            self.batches.close(batch, now, result)
        self.recorded.states[run_id] = state

    def open_batches(self, *states: BatchState) -> list[str]:
        return [batch.batch_id for batch in self.batches.open().batches if not states or batch.state in states]


def make_world(
    contracts: Sequence[str] = ("orders", "flights"), tables: tuple[ItemTable, ItemTable] | None = None
) -> World:
    """Make a deployment with buckets of its own in the S3 that the environment names.

    Args:
        contracts: ingestion keys; each has the files below the folder of its name.
        tables: the state table and the batches table; in memory by default.
    """
    s3 = client("s3")
    landing, lake = unique("landing"), unique("lake")
    for bucket in (landing, lake):
        s3.create_bucket(Bucket=bucket)
    settings = replace(Settings.from_env(VARIABLES), landing_bucket=landing, lake_bucket=lake)
    file_table, batch_table = tables or (MemoryTable("file_path"), MemoryTable("batch_id"))
    return World(
        settings=settings,
        file_table=file_table,
        batch_table=batch_table,
        storage=Storage(s3),
        jobs=RecordingJobs(),
        contracts=[contract(name, f"s3://{landing}/{name}/**/*.csv") for name in contracts],
        clock=Ticking(),
    )
