"""Real parts around the job: moto's S3 and Glue, DynamoDB Local, Spark with Iceberg. Files in, `run_job`, looks."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from pyspark.sql import SparkSession

from alur.aws.dynamodb import BotoDynamo
from alur.aws.storage import Storage
from alur.clock import utc_now
from alur.contracts import BronzeTable, DecimalField, LongField, StringField
from alur.contracts.contract import Contract
from alur.dispatch.job_arguments import JobArguments
from alur.engine.batch import BatchRun, Workshop
from alur.engine.iceberg import IcebergTable
from alur.engine.job import OpenedTables, run_job
from alur.engine.ports import Tables
from alur.ledger.batches import Batch, BatchState, batch_store, new_batch_id
from alur.ledger.files import file_ledger
from alur.ledger.manifest import Candidate, Manifest
from alur.ledger.model import FileVersion, LedgerItem
from alur.ledger.retries import Retries
from alur.ledger.transitions import Claimant, claim
from alur.local.environment import REGION, Endpoints
from spark_session import LAKE

LANDING = "spark-suite-landing"
DATABASE = "spark_suite"
STATE_TABLE = "spark-suite-state"
BATCHES_TABLE = "spark-suite-batches"

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Servers:
    """boto3 clients of the servers."""

    s3: Any
    dynamodb: Any
    glue: Any


def make_servers(endpoints: Endpoints) -> Servers:
    """Make the buckets, the Glue database and the ledger's tables."""
    account = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": REGION}
    s3 = boto3.client("s3", endpoint_url=endpoints.aws, **account)
    glue = boto3.client("glue", endpoint_url=endpoints.aws, **account)
    dynamodb = boto3.client("dynamodb", endpoint_url=endpoints.dynamodb, **account)
    for bucket in (LANDING, LAKE):
        s3.create_bucket(Bucket=bucket)
    glue.create_database(DatabaseInput={"Name": DATABASE, "LocationUri": f"s3://{LAKE}/warehouse/{DATABASE}"})
    for table, sort_key in ((STATE_TABLE, "file_path"), (BATCHES_TABLE, "batch_id")):
        dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "ingestion_key", "KeyType": "HASH"},
                {"AttributeName": sort_key, "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("ingestion_key", sort_key)
            ],
        )
    return Servers(s3, dynamodb, glue)


def next_name() -> str:
    """Return a class's name that no other table of the suite has."""
    return f"Suite{next(_numbers)}Bronze"


def make_contract(**meta: Any) -> Contract:
    """Return a contract of three columns whose table nobody else has."""
    return contract_of({"id": LongField(nullable=False), "name": StringField(), "amount": DecimalField(12, 2)}, **meta)


def contract_of(fields: Mapping[str, Any], **meta: Any) -> Contract:
    """Return a contract of these fields whose table nobody else has."""
    name = next_name()
    settings = {"source_path": f"s3://{LANDING}/**", "source_system": "suite", **meta}
    made: type[BronzeTable] = type(name, (BronzeTable,), {**fields, "Meta": type("Meta", (), settings)})
    return made.contract()


def rows_of(*ids: int, name: str = "x") -> bytes:
    """Return a file of the three columns, one row for each id."""
    return ("id,name,amount\n" + "".join(f"{number},{name},{number}.50\n" for number in ids)).encode()


