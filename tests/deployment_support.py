"""A deployment for tests: settings, contracts, events, and the dispatcher and reconciler over real stores and S3."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from alur.aws.clients import client
from alur.aws.jobs import Jobs, RunState
from alur.aws.settings import Settings
from alur.aws.storage import Storage
from alur.contracts.contract import Contract, OnOverwrite, fingerprint_of
from alur.contracts.fields import Field
from alur.contracts.routing import Router
from alur.dispatch.batching import BatchMaker
from alur.dispatch.dispatcher import Dispatcher, Report
from alur.dispatch.events import Delivery, Intake, Malformed, ObjectCreated
from alur.dispatch.job_arguments import JobArguments
from alur.dispatch.submission import Submitter
from alur.errors import FileError, StorageRefused
from alur.ledger.batches import Batch, BatchResult, BatchState, BatchStore
from alur.ledger.files import FileLedger
from alur.ledger.memory import MemoryTable
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.table import Change, ItemTable
from alur.ledger.transitions import complete, fail, waits
from alur.ledger.verdicts import final_error
from alur.reconcile.reconciler import Reconciler, SweepReport
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
    "ALUR_UNSUBMITTED_SECONDS": "180",
    "ALUR_MAX_ATTEMPTS": "3",
    "ALUR_BACKOFF_SECONDS": "60",
    "ALUR_EVENT_INGESTION": "on",
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
        self.details: dict[str, str] = {}
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
        return RunState(self.states[run_id], self.details.get(run_id, ""))

    def ends(self, run_id: str, state: str = "SUCCESS", details: str = "") -> None:
        """Let a run end, with EMR's own sentence about it."""
        self.states[run_id], self.details[run_id] = state, details

    def arguments(self, run_id: str) -> JobArguments:
        """What a run was told."""
        return JobArguments.parse(self.requests[run_id]["jobDriver"]["sparkSubmit"]["entryPointArguments"])

    def going(self) -> list[str]:
        return [run_id for run_id, state in self.states.items() if state == "RUNNING"]


