"""When something is tried again: every delay, every kind of failure, and what a file is told in the end."""

from __future__ import annotations

import inspect
import itertools
import random
from collections.abc import Iterator
from datetime import timedelta

import pytest

from alur import errors
from alur.errors import (
    ColumnChange,
    ContractNarrowed,
    EmptyFile,
    Excused,
    FileChanged,
    FileDenied,
    FileError,
    FileUnavailable,
    FileVanished,
    HeaderMismatch,
    KilledRun,
    Lapsed,
    NotReadByPipeline,
    Outside,
    Permanent,
    Released,
    Requested,
    RunsFailed,
    RunsNeverBegan,
    TableRefused,
    Transient,
    UnreadableFile,
    UnstorableRecords,
)
from alur.ledger.batches import RUN_DIED, Batch, BatchState
from alur.ledger.retries import (
    EXCUSED_TYPES,
    MAX_DELAY,
    NEVER_BEGAN_AGAIN,
    NEVER_BEGAN_LIMIT,
    OUTSIDE_TYPES,
    Retries,
)
from alur.ledger.verdicts import final_error
from ledger_support import KEY, NOW, version

PATH = version().path

ONE_OF_EACH: list[FileError] = [
    HeaderMismatch(PATH, ["a"], ["b"]),
    EmptyFile(PATH),
    FileVanished(PATH),
    FileDenied(PATH, "AccessDenied"),
    UnstorableRecords(PATH, 1, 2, "a"),
    UnreadableFile(PATH, "not UTF-8"),
    TableRefused(PATH, "merge-on-read"),
    ContractNarrowed(PATH, "c.d.t", [ColumnChange("id", "bigint", "int")]),
    KilledRun(PATH, 3, "FAILED"),
    FileUnavailable(PATH, "503"),
    RunsFailed(PATH, 3, "RunDied"),
    FileChanged(PATH, "e1", "e2"),
    RunsNeverBegan(PATH, 10, "FAILED"),
    NotReadByPipeline(PATH, "ingest", was_loaded=True),
    Released(PATH, "it was not written"),
    Lapsed(PATH),
    Requested(PATH),
]


def leaves(kind: type[FileError] = FileError) -> Iterator[type[FileError]]:
    # Only Alur's own: other suites may declare kinds for a moment.
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    for child in children:
        yield from leaves(child)
    if not children:
        yield kind


def at(jitter: float, max_attempts: int = 3, backoff_seconds: float = 60.0) -> Retries:
    return Retries(max_attempts, backoff_seconds, lambda: jitter)


@pytest.mark.parametrize(
    ("tries", "jitter", "seconds"),
    [
        (1, 0.0, 30.0),
        (1, 1.0, 60.0),
        (2, 0.0, 60.0),
        (2, 1.0, 120.0),
        (3, 0.5, 180.0),
        (6, 1.0, 1920.0),
        # 60 * 2 ** 6 is more than an hour.
        (7, 0.0, 1800.0),
        (7, 1.0, 3600.0),
        (17, 1.0, 3600.0),
        (10_000, 0.0, 1800.0),
        (10_000, 1.0, 3600.0),
    ],
)
def test_a_delay_doubles_from_half_to_the_whole_of_it_and_ends_at_an_hour(
    tries: int, jitter: float, seconds: float
) -> None:
    assert at(jitter).delay(tries) == timedelta(seconds=seconds)


@pytest.mark.parametrize("backoff_seconds", [0.0, 0.001, 1.0, 60.0, 3600.0, 1e9])
def test_no_delay_is_longer_than_the_longest_nor_shorter_than_half_of_the_one_before(backoff_seconds: float) -> None:
    longest = [at(1.0, backoff_seconds=backoff_seconds).delay(tries) for tries in range(1, 40)]
    shortest = [at(0.0, backoff_seconds=backoff_seconds).delay(tries) for tries in range(1, 40)]
    assert longest == sorted(longest)
    assert max(longest) <= MAX_DELAY
    assert all(abs(low * 2 - high) <= timedelta(microseconds=2) for low, high in zip(shortest, longest, strict=True))


def test_jitter_is_by_chance_and_within_its_bounds() -> None:
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    drawn = {Retries(jitter=chance.random).delay(1) for _ in range(200)}
    assert len(drawn) > 100, f"seed {seed}"
    assert timedelta(seconds=30) <= min(drawn) <= max(drawn) <= timedelta(seconds=60), f"seed {seed}"
    assert Retries().jitter is random.random


