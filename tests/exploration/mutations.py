"""Rules of the real code taken away, one at a time: what an exploration is worth is shown by what it then finds.

Each takes one rule out of the functions that are deployed, and names a universe in which that can matter. Four rules
are missing here, because nothing that is judged can tell:

    a slot settled in two steps     whoever dies between them leaves a batch that is submitted under a token that
                                    holds no slot: the sweep asks for its runs and lets it wait (`CHECK_RUN`). The
                                    transaction keeps a run's end from being counted twice; what is counted twice is
                                    how long a slot rests, which no rule bounds from below.
    adopt-empty by any record of    a batch's id is never used twice and it claims a path once, so that after its
    this batch, not the newest      own commit nobody else publishes the path while it owns the item: whoever took the
                                    item has it, and its second reading of the ledger drops the path.
    that there are no rejects is    it keeps the rejects of a zombie out that has lost its files since it looked; no
    committed too                   schedule was found in which they stay: a refused attempt takes its own back.
    own before look                 the two readings of the object guard there, as the abstract model says, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from alur.contracts.contract import OnOverwrite
from alur.engine import batch as engine_batch
from alur.engine import verdicts
from alur.engine.ports import StagedFiles
from alur.engine.records import PUBLISHED
from alur.engine.staging import Stager, Staging
from alur.ingestion.objects import Sight, look_at_objects
from alur.ledger import transitions
from alur.ledger.batches import Batch, BatchStore, Slot
from alur.ledger.model import FileVersion, LedgerItem, Status
from alur.ledger.table import Change, OneOf
from alur.ledger.transitions import Decision
from exploration.enumeration import FINISH, Scenario
from exploration.world import Universe

A_B = ("a.csv", "b.csv")


@dataclass(frozen=True, slots=True)
class Mutation:
    """A rule taken away.

    Attributes:
        without: takes it away for as long as the context lasts.
        where: it can matter: schedules of a universe by chance, or every one of a scenario.
        most: so many schedules at the most find it.
    """

    without: Callable[[], AbstractContextManager[Any]]
    where: Universe | Scenario
    most: int = 2000


def _patched(target: str, replacement: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: mock.patch(target, replacement)


# ------------------------------------------------------------------------------------------- publishing


def _divide_without_look(items: Any, found: Any, batch: Batch, on_overwrite: OnOverwrite) -> verdicts.Division:
    return verdicts.divide(items, {}, batch, on_overwrite)


@contextmanager
def _without_look() -> Iterator[None]:
    with (
        mock.patch("alur.engine.batch.divide", _divide_without_look),
        mock.patch("alur.engine.batch.relevant", return_value=[]),
    ):
        yield


def _divide_adopting_any(items: Any, found: Any, batch: Batch, on_overwrite: OnOverwrite) -> verdicts.Division:
    mine = {path: [replace(rows, batch_id=batch.batch_id) for rows in there] for path, there in found.items()}
    return verdicts.divide(items, mine, batch, on_overwrite)


def _published_paths_with_rows(document: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(file["path"] for file in document["files"] if file["verdict"] == PUBLISHED and file["rows"])


def _complete_unfenced(item: LedgerItem, **how: Any) -> Change:
    change = transitions.complete(item, **how)
    return replace(change, requires=(OneOf("status", (Status.PROCESSING.value, Status.FAILED.value)),))


_adopt_empty = engine_batch.BatchRun._adopt_empty


def _adopt_any_empty(self: Any, table: Any, items: Any, found: Any) -> Any:
    class History:
        def history(self) -> Iterator[Any]:
            return (replace(commit, batch_id=batch_id) for commit in table.history())

    batch_id = self._batch.batch_id
    return _adopt_empty(self, History(), items, found)


def _fail_unlooked(self: Any, table: Any) -> Any:
    items = self._at.files.read(self._batch.ingestion_key, self._manifest.paths)
    return engine_batch._Round(
        items,
        failed=[
            (item, engine_batch.final_error(self._batch, item.path, self._batch.charges - 1))
            for item in items.values()
            if item.batch_id == self._batch.batch_id and item.status is Status.PROCESSING
        ],
    )


def _commit_rejects_whatever_happened(
    self: Any, rejects: Any, branch: str | None, pinned: Any, uri: str, paths: Any, also: Any = None
) -> Any:
    pin = pinned.snapshot_id
    return rejects.commit(
        branch,
        pin,
        StagedFiles(pin, (), ()) if branch is None else rejects.collect(branch, pin),
        batch_id=self._batch.batch_id,
        record_uri=uri,
        paths=paths,
        published_paths=lambda _: frozenset(),
    )


@contextmanager
def _without(*targets: tuple[str, Any]) -> Iterator[None]:
    with ExitStack() as patches:
        for target, replacement in targets:
            patches.enter_context(mock.patch(target, replacement))
        yield


# --------------------------------------------------------------------------------------------- reading


class _FirstWins(dict[str, Any]):
    """What was found in the bytes outranks the last look."""

    def update(self, others: Any) -> None:  # type: ignore[override]
        for path, error in others.items():
            self.setdefault(path, error)


_stage = Stager.stage


def _stage_looking_first(self: Any, branch: str, items: Mapping[str, LedgerItem], now: Any) -> Staging:
    self._failed = _FirstWins()
    return _stage(self, branch, items, now)


def _look_once(storage: Any, wanted: Iterable[FileVersion]) -> Sight:
    versions = list(wanted)
    if any(version.last_modified is None for version in versions):
        return look_at_objects(storage, versions)
    # What was seen before has a date: this is the second look.
    return Sight({version.path: version for version in versions})


# ------------------------------------------------------------------------------- claims, batches, slots


def _never_remembers(*seen: Any) -> Decision:
    decision = transitions.decide_by_object(*seen)
    return Decision.DUPLICATE if decision is Decision.REMEMBER else decision


def _claim_whatever_it_is(item: LedgerItem | None, *seen: Any, **how: Any) -> Change:
    change = transitions.claim(item, *seen, **how)
    return change if item is None else replace(change, requires=())


@contextmanager
def _unconditional_claims() -> Iterator[None]:
    with (
        mock.patch("alur.dispatch.dispatcher.claim", _claim_whatever_it_is),
        mock.patch("alur.reconcile.claiming.claim", _claim_whatever_it_is),
    ):
        yield


def _losing(name: str) -> Callable[..., Change]:
    def hand_over(item: LedgerItem, **how: Any) -> Change:
        change = transitions.hand_over(item, **how)
        return replace(change, removes=(*change.removes, name))

    return hand_over


class _FirstAlone:
    """A table whose transactions do their first change only."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def apply_together(self, changes: Sequence[Change]) -> frozenset[int]:
        refused: frozenset[int] = self._table.apply_together(changes[:1])
        return refused