class MemoryStorage(Storage):
    """S3 in a dictionary, as far as dispatcher and reconciler know it."""

    def __init__(self, clock: Ticking) -> None:
        super().__init__(None)
        self.objects: dict[tuple[str, str], FileVersion] = {}
        self.documents: dict[str, str] = {}
        self._clock = clock

    def head(self, bucket: str, key: str) -> FileVersion | None:
        return self.objects.get((bucket, key))

    def write(self, bucket: str, key: str, body: bytes) -> None:
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        self.objects[bucket, key] = FileVersion(bucket, key, etag, len(body), None, self._clock())

    def put_document(self, uri: str, document: Mapping[str, Any]) -> None:
        self.documents[uri] = json.dumps(document)

    def get_document(self, uri: str) -> Any:
        if uri not in self.documents:
            raise StorageRefused("GetObject", uri, "NoSuchKey")
        return json.loads(self.documents[uri])


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
            maker=self.maker,
            storage=self.storage,
            submitter=self.submitter,
            clock=self.clock,
        )

    @property
    def maker(self) -> BatchMaker:
        return BatchMaker(
            self.batches,
            self.storage,
            lake_bucket=self.settings.lake_bucket,
            lease_seconds=self.settings.lease_seconds,
            clock=self.clock,
        )

    @property
    def reconciler(self) -> Reconciler:
        return Reconciler(
            contracts=self.contracts,
            files=self.files,
            batches=self.batches,
            storage=self.storage,
            jobs=self.jobs,
            submitter=self.submitter,
            maker=self.maker,
            settings=self.settings,
            clock=self.clock,
        )

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
        if isinstance(self.storage, MemoryStorage):
            self.storage.write(self.landing, key, body)
        else:
            client("s3").put_object(Bucket=self.landing, Key=key, Body=body)
        found = self.storage.head(self.landing, key)
        assert found is not None
        return created(key, found.etag, bucket=self.landing, size_bytes=len(body))

    def remove(self, key: str) -> None:
        if isinstance(self.storage, MemoryStorage):
            del self.storage.objects[self.landing, key]
        else:
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

    def fail(self, key: str, error: FileError, table: str = "orders") -> None:
        """End a claim as the job does, with what is wrong."""
        assert self.files.apply([self._failure(self.there(key, table), error)])[0].applied

    def run_ends(self, run_id: str, state: str = "SUCCESS") -> None:
        """Do what a run does where nothing is wrong, and end."""
        self.run_works(run_id)
        self.recorded.ends(run_id, state)

    def run_dies(self, run_id: str, state: str = "FAILED", details: str = "", *, begins: int | None = None) -> None:
        """Let a run end without an error of its own: it has begun so many of its batches, all by default."""
        arguments = self.recorded.arguments(run_id)
        for batch_id in arguments.batch_ids[:begins]:
            self.batches.begin(arguments.ingestion_key, batch_id, arguments.token)
        self.recorded.ends(run_id, state, details)

    def run_works(
        self,
        run_id: str,
        *,
        poison: Collection[str] = (),
        wrong: Mapping[str, FileError] = MappingProxyType({}),
        rows_in: Collection[str] = (),
    ) -> None:
        """Do what a run does: end each claim by its own file's verdict, batch after batch.

        Args:
            run_id: which run.
            poison: keys that it dies over when it reads a batch that holds one.
            wrong: keys that fail, and with what.
            rows_in: keys whose rows a last look finds in the table.
        """
        arguments = self.recorded.arguments(run_id)
        for batch_id in arguments.batch_ids:
            batch = self.batches.begin(arguments.ingestion_key, batch_id, arguments.token)
            if batch is None or batch.state is BatchState.CLOSED:
                continue
            mine = [item for item in self.items_of(batch) if item.status is Status.PROCESSING]
            if not batch.last_look and any(item.version.key in poison for item in mine):
                self.recorded.ends(run_id, "FAILED")
                return
            now = self.clock()
            flips = []
            for item in mine:
                key = item.version.key
                if batch.last_look and key not in rows_in:
                    flips.append(self._failure(item, final_error(batch, item.path, batch.charges - 1)))
                elif key in wrong and not batch.last_look:
                    flips.append(self._failure(item, wrong[key]))
                else:
                    flips.append(complete(item, batch_id=batch_id, rows=1, snapshot_id="s", queryable_at=now, now=now))
            assert all(flip.applied for flip in self.files.apply(flips))
            after = self.items_of(batch)
            completed = sum(item.status is Status.COMPLETED for item in after)
            retried = sum(waits(item) for item in after)
            failed = len(after) - completed - retried
            result = BatchResult(arguments.token, completed, failed, retried, completed, 20, 30)
            if retried:
                self.batches.finish(batch, arguments.token, result)
            else:
                self.batches.close(batch, now, result)
        self.recorded.ends(run_id)

    def items_of(self, batch: Batch) -> list[LedgerItem]:
        """The items that a batch owns, by path."""
        files = self.storage.get_document(batch.manifest_uri)["files"]
        paths = [f"s3://{file['bucket']}/{file['key']}" for file in files]
        found = self.files.read(batch.ingestion_key, paths)
        return [found[path] for path in paths if path in found and found[path].batch_id == batch.batch_id]

    def _failure(self, item: LedgerItem, error: FileError) -> Change:
        assert item.batch_id is not None
        now = self.clock()
        (fingerprint,) = [one.fingerprint for one in self.contracts if one.ingestion_key == item.ingestion_key]
        return fail(
            item,
            batch_id=item.batch_id,
            error=error,
            now=now,
            next_try_at=self.settings.retries.next_try(error, item.attempt, now),
            contract_fingerprint=fingerprint,
        )

    def sweep(self, may_go_on: Callable[[], bool] = lambda: True, **later: float) -> SweepReport:
        """Sweep as a fresh process does, so much later."""
        self.clock.advance(**(later or {"milliseconds": 1}))
        return self.reconciler.sweep(may_go_on)

    def until_rest(self, work: Callable[[str], None], *, sweeps: int = 400, **step: float) -> list[SweepReport]:
        """Let every run that is going work, and sweep, until nobody has to look at anything any more.

        Args:
            work: what a run does, by its id; it is to end it.
            sweeps: by then there must be rest.
            step: how long it is from one sweep to the next; longer than any backoff by default.
        """
        reports: list[SweepReport] = []
        while self.recorded.going() or self.batches.open().batches or self.batches.open().slots:
            assert len(reports) < sweeps, (self.batches.open(), reports[-3:])
            for run_id in self.recorded.going():
                work(run_id)
            reports.append(self.sweep(**(step or {"minutes": 61})))
        return reports

    def batch_of(self, key: str, table: str = "orders") -> Batch:
        """The batch that owns a key's claim."""
        found = self.batches.read(table, self.there(key, table).batch_id or "")
        assert found is not None
        return found

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
    return _world(contracts, tables, Storage(s3), Ticking(), landing, lake)


def make_light_world(
    contracts: Sequence[str] = ("orders", "flights"), tables: tuple[ItemTable, ItemTable] | None = None
) -> World:
    """The same without a server: S3 in memory too."""
    clock = Ticking()
    return _world(contracts, tables, MemoryStorage(clock), clock, "landing", "lake")


def _world(
    contracts: Sequence[str],
    tables: tuple[ItemTable, ItemTable] | None,
    storage: Storage,
    clock: Ticking,
    landing: str,
    lake: str,
) -> World:
    file_table, batch_table = tables or (MemoryTable("file_path"), MemoryTable("batch_id"))
    return World(
        settings=replace(Settings.from_env(VARIABLES), landing_bucket=landing, lake_bucket=lake),
        file_table=file_table,
        batch_table=batch_table,
        storage=storage,
        jobs=RecordingJobs(),
        contracts=[contract(name, f"s3://{landing}/{name}/**/*.csv") for name in contracts],
        clock=clock,
    )
