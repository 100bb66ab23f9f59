"""Whether the table of the rejects holds exactly the rejects of what is in the bronze table. Pure.

A version's rows and its rejects are committed one after the other, under the same record, so that the commit that
brought the rows says of which attempt the rejects are and how many. What is there of other attempts nobody published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alur.contracts.contract import OnOverwrite
from alur.engine.evidence import Counted, CountedRejects, Publication
from alur.ledger.model import LedgerItem, Status
from alur.ledger.transitions import waits

Version = tuple[str, str]
"""A version of a path as one batch has published it: its ETag, and the batch's id."""


@dataclass(frozen=True, slots=True)
class PathRejects:
    """What is known of the rejects of one path.

    Attributes:
        current: what the bronze table holds, or has without rows, each with the commit that brought it; None: its
            snapshot has expired, or its record is lost.
        published: the attempts whose commits are still told, each with its batch's id.
        rejected: what the table of the rejects holds.
    """

    current: Mapping[Version, Publication | None]
    published: frozenset[tuple[str, str]]
    rejected: Sequence[CountedRejects]


def know_rejects(
    held: Sequence[Counted],
    newest_first: Sequence[Publication],
    rejected: Sequence[CountedRejects],
    item: LedgerItem | None,
    on_overwrite: OnOverwrite,
) -> PathRejects:
    """Say which versions of a path may have rejects, by which commits.

    Args:
        held: the path's rows in the bronze table.
        newest_first: what is told of the path's commits.
        rejected: its rejects.
        item: what the ledger has; None: nothing.
        on_overwrite: the contract's rule.
    """
    current: dict[Version, Publication | None] = {(rows.etag, rows.batch_id): None for rows in held}
    # Without rows a version is there as long as nothing was published over it.
    if not held or on_overwrite is OnOverwrite.APPEND:
        newest: dict[str, Publication] = {}
        for publication in newest_first:
            newest.setdefault(publication.etag if on_overwrite is OnOverwrite.APPEND else "", publication)
        current |= {(one.etag, one.batch_id): None for one in newest.values() if not one.rows}
        bare = _bare_by_the_ledger(item)
        if bare is not None:
            current.setdefault(bare, None)
    for publication in reversed(newest_first):
        # A batch that has published a path twice is told by its last commit.
        if (publication.etag, publication.batch_id) in current:
            current[publication.etag, publication.batch_id] = publication
    published = frozenset((publication.batch_id, publication.attempt) for publication in newest_first)
    return PathRejects(current, published, rejected)


def judge_rejects(known: PathRejects, item: LedgerItem | None) -> list[str]:
    """Say what is wrong with the rejects of a path, each in a few words; nothing where all is right.

    Args:
        known: what is known of them.
        item: what the ledger has; None: nothing.
    """
    flaws: list[str] = []
    counted: Counter[tuple[Version, str]] = Counter()
    for group in known.rejected:
        counted[(group.etag, group.batch_id), group.attempt] += group.count
    for version, publication in known.current.items():
        if publication is not None and counted[version, publication.attempt] != publication.rejects:
            there = counted[version, publication.attempt]
            flaws.append(f"the record says {say_rejects(publication.rejects)}, the table holds {there}")
    flaws += _flaws_of_the_entry(known, item)
    if item is None or not waits(item):
        # Of a file that somebody is still to look at they may be an attempt's that goes on, or go with the next one.
        flaws += _what_is_left(known)
    return flaws


def say_rejects(count: int) -> str:
    """Say how many rejects.

    Args:
        count: how many.
    """
    return "1 reject" if count == 1 else f"{count} rejects"


def _bare_by_the_ledger(item: LedgerItem | None) -> Version | None:
    """Return the version without rows that is in, as the ledger has it; None: there is none."""
    if item is None:
        return None
    if item.status is Status.COMPLETED:
        return None if item.rows else (item.etag, item.rows_batch_id or "")
    last_good = item.previous
    return None if last_good is None or last_good.rows else (last_good.etag, last_good.batch_id)


def _flaws_of_the_entry(known: PathRejects, item: LedgerItem | None) -> list[str]:
    if item is None or item.status is not Status.COMPLETED:
        return []
    version = (item.etag, item.rows_batch_id or "")
    if version not in known.current:
        return []
    publication = known.current[version]
    if publication is None:
        there = sum(group.count for group in known.rejected if (group.etag, group.batch_id) == version)
        where = "the table holds"
    else:
        there, where = publication.rejects, "the record says"
    return [] if item.rejects == there else [f"the ledger says {say_rejects(item.rejects)}, {where} {there}"]


def _what_is_left(known: PathRejects) -> list[str]:
    replaced = unpublished = 0
    attempts: set[tuple[str, str]] = set()
    for group in known.rejected:
        version = (group.etag, group.batch_id)
        publication = known.current.get(version)
        if version in known.current and (publication is None or publication.attempt == group.attempt):
            continue
        if (group.batch_id, group.attempt) in known.published:
            replaced += group.count
        else:
            unpublished += group.count
            attempts.add((group.batch_id, group.attempt))
    flaws = []
    if unpublished:
        of = "an attempt that was" if len(attempts) == 1 else "attempts that were"
        flaws.append(f"{say_rejects(unpublished)} of {of} never published {_are(unpublished)} left")
    if replaced:
        flaws.append(f"{say_rejects(replaced)} of what is not in the table any more {_are(replaced)} left")
    return flaws


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
