"""What must hold of a file when everything is at rest. Pure: facts in, differences out.

    the object's bytes are a good file   completed with this ETag and this many rows, and in the table exactly these,
                                         and in the table of the rejects exactly its rejects
    the object's bytes are none          failed with a reason, and in the table what was there before, whole
    there is no object                   nothing goes on, and in the table what was there before, whole

"What was there before" is the version of the last rest, or a good one that was put since: whether Alur came to that
one before it was overwritten is a matter of time, and either is right. Nothing in between is: never rows of two
versions, of two batches, a part of a version, or a row twice.

Rejects go with the rows: of the version whose rows the table holds all are there, once, and of no other one any. An
attempt that died between its two commits has left its own too; the next one that is published takes them away. So
they may be there while the file has failed, whole, and count for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recount import Reject, Row

EXHAUSTED = frozenset({"KilledRun", "RunsFailed"})
"""What a good file may fail of, if more runs died in one round than a file is tried: by name, and with a remedy."""

FOREIGN_BATCH = "foreign-"
"""What the `_batch_id` of the foreign appender's rows begins with."""


@dataclass(frozen=True)
class Version:
    """Bytes that were under a path at some time.

    Args:
        etag: S3's ETag of them, without quotes.
        size_bytes: how many.
        rows: what was written.
        problem: why they are no good file; None: they are.
        rejects: what was written that cannot be stored.
    """

    etag: str
    size_bytes: int
    rows: tuple[Row, ...]
    problem: str | None = None
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True)
class TableRow:
    """A row of the bronze table.

    Args:
        row: the contract's columns.
        path: `_source_file`.
        etag: `_source_etag`.
        batch_id: `_batch_id`.
    """

    row: Row
    path: str | None
    etag: str | None
    batch_id: str | None


@dataclass(frozen=True)
class TableReject:
    """A row of the table of the rejects.

    Args:
        reject: its line and its record.
        path: `_source_file`.
        etag: `_source_etag`.
        batch_id: `_batch_id`.
        attempt: `_attempt`.
    """

    reject: Reject
    path: str | None
    etag: str | None
    batch_id: str | None
    attempt: str | None


@dataclass(frozen=True)
class FileFacts:
    """Everything that is known of one path, at rest.

    Args:
        path: `s3://bucket/key`.
        current: what the bucket holds; None: nothing.
        held: the version whose rows the table held at the last rest; None: it held none.
        since: what was put since then, in order.
        item: the ledger's item, plain.
        rows: the table's rows of this path.
        rejects: its rejects in their table.
        attempt: which of its batch's attempts has brought the rows, by the record of their commit.
        is_forgotten: the item was deleted, and no event has named the path since.
        may_be_exhausted: more runs died than a file is tried, since this version is there.
    """

    path: str
    current: Version | None
    held: Version | None
    since: tuple[Version, ...]
    item: Mapping[str, Any] | None
    rows: tuple[TableRow, ...]
    rejects: tuple[TableReject, ...] = ()
    attempt: str | None = None
    is_forgotten: bool = False
    may_be_exhausted: bool = False

    @property
    def is_exhausted(self) -> bool:
        """Whether the file failed because of that."""
        if self.item is None or self.item.get("status") != "failed" or not self.may_be_exhausted:
            return False
        return self.item.get("error_type") in EXHAUSTED


def file_differences(facts: FileFacts) -> list[str]:
    """Compare one path's ledger item, rows and rejects with what must hold.

    Args:
        facts: what is known of it.

    Returns:
        What differs, each in a sentence; nothing where all is right.
    """
    found = [*_item_differences(facts), *_holding_differences(facts)]
    if not found and facts.item is not None:
        found += _agreement_differences(facts, facts.item)
    return found or _reject_differences(facts)


def holding(facts: FileFacts) -> Version | None:
    """Return the version whose rows the table holds now, for the facts of the next rest.

    Args:
        facts: of a path without differences.
    """
    if facts.rows:
        return next(version for version in _known(facts) if version.etag == facts.rows[0].etag)
    # A version without rows was published, or nothing ever was: for what may come, both are the same.
    return None


