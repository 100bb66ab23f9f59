"""Sessions and the reconciler: a lease that has passed frees its files, and no run is started for a session's batch."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from alur.aws.storage import Page
from alur.contracts.contract import Trigger
from alur.ingestion.claiming import SessionClaims, Taken
from alur.ledger.batches import BatchState
from alur.ledger.model import Status
from deployment_support import World, contract

A, B = "orders/a.csv", "orders/b.csv"


def session(world: World) -> SessionClaims:
    return SessionClaims(
        world.contracts[0],
        files=world.files,
        batches=world.batches,
        maker=world.maker,
        clock=world.clock,
        retries=world.settings.retries,
    )


def load(world: World, *keys: str) -> Taken:
    """Claim objects as `load_to_bronze` does."""
    found = []
    for key in keys:
        version = world.storage.head(world.landing, key)
        assert version is not None
        found.append(replace(version, last_modified=world.clock()))
    return session(world).take([Page(tuple(found), False, True, world.clock())])


def only_by_run(world: World) -> None:
    globs = f"s3://{world.landing}/orders/**/*.csv"
    world.contracts = [replace(contract("orders", globs), trigger=Trigger.RUN)]


def state_of(world: World, taken: Taken) -> BatchState:
    assert taken.batch is not None
    found = world.batches.read("orders", taken.batch.batch_id)
    assert found is not None
    return found.state


def test_as_long_as_a_lease_is_renewed_nobody_touches_its_batch(world: World) -> None:
    world.put(A)
    taken = load(world, A)
    assert taken.batch is not None
    for _ in range(20):
        world.batches.renew(taken.batch, world.clock() + timedelta(seconds=300))
        assert world.sweep(minutes=4).submissions == ()
    assert (world.there(A).status, state_of(world, taken)) == (Status.PROCESSING, BatchState.LEASED)


def test_a_lapsed_sessions_files_are_ingested_the_events_way(world: World) -> None:
    world.put(A)
    world.put(B)
    taken = load(world, A, B)
    world.clock.advance(seconds=301)
    (submission,) = world.sweep().submissions
    item = world.there(A)
    assert taken.batch is not None
    assert item.batch_id != taken.batch.batch_id
    assert (item.status, item.attempt) == (Status.PROCESSING, 1)
    assert submission.batch_ids == (item.batch_id,)
    world.until_rest(world.run_works)
    assert [world.there(key).status for key in (A, B)] == [Status.COMPLETED] * 2
    assert state_of(world, taken) is BatchState.CLOSED


@pytest.mark.parametrize("switch", ["the contract", "the environment"])
def test_where_only_runs_take_files_in_a_lapsed_sessions_files_wait_for_the_next(world: World, switch: str) -> None:
    if switch == "the contract":
        only_by_run(world)
    else:
        world = world.configured(ingests_events=False)
    world.put(A)
    taken = load(world, A)
    world.clock.advance(seconds=301)
    for _ in range(5):
        assert world.sweep(minutes=600).submissions == ()
    item = world.there(A)
    assert (item.status, item.error_type, item.is_permanent) == (Status.FAILED, "Lapsed", False)
    assert state_of(world, taken) is BatchState.CLOSED
    assert world.open_batches() == []
    again = load(world, A)
    assert list(again.items) == [item.path]
    assert again.items[item.path].attempt == 1


def test_what_a_strict_session_released_is_ingested_the_events_way(world: World) -> None:
    world.put(A)
    taken = load(world, A)
    assert taken.batch is not None
    session(world).release(taken.items.values(), "another file breaks the contract")
    session(world).end(taken.batch)
    assert len(world.sweep().submissions) == 1
    world.until_rest(world.run_works)
    assert world.there(A).status is Status.COMPLETED


def test_a_newer_version_that_came_while_a_session_had_the_file_is_ingested_after_it(world: World) -> None:
    world.put(A, b"a\n1\n")
    taken = load(world, A)
    assert taken.batch is not None
    newer = world.put(A, b"a\n2\n")
    world.send(newer)
    world.complete(A)
    assert world.batches.hand_back(taken.batch, world.clock())
    world.sweep()
    world.until_rest(world.run_works)
    assert (world.there(A).status, world.there(A).etag) == (Status.COMPLETED, newer.etag)


def test_a_session_that_comes_back_too_late_cannot_renew(world: World) -> None:
    world.put(A)
    taken = load(world, A)
    world.clock.advance(seconds=301)
    world.sweep()
    assert taken.batch is not None
    assert not world.batches.renew(taken.batch, world.clock() + timedelta(seconds=300))
    assert not world.batches.hand_back(taken.batch, world.clock())


def test_a_lease_that_is_renewed_just_before_it_is_given_up_holds(world: World) -> None:
    world.put(A)
    taken = load(world, A)
    assert taken.batch is not None
    as_read = world.batches.read("orders", taken.batch.batch_id)
    assert as_read is not None
    world.clock.advance(seconds=301)
    world.batches.renew(taken.batch, world.clock() + timedelta(seconds=300))
    assert not world.batches.lapse(as_read, world.clock())


def test_events_and_a_session_at_once_give_every_file_one_owner(world: World) -> None:
    a, b = world.put(A), world.put(B)
    world.send(a)
    taken = load(world, A, B)
    assert list(taken.items) == [b and world.there(B).path]
    world.send(a, b)
    assert world.there(A).batch_id != world.there(B).batch_id


def test_events_of_a_table_that_only_runs_take_in_claim_nothing(world: World) -> None:
    only_by_run(world)
    report = world.send(world.put(A))
    assert (report.ignored, report.unrouted, report.failed_message_ids) == (1, 0, ())
    assert world.item(A) is None


def test_no_walk_looks_at_a_table_that_only_runs_take_in(world: World) -> None:
    only_by_run(world)
    world.put(A)
    taken = load(world, A)
    session(world).release(taken.items.values(), "?")
    assert taken.batch is not None
    world.batches.close(taken.batch, world.clock())
    world.sweep(minutes=60 * 25)
    assert world.batches.read_walk("orders") is None
    assert world.there(A).status is Status.FAILED
