"""Put files where a table's files land, and follow them through the ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alur.aws.clients import client
from alur.aws.dynamodb import BotoDynamo
from alur.clock import utc_now
from alur.contracts import Contract, Router, load_contracts
from alur.contracts.contract import OnOverwrite
from alur.contracts.globs import literal_prefix
from alur.dispatch.notifications import to_record
from alur.errors import LocalStackError
from alur.ledger.files import file_ledger
from alur.ledger.model import FileVersion, LedgerItem, Status

_PUT_THREADS = 8
_POLL_SECONDS = 0.5
_SEND_LIMIT = 10

# A failed version that is dropped again is tried again, but not at once.
_RETRY_GRACE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file that has been put into the landing bucket.

    Args:
        bucket: the landing bucket.
        key: its key there.
        etag: what S3 answered, without quotes.
        size_bytes: its size.
        put_at: just before the put.
    """

    bucket: str
    key: str
    etag: str
    size_bytes: int
    put_at: datetime

    @property
    def path(self) -> str:
        """The file's name in the ledger."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of a file that was dropped.

    Args:
        path: `s3://bucket/key`.
        status: `completed`, `failed`, `processing`, or `not seen yet`.
        rows: its rows in the table.
        note: why it failed, or how many rejects it has.
        seconds: from the event to the moment when its rows were queryable; None before.
    """

    path: str
    status: str
    rows: int
    note: str
    seconds: float | None

    def as_mapping(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "file_path": self.path,
            "status": self.status,
            "rows_ingested": self.rows,
            "note": self.note,
            "seconds_to_queryable": self.seconds,
        }


def find_contract(table: str, landing_bucket: str) -> Contract:
    """Return the contract of a table.

    Args:
        table: the ingestion key.
        landing_bucket: what `${LandingBucket}` in globs stands for.

    Raises:
        ContractError: a contract is declared wrongly.
        LocalStackError: there is no such table.
    """
    contracts = load_contracts(variables={"LandingBucket": landing_bucket})
    for contract in contracts:
        if contract.ingestion_key == table:
            return contract
    known = ", ".join(contract.ingestion_key for contract in contracts)
    raise LocalStackError("drop", f"there is no table {table}; src/contracts/ declares {known or 'none'}")


def landing_key(contract: Contract, name: str) -> tuple[str, str]:
    """Return bucket and key under which a file of this name reaches the table.

    Raises:
        LocalStackError: the table's first glob does not take such a name.
    """
    glob = contract.source_paths[0]
    bucket, prefix = literal_prefix(glob)
    key = prefix + name
    if not Router([contract]).route(bucket, key):
        problem = f"s3://{bucket}/{key} would not match {glob}: rename the file, or put it there yourself"
        raise LocalStackError("drop", problem)
    return bucket, key


def put_files(files: Mapping[tuple[str, str], Path], progress: Callable[[int], None] | None = None) -> list[Dropped]:
    """Put files with plain S3 puts, a few at a time.

    Args:
        files: bucket and key to local file.
        progress: told how many are there, after each.
    """
    s3 = client("s3")

    def put(item: tuple[tuple[str, str], Path]) -> Dropped:
        (bucket, key), file = item
        body = file.read_bytes()
        put_at = utc_now()
        answer = s3.put_object(Bucket=bucket, Key=key, Body=body)
        return Dropped(bucket, key, answer["ETag"].strip('"'), len(body), put_at)

    dropped = []
    with ThreadPoolExecutor(_PUT_THREADS) as pool:
        for number, one in enumerate(pool.map(put, files.items()), start=1):
            dropped.append(one)
            if progress is not None:
                progress(number)
    return dropped


def read_entries(
    state_table: str, contract: Contract, dropped: Iterable[Dropped], now: datetime | None = None
) -> list[Entry]:
    """Return what the ledger says of files now, in their order.

    Raises:
        LedgerError: the ledger cannot be asked.
    """
    files = list(dropped)
    ledger = file_ledger(BotoDynamo(client("dynamodb")), state_table)
    items = ledger.read(contract.ingestion_key, [file.path for file in files])
    moment = now or utc_now()
    return [to_entry(file, items.get(file.path), contract.on_overwrite, moment) for file in files]