def foreign_differences(rows: Iterable[TableRow], appended: Iterable[Row], uncertain: Iterable[Row]) -> list[str]:
    """Compare the rows of the foreign appender: each is there once.

    Args:
        rows: of the table, those whose batch is foreign.
        appended: what was appended.
        uncertain: what may have been, because the append failed.
    """
    there = Counter(row.row for row in rows)
    must, may = Counter(appended), Counter(uncertain)
    lost, extra = must - there, there - must - may
    found = []
    if lost:
        found.append(f"{sum(lost.values())} foreign rows are lost: {_some_ids(lost.elements())}")
    if extra:
        found.append(f"{sum(extra.values())} foreign rows are too many: {_some_ids(extra.elements())}")
    return found


def snapshot_differences(
    snapshot_id: str, groups: Iterable[tuple[str, str, str, int]], versions: Mapping[str, Mapping[str, Version]]
) -> list[str]:
    """Compare one snapshot of main: no reader may ever have seen two versions of a file, or a part of one.

    Args:
        snapshot_id: which.
        groups: path, ETag, batch and number of the rows that are not foreign.
        versions: every version that each path ever had, by path and ETag.
    """
    found: list[str] = []
    seen: Counter[str] = Counter()
    for path, etag, batch_id, count in groups:
        seen[path] += 1
        version = versions.get(path, {}).get(etag)
        if version is None:
            found.append(f"snapshot {snapshot_id} has {count} rows of {path} with ETag {etag}, which nobody put")
        elif version.problem is not None or count != len(version.rows):
            found.append(
                f"snapshot {snapshot_id} has {count} rows of {path} with ETag {etag} by {batch_id}, not {_say(version)}"
            )
    found += [
        f"snapshot {snapshot_id} has rows of {n} versions or batches of {path}" for path, n in seen.items() if n > 1
    ]
    return found


def _item_differences(facts: FileFacts) -> list[str]:
    item, current = facts.item, facts.current
    if item is None:
        return [] if facts.is_forgotten else ["the ledger has no item"]
    status = item.get("status")
    found = [f"the item still has {name}" for name in ("waiting", "next_try_at") if name in item]
    if status not in ("completed", "failed"):
        return [*found, f"its status is {status}"]
    if status == "failed" and not (item.get("error_type") and item.get("error_message")):
        found.append("it failed without a reason")
    if current is None:
        return found
    if item.get("file_etag") != current.etag:
        found.append(f"the ledger has version {item.get('file_etag')}, the bucket {current.etag}")
    elif item.get("file_size") != current.size_bytes:
        found.append(f"file_size is {item.get('file_size')}, not {current.size_bytes}")
    if current.problem is not None:
        if status != "failed":
            found.append(f"it is {status}, and its bytes are no good file: {current.problem}")
        return found
    if status != "completed" and not facts.is_exhausted:
        reason = f"{item.get('error_type')}: {item.get('error_message')}"
        found.append(f"it is {status} ({reason}), and its bytes are a good file of {len(current.rows)} rows")
    elif status == "completed" and item.get("rows_ingested") != len(current.rows):
        found.append(f"rows_ingested is {item.get('rows_ingested')}, the recount says {len(current.rows)}")
    return found


def _holding_differences(facts: FileFacts) -> list[str]:
    groups: dict[tuple[str | None, str | None], list[Row]] = {}
    for row in facts.rows:
        groups.setdefault((row.etag, row.batch_id), []).append(row.row)
    if len(groups) > 1:
        told = ", ".join(f"{len(rows)} of {etag} by {batch_id}" for (etag, batch_id), rows in groups.items())
        return [f"the table holds rows of several versions or batches: {told}"]
    allowed = _allowed(facts)
    if not groups:
        if any(version is None or not version.rows for version in allowed):
            return []
        return [f"the table holds nothing of it, and should hold {' or '.join(_say(version) for version in allowed)}"]
    [((etag, batch_id), rows)] = groups.items()
    version = next((version for version in allowed if version is not None and version.etag == etag), None)
    if version is None:
        told = " or ".join(_say(version) for version in allowed)
        return [f"the table holds {len(rows)} rows of version {etag} by {batch_id}, and should hold {told}"]
    missing, extra = Counter(version.rows) - Counter(rows), Counter(rows) - Counter(version.rows)
    found = []
    if missing:
        found.append(f"{sum(missing.values())} rows of {etag} are missing: {_some_ids(missing.elements())}")
    if extra:
        found.append(f"{sum(extra.values())} rows of {etag} are too many or other: {_some_ids(extra.elements())}")
    return found


