"""Leases are renewed as long as somebody holds them; one that is lost is let go."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from alur.errors import LedgerUnavailable
from alur.ingestion.leases import LeaseKeeper
from alur.ledger.batches import Batch, BatchState, BatchStore
from alur.ledger.memory import MemoryTable
from ledger_support import KEY, NOW, Ticking


class Store(BatchStore):
    """Notes renewals, and tells of them."""

    def __init__(self) -> None:
        super().__init__(MemoryTable("batch_id"))
        self.renewed = threading.Event()
        self.fails = 0

    def renew(self, batch, lease_until):
        if self.fails:
            self.fails -= 1
            raise LedgerUnavailable("UpdateItem", "throttled", "")
        done = super().renew(batch, lease_until)
        self.renewed.set()
        return done


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def batch(store: Store) -> Batch:
    made = Batch(KEY, "b1", BatchState.LEASED, "m", 1, 1, NOW, NOW + timedelta(seconds=30), interactive=True)
    store.create(made)
    return made


def until(store: Store) -> object:
    found = store.read(KEY, "b1")
    assert found is not None
    return found.lease_until


def test_a_lease_is_renewed_from_the_present(store: Store, batch: Batch) -> None:
    keeper, clock = LeaseKeeper(), Ticking()
    keeper.keep(store, batch, seconds=300, clock=clock)
    clock.advance(seconds=200)
    keeper.renew_all()
    assert until(store) == NOW + timedelta(seconds=500)
    keeper.let_go(batch)


def test_it_is_renewed_by_itself_well_before_it_passes(store: Store, batch: Batch) -> None:
    keeper = LeaseKeeper()
    keeper.keep(store, batch, seconds=0.3, clock=Ticking())
    assert store.renewed.wait(timeout=30)
    keeper.let_go(batch)


def test_what_was_let_go_is_renewed_no_more(store: Store, batch: Batch) -> None:
    keeper = LeaseKeeper()
    keeper.keep(store, batch, seconds=300, clock=Ticking())
    keeper.let_go(batch)
    keeper.renew_all()
    assert until(store) == NOW + timedelta(seconds=30)


def test_a_renewal_that_fails_is_tried_again(store: Store, batch: Batch) -> None:
    keeper = LeaseKeeper()
    keeper.keep(store, batch, seconds=300, clock=Ticking())
    store.fails = 1
    keeper.renew_all()
    keeper.renew_all()
    assert until(store) == NOW + timedelta(seconds=300)
    keeper.let_go(batch)


def test_a_lease_that_is_lost_is_let_go(store: Store, batch: Batch) -> None:
    keeper = LeaseKeeper()
    keeper.keep(store, batch, seconds=300, clock=Ticking())
    assert store.lapse(batch, NOW)
    keeper.renew_all()
    store.renewed.clear()
    keeper.renew_all()
    assert not store.renewed.is_set()