def to_entry(file: Dropped, item: LedgerItem | None, on_overwrite: OnOverwrite, now: datetime) -> Entry:
    """Judge what a file's item says of the version that was dropped.

    Args:
        file: what was dropped.
        item: the item of its path.
        on_overwrite: whether the table takes another version of a completed file at all.
        now: the present.
    """
    if item is None:
        return Entry(file.path, "not seen yet", 0, "", None)
    if item.etag != file.etag:
        if on_overwrite is OnOverwrite.SKIP and item.status is Status.COMPLETED:
            return Entry(file.path, "completed", item.rows or 0, "kept as it was: on_overwrite is skip", None)
        return Entry(file.path, "not seen yet", 0, f"the ledger has another version, {item.status.value}", None)
    if item.status is Status.FAILED:
        before = item.claimed_at is not None and item.claimed_at < file.put_at
        if before and (now - file.put_at).total_seconds() < _RETRY_GRACE_SECONDS:
            return Entry(file.path, "not seen yet", 0, "it failed before; it may be tried again", None)
        reason = (item.error_message or "").removeprefix(f"{item.path}: ")
        return Entry(file.path, "failed", 0, f"{item.error_type}: {reason}", None)
    seconds = None
    if item.queryable_at is not None and item.event_at is not None:
        seconds = (item.queryable_at - item.event_at).total_seconds()
    note = f"rejects: {item.rejects}; alur rejects {item.ingestion_key} shows them" if item.rejects else ""
    return Entry(file.path, item.status.value, item.rows or 0, note, seconds)


def is_done(entry: Entry) -> bool:
    """Tell whether nothing more will come of a file."""
    return entry.status in (Status.COMPLETED, Status.FAILED)


def drop_files(
    files: Sequence[Path],
    table: str,
    outputs: Mapping[str, str],
    timeout_seconds: float,
    say: Callable[[str], None],
) -> list[Entry]:
    """Copy files to where a table's files land, and wait until each is completed or failed.

    Nothing is left half done when it is interrupted: what has been put is ingested without it.

    Args:
        files: local files; their names become the last part of their keys.
        table: the ingestion key.
        outputs: the deployment's outputs.
        timeout_seconds: how long to wait at most; what is not done by then is returned as it is.
        say: told how far it is, whenever that has changed.

    Raises:
        ContractError: a contract is declared wrongly.
        LedgerError: the ledger cannot be asked.
        LocalStackError: no such table, a name that its glob does not take, or one name twice.
    """
    contract = find_contract(table, outputs["LandingBucket"])
    targets: dict[tuple[str, str], Path] = {}
    for file in files:
        target = landing_key(contract, file.name)
        if target in targets:
            raise LocalStackError("drop", f"{targets[target]} and {file} would both be s3://{'/'.join(target)}")
        targets[target] = file
    dropped = put_files(targets)
    say(f"{len(dropped)} {'file' if len(dropped) == 1 else 'files'} put into s3://{dropped[0].bucket}")
    deadline = time.monotonic() + timeout_seconds
    told = ""
    while True:
        entries = read_entries(outputs["StateTable"], contract, dropped)
        summary = summarize(entries)
        if summary != told:
            say(summary)
            told = summary
        if all(is_done(entry) for entry in entries) or time.monotonic() > deadline:
            return entries
        time.sleep(_POLL_SECONDS)


def summarize(entries: Sequence[Entry]) -> str:
    """Say in one line how many files are in which status."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.status] = counts.get(entry.status, 0) + 1
    order = ("completed", "failed", "processing", "not seen yet")
    return ", ".join(f"{counts[status]} {status}" for status in order if status in counts)


def send_notifications(files: Sequence[Dropped], queue_url: str, region: str) -> None:
    """Send the S3 notifications of puts to a queue, as the landing bucket does: a message for each.

    Args:
        files: what was put.
        queue_url: the event queue.
        region: the bucket's Region.
    """
    sqs = client("sqs")
    for start in range(0, len(files), _SEND_LIMIT):
        entries = [
            {"Id": str(number), "MessageBody": json.dumps(to_notification(file, region))}
            for number, file in enumerate(files[start : start + _SEND_LIMIT])
        ]
        sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)


def to_notification(file: Dropped, region: str) -> dict[str, Any]:
    """Render the S3 notification of a put, as the landing bucket sent it.

    Args:
        file: what was put.
        region: the bucket's Region.
    """
    version = FileVersion(file.bucket, file.key, file.etag, file.size_bytes, None, file.put_at)
    return {"Records": [to_record(version, region=region, now=file.put_at)]}