def _reject_differences(facts: FileFacts) -> list[str]:
    groups: dict[tuple[str | None, str | None, str | None], list[Reject]] = {}
    for reject in facts.rejects:
        groups.setdefault((reject.etag, reject.batch_id, reject.attempt), []).append(reject.reject)
    found: list[str] = []
    held = holding(facts)
    if held is not None:
        there = Counter(groups.pop((held.etag, facts.rows[0].batch_id, facts.attempt), ()))
        missing, extra = Counter(held.rejects) - there, there - Counter(held.rejects)
        if missing:
            found.append(f"{missing.total()} rejects of {held.etag} are missing: {_some_lines(missing)}")
        if extra:
            found.append(f"{extra.total()} rejects of {held.etag} are too many or other: {_some_lines(extra)}")
        if facts.item is not None and facts.item["status"] == "completed":
            told = facts.item.get("rows_rejected", 0)
            if told != len(held.rejects):
                found.append(f"rows_rejected is {told}, and {len(held.rejects)} were written")
    versions = {version.etag: version for version in _known(facts)}
    may_be_left = facts.item is None or facts.item["status"] == "failed"
    for (etag, batch_id, attempt), rejects in groups.items():
        version = versions.get(str(etag))
        of = f"{len(rejects)} rejects of version {etag} by {batch_id}, attempt {attempt}"
        if version is not None and Counter(rejects) != Counter(version.rejects):
            found.append(f"there are {of}: not the {len(version.rejects)} that were written")
        elif not may_be_left:
            found.append(f"there are {of}, which goes with no rows")
    return found


def _agreement_differences(facts: FileFacts, item: Mapping[str, Any]) -> list[str]:
    """The ledger and the table agree, also where several answers would be right."""
    etags = {row.etag for row in facts.rows}
    if item["status"] == "failed":
        previous = item.get("previous")
        if previous is not None and int(previous.get("rows_ingested", 0)) and etags != {previous["file_etag"]}:
            return [f"`previous` says that the table holds {previous['file_etag']}, it holds {etags or 'nothing'}"]
        return []
    found = []
    if "previous" in item or "error_type" in item:
        found.append("it is completed, and the item still has previous, or an error")
    if item.get("rows_ingested") != len(facts.rows):
        found.append(f"rows_ingested is {item.get('rows_ingested')}, the table holds {len(facts.rows)}")
    if facts.rows and etags != {item.get("file_etag")}:
        found.append(f"the ledger has completed {item.get('file_etag')}, the table holds {etags}")
    batches = {row.batch_id for row in facts.rows}
    if facts.rows and batches != {item.get("batch_id")}:
        found.append(f"the item is of batch {item.get('batch_id')}, the rows are of {batches}")
    return found


def _allowed(facts: FileFacts) -> Sequence[Version | None]:
    """Return the versions of which the table may hold the rows; None: of none."""
    current = facts.current
    if current is not None and current.problem is None and facts.item is not None and not facts.is_exhausted:
        return [current]
    good: list[Version | None] = [facts.held]
    for version in facts.since:
        if version.problem is None and version not in good:
            good.append(version)
    return good


def _known(facts: FileFacts) -> list[Version]:
    return [version for version in (facts.current, facts.held, *facts.since) if version is not None]


def _say(version: Version | None) -> str:
    if version is None:
        return "nothing"
    if version.problem is not None:
        return f"no row of {version.etag}, which is no good file ({version.problem})"
    return f"the {len(version.rows)} rows of {version.etag}"


def _some_lines(rejects: Iterable[Reject]) -> str:
    return ", ".join(f"line {line}" for line, _ in sorted(rejects)[:5])


def _some_ids(rows: Iterable[Row]) -> str:
    ids = [str(row[0]) for row in rows]
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