def expected(error: FileError, attempt: int, max_attempts: int) -> timedelta | None:
    """The table: what each kind of failure decides, said once more."""
    if isinstance(error, RunsNeverBegan):
        return timedelta(hours=24)
    is_excused = isinstance(error, FileChanged | Released | Lapsed | Requested)
    if is_excused or (isinstance(error, FileVanished) and attempt == 1):
        return timedelta()
    if isinstance(error, FileVanished):
        return timedelta(seconds=min(3600, 60 * 2 ** (attempt - 1)))
    if isinstance(error, FileUnavailable) and attempt < max_attempts:
        return timedelta(seconds=60 * 2 ** (attempt - 1))
    return None


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_every_kind_of_failure_decides_when_its_file_is_tried_again(error: FileError) -> None:
    for max_attempts, attempt in itertools.product((1, 2, 3, 10), (1, 2, 3, 4, 10)):
        found = at(1.0, max_attempts).next_try(error, attempt, NOW)
        wanted = expected(error, attempt, max_attempts)
        assert found == (None if wanted is None else NOW + wanted), (max_attempts, attempt)


def test_the_table_leaves_no_kind_of_failure_out() -> None:
    assert {type(error) for error in ONE_OF_EACH} == set(leaves())


def test_a_failure_of_a_kind_that_nobody_has_declared_is_tried_again_as_a_transient_one() -> None:
    assert at(1.0).next_try(FileError(PATH, "?"), 2, NOW) == NOW + timedelta(seconds=120)
    assert at(1.0).next_try(FileError(PATH, "?"), 3, NOW) is None


def test_the_excused_types_are_those_of_the_tree() -> None:
    assert {name for name in EXCUSED_TYPES if hasattr(errors, name)} == {
        kind.__name__ for kind in leaves() if issubclass(kind, Excused)
    }
    assert {"FileChanged", "RunsNeverBegan", "Released", "Lapsed", "Requested"} == EXCUSED_TYPES
    for kind in leaves():
        assert (kind.__name__ in EXCUSED_TYPES) == issubclass(kind, Excused)


def test_the_outside_types_are_those_of_the_tree() -> None:
    assert {"FileVanished", "FileDenied", "TableRefused", "ContractNarrowed"} == OUTSIDE_TYPES
    for kind in leaves():
        assert (kind.__name__ in OUTSIDE_TYPES) == issubclass(kind, Outside)


def test_what_is_excused_may_pass_and_what_is_outside_may_not() -> None:
    assert issubclass(Excused, Transient)
    assert issubclass(Outside, Permanent)
    for kind in leaves():
        assert issubclass(kind, Transient) != issubclass(kind, Permanent)


def test_the_delays_of_what_never_begins_fit_each_other() -> None:
    assert MAX_DELAY < NEVER_BEGAN_AGAIN
    # Ten runs that never begin take hours: whatever is mended within them costs no file anything.
    shortest = sum((at(0.0).delay(number) for number in range(1, NEVER_BEGAN_LIMIT)), timedelta())
    assert shortest > timedelta(hours=1)


def batch(**facts: object) -> Batch:
    known: dict[str, object] = {
        "ingestion_key": KEY,
        "batch_id": "b1",
        "state": BatchState.WAITING,
        "manifest_uri": "s3://lake/m",
        "files": 1,
        "size_bytes": 1,
        "created_at": NOW,
        "lease_until": NOW,
        "run_ids": frozenset({"r1", "r2", "r3"}),
    }
    return Batch(**{**known, **facts})  # type: ignore[arg-type]


def test_a_file_that_runs_died_over_while_it_was_alone_is_told_so() -> None:
    error = final_error(batch(last_error_type=RUN_DIED, last_error="ExitCode: 137"), PATH, 3)
    assert type(error) is KilledRun
    assert "3 runs died over it" in str(error)
    assert "ExitCode: 137" in str(error)


def test_files_that_runs_could_not_finish_with_are_told_why_the_last_one_did_not() -> None:
    several = final_error(batch(files=2, last_error_type=RUN_DIED, last_error="ExitCode: 137"), PATH, 3)
    named = final_error(batch(last_error_type="StorageUnavailable", last_error="503"), PATH, 3)
    assert type(several) is type(named) is RunsFailed
    assert "3 runs" in str(several)
    assert "RunDied: ExitCode: 137" in str(several)
    assert "StorageUnavailable: 503" in str(named)


def test_files_whose_runs_never_began_are_told_how_many_did_not() -> None:
    facts = {"never_began": True, "last_error_type": "FAILED", "last_error": "no such image"}
    few, many = batch(**facts), batch(**facts, run_ids=frozenset(f"r{number}" for number in range(14)))
    assert type(final_error(few, PATH, 0)) is RunsNeverBegan
    assert "10 runs" in str(final_error(few, PATH, 0))
    assert "14 runs" in str(final_error(many, PATH, 0))
    assert "FAILED: no such image" in str(final_error(few, PATH, 0))


def test_what_nothing_is_known_of_is_said_so() -> None:
    assert "nothing is known of its end" in str(final_error(batch(), PATH, 3))
    assert "nothing is known of its end" in str(final_error(batch(last_error_type=RUN_DIED), PATH, 3))


def test_every_message_says_which_file_and_is_made_of_its_attributes() -> None:
    for error in ONE_OF_EACH:
        assert str(error).startswith(f"{PATH}: ")
        names = list(inspect.signature(type(error).__init__).parameters)[1:]
        assert all(hasattr(error, name) for name in names), type(error)
