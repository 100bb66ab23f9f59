"""Universes by name, each about something, and what its schedules must come to, else they would show nothing."""

from __future__ import annotations

from dataclasses import dataclass

from alur.contracts.contract import OnOverwrite
from exploration.world import Universe

_ONE, _TWO, _THREE = ("a.csv",), ("a.csv", "b.csv"), ("a.csv", "b.csv", "_c.csv")


@dataclass(frozen=True, slots=True)
class Place:
    """A universe, and what is seen in it.

    Attributes:
        universe: None: every schedule has one of its own, by chance.
        sights: what some of its schedules come to: error types, and what `Rules.saw` is told.
    """

    universe: Universe | None
    sights: frozenset[str]


def _place(universe: Universe | None, *sights: str) -> Place:
    return Place(universe, frozenset(sights))


UNIVERSES: dict[str, Place] = {
    "anything": _place(None, "waiting", "handed over", "last look", "FileChanged", "KilledRun"),
    "overwritten": _place(Universe(uploads=5, duplicates=2), "waiting", "FileChanged", "replaced"),
    "without-rows": _place(
        Universe(kinds=("two", "bare"), uploads=4, harm=3, twins=2, max_attempts=2),
        "waiting",
        "CommitRefused",
        "replaced",
    ),
    "appended": _place(
        Universe(on_overwrite=OnOverwrite.APPEND, uploads=4, harm=2, twins=2, packs=False), "waiting", "FileChanged"
    ),
    "skipped": _place(
        Universe(on_overwrite=OnOverwrite.SKIP, kinds=("two", "three", "header"), uploads=4, twins=1), "HeaderMismatch"
    ),
    "verdicts": _place(
        Universe(
            keys=_THREE,
            kinds=("two", "three", "bare", "header", "records", "mixed", "empty", "broken"),
            uploads=9,
            harm=1,
            steps=800,
        ),
        *("HeaderMismatch", "UnstorableRecords", "EmptyFile", "UnreadableFile", "replaced"),
    ),
    "rejects": _place(
        Universe(keys=_TWO, kinds=("two", "mixed", "mixed-too", "bare", "records"), uploads=6, harm=3, twins=3),
        *("CommitRefused", "replaced", "UnstorableRecords", "rejected"),
    ),
    "rejects-and-another-contract": _place(
        Universe(kinds=("old", "wide"), uploads=4, deploys=1, harm=3, twins=3, sweeps=12), "rejected", "replaced"
    ),
    "rejects-that-are-appended": _place(
        Universe(
            on_overwrite=OnOverwrite.APPEND,
            kinds=("two", "mixed", "mixed-too"),
            uploads=5,
            harm=2,
            twins=2,
            packs=False,
        ),
        "rejected",
    ),
    "rejects-of-sessions": _place(
        Universe(keys=_TWO, kinds=("two", "mixed", "mixed-too"), uploads=6, sessions=4, harm=2), "session", "rejected"
    ),
    "poison": _place(
        Universe(keys=_TWO, kinds=("two", "poison"), uploads=4, harm=1, max_attempts=2, steps=600),
        *("KilledRun", "handed over", "last look"),
    ),
    "two-runs-at-once": _place(
        Universe(keys=_TWO, max_runs=2, uploads=5, duplicates=2, sweeps=12, harm=1, twins=1), "waiting", "replaced"
    ),
    "zombies-and-twins": _place(
        Universe(kinds=("two", "three", "bare"), uploads=4, harm=7, twins=3, sweeps=12, max_attempts=2, steps=800),
        *("RunDied", "last look", "replaced"),
    ),
    "forgotten": _place(
        Universe(keys=_TWO, kinds=("two", "bare"), uploads=4, duplicates=3, forgets=3, wipes=1, harm=1), "replaced"
    ),
    "other-writers": _place(
        Universe(keys=_TWO, kinds=("two", "three", "bare"), uploads=5, meddling=6, twins=1), "CommitRefused", "replaced"
    ),
    "rolled-back": _place(Universe(uploads=4, rollbacks=2, meddling=2, twins=1), "replaced"),
    "lost-answers": _place(Universe(keys=_TWO, uploads=4, harm=6, duplicates=2, steps=600), "waiting", "CommitUnknown"),
    "deleted-and-uploaded-again": _place(
        Universe(kinds=("two", "bare", "header"), uploads=5, deletes=3, duplicates=1), "FileVanished", "HeaderMismatch"
    ),
    "deployed": _place(
        Universe(keys=_TWO, kinds=("two", "wide", "bare"), uploads=4, deploys=1, twins=1), "HeaderMismatch", "waiting"
    ),
    "refused-by-the-table": _place(Universe(keys=_TWO, uploads=4, refusals=2, duplicates=2), "TableRefused"),
    "outages": _place(Universe(uploads=3, outages=4, sweeps=40, steps=1200), "RunsNeverBegan"),
    "sessions": _place(
        Universe(keys=_TWO, kinds=("two", "three", "bare"), uploads=5, sessions=4, duplicates=1, harm=2, sweeps=10),
        *("session", "Lapsed", "FileChanged", "waiting", "replaced", "Released"),
    ),
    "sessions-of-all-kinds": _place(
        Universe(
            keys=_THREE,
            kinds=("two", "bare", "header", "records", "broken", "poison"),
            uploads=7,
            sessions=5,
            deletes=1,
            forgets=1,
            harm=2,
            steps=800,
        ),
        *("session", "HeaderMismatch", "UnstorableRecords", "UnreadableFile", "KilledRun"),
    ),
    "sessions-that-append": _place(
        Universe(on_overwrite=OnOverwrite.APPEND, uploads=5, sessions=4, harm=2, packs=False), "session", "Lapsed"
    ),
    "kept-versions": _place(
        Universe(keys=("a.csv", "_c.csv"), keeps_versions=True, uploads=6, steps=300), "FileChanged", "waiting"
    ),
}