class Workbench:
    """One table's files, claims, runs and looks."""

    def __init__(self, spark: SparkSession, servers: Servers, contract: Contract) -> None:
        self.spark = spark
        self.s3 = servers.s3
        self.dynamodb = servers.dynamodb
        self.contract = contract
        gateway = BotoDynamo(servers.dynamodb)
        self.files = file_ledger(gateway, STATE_TABLE)
        self.batches = batch_store(gateway, BATCHES_TABLE)
        self.storage = Storage(servers.s3)
        self.slept: list[float] = []
        self.bucket = LANDING
        self.folder = f"{contract.ingestion_key}/"

    @property
    def key(self) -> str:
        return self.contract.ingestion_key

    @property
    def table_name(self) -> str:
        return f"alur.{DATABASE}.{self.key}"

    @property
    def table(self) -> IcebergTable:
        return IcebergTable(self.spark, self.table_name)

    def with_contract(self, contract: Contract) -> Workbench:
        """Return a workbench for another contract over the same table."""
        other = Workbench(self.spark, Servers(self.s3, self.dynamodb, None), contract)
        other.contract = dataclasses.replace(contract, ingestion_key=self.key)
        other.folder = self.folder
        return other

    # ------------------------------------------------------------------------------------------ files

    def path(self, name: str) -> str:
        """Return the path of a file of this table by its name below the table's folder."""
        return f"s3://{self.bucket}/{self.folder}{name}"

    def put(self, name: str, body: bytes) -> str:
        """Upload a file; return its ETag."""
        answer = self.s3.put_object(Bucket=self.bucket, Key=self.folder + name, Body=body)
        return str(answer["ETag"]).strip('"')

    def delete(self, name: str) -> None:
        """Remove a file."""
        self.s3.delete_object(Bucket=self.bucket, Key=self.folder + name)

    def version(self, name: str) -> FileVersion:
        """Return what the file is now."""
        found = self.storage.head(self.bucket, self.folder + name)
        assert found is not None, name
        return found

    # ----------------------------------------------------------------------------------------- claims

    def claim(self, *names: str, versions: Sequence[FileVersion] = ()) -> Batch:
        """Claim files as a dispatcher does: manifest, batch, claims, ready."""
        now = utc_now()
        batch_id = new_batch_id(now)
        wanted = [*versions, *(self.version(name) for name in names)]
        manifest = Manifest(
            self.key, batch_id, now, self.contract.fingerprint, tuple(Candidate(version, now) for version in wanted)
        )
        uri = f"s3://{LAKE}/alur/batches/{self.key}/{batch_id}/manifest.json"
        self.storage.put_document(uri, manifest.to_document())
        batch = Batch(self.key, batch_id, BatchState.CLAIMING, uri, len(wanted), 0, now, now)
        self.batches.create(batch)
        claimant = Claimant(
            self.key, batch_id, self.contract.on_overwrite, self.contract.fingerprint, self.contract.source_system
        )
        have = self.files.read(self.key, [version.path for version in wanted])
        self.files.apply(
            [claim(have.get(version.path), version, claimant, event_at=now, now=now) for version in wanted]
        )
        self.batches.make_ready(batch, files=len(wanted), size_bytes=sum(version.size_bytes for version in wanted))
        return batch

    # ------------------------------------------------------------------------------------------- runs

    def arguments(self, *batches: Batch, token: str = "suite") -> JobArguments:
        """Return the orders of a run of these batches."""
        return JobArguments(
            token,
            self.key,
            tuple(batch.batch_id for batch in batches),
            STATE_TABLE,
            BATCHES_TABLE,
            DATABASE,
            LANDING,
            LAKE,
            "us-east-1",
            3,
            60.0,
        )

    def run(self, *batches: Batch) -> bool:
        """Run the job on these batches, in this process."""
        return run_job(
            self.spark,
            self.arguments(*batches),
            self.contract,
            files=self.files,
            batches=self.batches,
            storage=self.storage,
            clock=utc_now,
            sleep=self.slept.append,
        )

    def again(self, batch: Batch) -> bool:
        """Run a batch again, closed or not."""
        self.batches.reopen(batch)
        return self.run(batch)

    def ingest(self, *names: str) -> Batch:
        """Claim files, and run their batch."""
        batch = self.claim(*names)
        assert self.run(batch)
        return batch

    def open_tables(self) -> Tables:
        """Make the tables if they are not there, and return them with their reader."""
        return OpenedTables(self.spark, DATABASE, self.contract, self.storage, LAKE, utc_now)()

    def batch_run(self, batch: Batch) -> BatchRun:
        """Return one batch's work, to be run by the test itself."""
        workshop = Workshop(
            contract=self.contract,
            open_tables=self.open_tables,
            files=self.files,
            batches=self.batches,
            storage=self.storage,
            lake_bucket=LAKE,
            token="suite",
            clock=utc_now,
            sleep=self.slept.append,
            retries=Retries(),
        )
        return BatchRun(workshop, batch, Manifest.from_document(self.storage.get_document(batch.manifest_uri)))

    # ------------------------------------------------------------------------------------------ looks

    def item(self, name: str) -> LedgerItem | None:
        """Return what the ledger has for a file."""
        return self.files.read(self.key, [self.path(name)]).get(self.path(name))

    def state(self, name: str) -> tuple[str, Any]:
        """Return a file's status with its rows, or with its error's type."""
        item = self.item(name)
        assert item is not None, name
        return item.status.value, item.error_type or item.rows

    def attributes(self, name: str) -> dict[str, Any]:
        """Return a file's item as DynamoDB holds it."""
        key = {"ingestion_key": {"S": self.key}, "file_path": {"S": self.path(name)}}
        found = self.dynamodb.get_item(TableName=STATE_TABLE, Key=key, ConsistentRead=True)["Item"]
        return {field: TypeDeserializer().deserialize(value) for field, value in found.items()}

    def forget(self, name: str) -> None:
        """Delete a file's item, as the guide lets people do."""
        key = {"ingestion_key": {"S": self.key}, "file_path": {"S": self.path(name)}}
        self.dynamodb.delete_item(TableName=STATE_TABLE, Key=key)

    def batch_state(self, batch: Batch) -> BatchState:
        """Return a batch's state now."""
        found = self.batches.read(self.key, batch.batch_id)
        assert found is not None
        return found.state

    def rows(self, snapshot_id: int | None = None) -> dict[str, int]:
        """Return the rows of each file, by its name below the table's folder."""
        at = "" if snapshot_id is None else f" VERSION AS OF {snapshot_id}"
        found = self.spark.sql(f"SELECT _source_file FROM {self.table_name}{at}").collect()
        return dict(Counter(row[0].removeprefix(self.path("")) for row in found))

    def rejects(self, name: str | None = None) -> list[tuple[str, int, str, str | None, str]]:
        """Return the rejects, of one file if it is named: file, line, record, column, reason."""
        columns = "_source_file, line_number, record, column_name, reason"
        found = self.spark.sql(f"SELECT {columns} FROM {self.table_name}__rejects").collect()
        shown = sorted((row[0].removeprefix(self.path("")), *row[1:]) for row in found)
        return [row for row in shown if name in (None, row[0])]

    def values(self, column: str, name: str | None = None, snapshot_id: int | None = None) -> list[Any]:
        """Return a column's values, sorted; of one file, if it is named."""
        at = "" if snapshot_id is None else f" VERSION AS OF {snapshot_id}"
        found = self.spark.sql(f"SELECT {column}, _source_file FROM {self.table_name}{at}").collect()
        return sorted(row[0] for row in found if name is None or row[1] == self.path(name))

    def history(self) -> list[tuple[int, dict[str, str]]]:
        """Return main's snapshots, the newest first, with what their summaries say of a batch."""
        table = self.table._load()
        found = []
        snapshot = table.currentSnapshot()
        while snapshot is not None:
            summary = snapshot.summary()
            kept = {name: summary.get(name) for name in ("alur.batch-id", "alur.record") if summary.get(name)}
            found.append((int(snapshot.snapshotId()), {**kept, "operation": snapshot.operation()}))
            parent = snapshot.parentId()
            snapshot = None if parent is None else table.snapshot(parent)
        return found

    def published(self) -> list[str]:
        """Return the batches that have committed to main, the newest first, once for each commit."""
        return [summary["alur.batch-id"] for _, summary in self.history() if "alur.batch-id" in summary]

    def record(self, batch: Batch) -> Any:
        """Return the record of a batch's newest commit."""
        uri = next(
            summary["alur.record"] for _, summary in self.history() if summary.get("alur.batch-id") == batch.batch_id
        )
        return self.storage.get_document(uri)

    def record_uris(self, batch: Batch) -> list[str]:
        """Return where the records of a batch's commits are, the oldest first."""
        found = [summary for _, summary in self.history() if summary.get("alur.batch-id") == batch.batch_id]
        return [summary["alur.record"] for summary in reversed(found)]

    def branches(self) -> list[str]:
        """Return the table's references."""
        return sorted(row[0] for row in self.spark.sql(f"SELECT name FROM {self.table_name}.refs").collect())


