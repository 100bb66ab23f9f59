"""The files' store: what the ledger has for a path, and changing it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from alur.clock import from_iso, to_iso
from alur.errors import LedgerRefused
from alur.ledger.dynamo import DynamoTable
from alur.ledger.gateway import DynamoGateway
from alur.ledger.model import SCHEMA_VERSION, LedgerItem, Status
from alur.ledger.table import Attributes, Change, ItemTable
from alur.ledger.transitions import remove

logger = logging.getLogger(__name__)

SORT_KEY = "file_path"
"""The name of the sort key of the state table."""

_WATERMARK = "#watermark"
"""What stands in place of a path on the one item of a table that is no file's."""


@dataclass(frozen=True, slots=True)
class Glance:
    """The little of an item that says whether anything is to be done for its file.

    Attributes:
        etag: of the version.
        status: of it.
    """

    etag: str
    status: Status


@dataclass(frozen=True, slots=True)
class Transitioned:
    """What became of one transition.

    Attributes:
        path: the file's.
        applied: it happened, now or, where an answer had been lost, before.
        item: the item as it is now; None: there is none.
    """

    path: str
    applied: bool
    item: LedgerItem | None


class FileLedger:
    """The table `alur-ingestion-state`: one item for each (ingestion key, path).

    Args:
        table: where the items are.
    """

    def __init__(self, table: ItemTable) -> None:
        self._table = table

    def read(self, ingestion_key: str, paths: Iterable[str]) -> dict[str, LedgerItem]:
        """Return what the ledger has for these paths, strongly consistent; a path without an item is not in it.

        An item that cannot be read (somebody's hand was in the table) is logged, and is nobody's.

        Args:
            ingestion_key: the table.
            paths: `s3://bucket/key`, each.

        Raises:
            LedgerError: the ledger cannot be asked.
        """
        keys = [{"ingestion_key": ingestion_key, SORT_KEY: path} for path in dict.fromkeys(paths)]
        return {item.path: item for item in _readable(self._table.read(keys))}

    def glance(self, ingestion_key: str, paths: Iterable[str]) -> dict[str, Glance]:
        """Return which version the ledger has for these paths, and how far it is: a fifth of the cost of `read`.

        Args:
            ingestion_key: the table.
            paths: `s3://bucket/key`, each; one without an item, or with one that nobody can read, is not in the answer.

        Raises:
            LedgerError: the ledger cannot be asked.
        """
        keys = [{"ingestion_key": ingestion_key, SORT_KEY: path} for path in dict.fromkeys(paths)]
        found = self._table.read(keys, (SORT_KEY, "file_etag", "status"))
        return {item[SORT_KEY]: glance for item in found if (glance := _glance(item)) is not None}

    def watermark(self, ingestion_key: str) -> datetime | None:
        """Return the moment before which a table's files are passed over by listings; None: there is none.

        A saving and no safeguard: without it old files are looked up, and read again where their entries are gone.

        Args:
            ingestion_key: the table.

        Raises:
            LedgerError: the ledger cannot be asked.
        """
        found = self._table.read([_watermark_key(ingestion_key)])
        return from_iso(found[0]["passed_over_before"]) if found else None

    def set_watermark(self, ingestion_key: str, moment: datetime | None) -> None:
        """Set a table's watermark, or remove it.

        Args:
            ingestion_key: the table.
            moment: files whose S3 date is earlier are passed over; None: none is.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        key = _watermark_key(ingestion_key)
        if moment is None:
            self._table.apply_all([Change(key, (), {}, deletes=True)])
        else:
            sets = {"passed_over_before": to_iso(moment), "schema_version": SCHEMA_VERSION}
            self._table.apply(Change(key, (), sets, creates=True))

    def delete(self, items: Sequence[LedgerItem]) -> int:
        """Delete items that are still as they were read, 25 a call; return how many were.

        Nothing in the table changes by it: a file without an item is read again, and its rows are replaced.

        Args:
            items: as they were read.

        Raises:
            LedgerError: the ledger cannot be written; some of them may be gone.
        """
        return sum(outcome.applied for outcome in self._table.apply_all([remove(item) for item in items]))

    def walk(self, ingestion_key: str, *, after: str | None = None) -> Iterator[tuple[LedgerItem, ...]]:
        """Yield every item of a table, a page of up to 1 MB at a time, in the order of the paths' UTF-8 bytes.

        Args:
            ingestion_key: the table.
            after: only paths after this one.

        Raises:
            LedgerError: the ledger cannot be asked.
        """
        for page in self._table.pages(ingestion_key, after):
            if items := tuple(_readable(item for item in page if item[SORT_KEY] != _WATERMARK)):
                yield items

    def apply(self, transitions: Sequence[Change]) -> list[Transitioned]:
        """Do transitions of different files, each by itself, 25 a call: an outcome for each, in order.

        Args:
            transitions: what `alur.ledger.transitions` made.

        Raises:
            LedgerError: the ledger cannot be written, or holds an item that cannot be read; some of them may have
                happened.
        """
        return [
            Transitioned(
                change.key[SORT_KEY],
                outcome.applied,
                None if outcome.item is None else _read(outcome.item),
            )
            for change, outcome in zip(transitions, self._table.apply_all(transitions), strict=True)
        ]


def _glance(attributes: Attributes) -> Glance | None:
    try:
        status = Status(attributes.get("status", Status.COMPLETED))
    except ValueError:
        return None
    return Glance(str(attributes.get("file_etag", "")).strip('"'), status)


def _watermark_key(ingestion_key: str) -> dict[str, str]:
    return {"ingestion_key": ingestion_key, SORT_KEY: _WATERMARK}


def _read(attributes: Attributes) -> LedgerItem:
    try:
        return LedgerItem.from_attributes(attributes)
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerRefused(
            "read",
            "UnreadableItem",
            f"the item of {attributes.get(SORT_KEY)} is none of Alur's ({error!r}): correct it, or delete it",
        ) from error


def _readable(found: Iterable[Attributes]) -> Iterator[LedgerItem]:
    for attributes in found:
        try:
            yield _read(attributes)
        except LedgerRefused as error:
            logger.error("%s", error)


def file_ledger(gateway: DynamoGateway, table_name: str) -> FileLedger:
    """Make the store over a DynamoDB table.

    Args:
        gateway: DynamoDB's calls.
        table_name: the table's name.
    """
    return FileLedger(DynamoTable(gateway, table_name, SORT_KEY))