_take_slot = BatchStore.take_slot


def _take_slot_alone(self: Any, slot: Slot, **how: Any) -> frozenset[str] | None:
    return _take_slot(BatchStore(_FirstAlone(self._table)), slot, **how)


MUTATIONS: dict[str, Mutation] = {
    "no validation of the commit": Mutation(
        _patched("alur.engine.validator.NobodyPublished.judge", lambda *_: None), Universe(twins=2, uploads=2, harm=1)
    ),
    "no look at the table": Mutation(_without_look, Universe(uploads=3)),
    "no second look at the objects": Mutation(
        _patched("alur.ingestion.preparing.look_at_objects", _look_once), Universe(uploads=3)
    ),
    "the second look compares ETags only": Mutation(
        _patched(
            "alur.ingestion.preparing.is_unchanged",
            lambda before, after: after is not None and before.etag == after.etag,
        ),
        Universe(uploads=5, steps=250),
    ),
    "nothing newer is remembered": Mutation(
        _patched("alur.dispatch.dispatcher.decide_by_object", _never_remembers), Universe(uploads=3)
    ),
    "what changed while it was read is not due": Mutation(
        _patched("alur.ledger.retries.Retries.next_try", lambda *_: None),
        Scenario(
            Universe(kinds=("two", "three")),
            scripts=(
                (("upload", "a.csv", "three"), ("upload", "a.csv", "two")),
                (("deliver", "m1"), ("deliver", "m2")),
            ),
            preemptions=1,
            before=(("upload", "a.csv", "two"), ("deliver", "m0")),
        ),
    ),
    "flips are not fenced": Mutation(
        _patched("alur.engine.batch.complete", _complete_unfenced),
        Scenario(
            Universe(),
            scripts=((("twin", "r0"),), (("upload", "a.csv", "three"), ("deliver", "m1"))),
            preemptions=1,
            before=(("upload", "a.csv", "two"), ("deliver", "m0")),
        ),
    ),
    "only commits with rows are validated": Mutation(
        _patched("alur.engine.batch.published_paths", _published_paths_with_rows),
        Scenario(
            Universe(),
            scripts=((("upload", "a.csv", "bare"), ("deliver", "m1"), ("twin", "r0"), ("sweep",)),),
            preemptions=1,
            before=(("upload", "a.csv", "two"), ("deliver", "m0")),
        ),
    ),
    "rejects of attempts that died stay": Mutation(
        _patched("alur.engine.batch.BatchRun._sweep_rejects", lambda *_: None),
        Universe(kinds=("mixed", "mixed-too"), uploads=4),
    ),
    "the rejects' commit is not validated": Mutation(
        lambda: _without(
            ("alur.engine.batch.BatchRun._commit_to", _commit_rejects_whatever_happened),
            ("alur.engine.batch.BatchRun._withdraw_rejects", lambda *_: None),
        ),
        Universe(kinds=("mixed", "mixed-too"), uploads=3, harm=3, twins=3),
    ),
    "any batch's rows are adopted": Mutation(
        _patched("alur.engine.batch.divide", _divide_adopting_any), Universe(uploads=4, forgets=1)
    ),
    "any batch's empty version is adopted": Mutation(
        _patched("alur.engine.batch.BatchRun._adopt_empty", _adopt_any_empty),
        Scenario(
            Universe(),
            scripts=((("kill", "r1a"),),),
            preemptions=1,
            before=(
                *(("upload", "a.csv", "bare"), ("deliver", "m0"), FINISH, ("sweep",)),
                *(("forget", "a.csv"), ("duplicate", "m0"), ("deliver", "m0")),
            ),
        ),
    ),
    "the look confuses versions that are appended": Mutation(
        _patched(
            "alur.engine.batch.divide",
            lambda items, found, batch, _: verdicts.divide(items, found, batch, OnOverwrite.REPLACE),
        ),
        Scenario(
            Universe(on_overwrite=OnOverwrite.APPEND),
            scripts=((("twin", "r1"),),),
            preemptions=1,
            before=(
                *(("upload", "a.csv", "two"), ("deliver", "m0"), FINISH, ("sweep",)),
                *(("upload", "a.csv", "three"), ("deliver", "m1")),
            ),
        ),
    ),
    "the last look does not look": Mutation(
        _patched("alur.engine.batch.BatchRun._look_last", _fail_unlooked),
        Universe(uploads=1, harm=2, max_attempts=1, steps=200),
    ),
    "contents are judged after the last look": Mutation(
        _patched("alur.engine.staging.Stager.stage", _stage_looking_first),
        Universe(kinds=("two", "header", "records", "empty", "bare"), uploads=5),
    ),
    "a batch is closed although a file waits": Mutation(
        _patched("alur.engine.batch.waits", lambda _: False), Universe(uploads=3)
    ),
    "late claims do not open their batch again": Mutation(
        _patched("alur.ledger.batches.BatchStore.reopen", lambda *_: None), Universe(keys=A_B, uploads=3, sweeps=16)
    ),
    "a claim after a HEAD takes the item as it finds it": Mutation(
        _unconditional_claims, Universe(kinds=("two", "three", "header"), uploads=5, deletes=1, duplicates=3, sweeps=16)
    ),
    "a half forgets what waits": Mutation(
        _patched("alur.reconcile.visits.hand_over", _losing("waiting")),
        Universe(keys=A_B, kinds=("two", "three", "poison"), uploads=5, harm=2, max_attempts=1, steps=800),
    ),
    "a half forgets what the table holds": Mutation(
        _patched("alur.reconcile.visits.hand_over", _losing("previous")),
        Universe(keys=A_B, kinds=("two", "poison"), uploads=5, harm=2, max_attempts=1, steps=800),
    ),
    "a slot is taken without its batches": Mutation(
        _patched("alur.ledger.batches.BatchStore.take_slot", _take_slot_alone),
        Universe(uploads=3, max_runs=2, sweeps=16),
    ),
}