def is_bronze(table: Any) -> bool:
    """Whether an `IcebergTable` is the one that the rows are in."""
    return not table.name.endswith("__rejects")


def once_before(
    patch: pytest.MonkeyPatch,
    owner: type,
    method: str,
    action: Callable[[], Any],
    when: Callable[[Any], bool] = lambda _: True,
) -> list[int]:
    """Let something happen just before the first call of a method.

    Returns:
        A list that has a member for each call that the method has had.
    """
    original = getattr(owner, method)
    calls: list[int] = []

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not when(self):
            return original(self, *args, **kwargs)
        calls.append(len(calls))
        if len(calls) == 1:
            action()
        return original(self, *args, **kwargs)

    patch.setattr(owner, method, wrapped)
    return calls


def once_after(
    patch: pytest.MonkeyPatch,
    owner: type,
    method: str,
    action: Callable[[], Any],
    when: Callable[[Any], bool] = lambda _: True,
) -> list[int]:
    """Let something happen just after the first call of a method; an exception of it hides the method's answer."""
    original = getattr(owner, method)
    calls: list[int] = []

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = original(self, *args, **kwargs)
        if not when(self):
            return answer
        calls.append(len(calls))
        if len(calls) == 1:
            action()
        return answer

    patch.setattr(owner, method, wrapped)
    return calls
