"""Files that are asked for again are claimed by the real dispatcher when it has the event; and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alur.contracts.contract import OnOverwrite, Trigger
from alur.dispatch.asking import Asker
from alur.dispatch.events import parse
from alur.dispatch.notifications import to_messages
from alur.errors import EmptyFile, FileDenied, FileUnavailable, Requested, StorageRefused, StorageUnavailable
from alur.ledger.model import LedgerItem, Status
from alur.ledger.transitions import Decision, claim
from deployment_support import World, make_light_world, sqs_event
from ledger_support import claimant

A, B = "orders/a.csv", "orders/b.csv"


class Mailbox:
    """What was sent: a list of objects for each time."""

    def __init__(self) -> None:
        self.sent = []

    def __call__(self, versions):
        self.sent.append(list(versions))

    def deliver(self, world: World):
        """Hand it to the real dispatcher by way of the message's own text."""
        versions = [version for some in self.sent for version in some]
        bodies = list(to_messages(versions, region="us-east-1", now=world.clock()))
        self.sent.clear()
        world.clock.advance(milliseconds=1)
        return world.dispatcher.dispatch(parse(sqs_event(*bodies)))


@pytest.fixture
def world() -> World:
    return make_light_world()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


def asker(world: World, mailbox: Mailbox, *, events: bool = True) -> Asker:
    return Asker(
        files=world.files,
        storage=world.storage,
        takes_events=lambda contract: events and contract.trigger is Trigger.EVENT,
        notify=mailbox,
        clock=world.clock,
    )


def path(world: World, key: str) -> str:
    return f"s3://{world.landing}/{key}"


def failed(world: World, key: str = A, error=EmptyFile) -> LedgerItem:
    """Put a file, and let it fail."""
    world.send(world.put(key))
    world.fail(key, error(path(world, key)) if isinstance(error, type) else error)
    return world.there(key)


def completed(world: World, key: str = A) -> LedgerItem:
    world.send(world.put(key))
    world.complete(key, rows=7)
    return world.there(key)


def orders(world: World, **changed):
    if changed:
        world.contracts[0] = replace(world.contracts[0], **changed)
    return world.contracts[0]


class TestRetry:
    def test_what_failed_for_good_is_claimed_when_the_event_comes(self, world, mailbox):
        item = failed(world)
        assert world.send(world.put(A)).decisions["orders"] == {Decision.DUPLICATE: 1}
        asked = asker(world, mailbox).retry(orders(world), [item])
        assert (asked.asked, asked.notified) == ((item.path,), 1)
        report = mailbox.deliver(world)
        assert report.decisions["orders"] == {Decision.CLAIM: 1}
        assert len(report.submissions) <= 1
        again = world.there(A)
        assert (again.status, again.attempt) == (Status.PROCESSING, 2)
        assert again.batch_id != item.batch_id

    @pytest.mark.parametrize("error", [FileUnavailable("s3://landing/orders/a.csv", "x"), FileDenied("p", "403")])
    def test_so_is_what_waits_for_its_own_time_or_for_a_permission(self, world, mailbox, error):
        item = failed(world, error=error)
        asker(world, mailbox).retry(orders(world), [item])
        assert mailbox.deliver(world).decisions["orders"] == {Decision.CLAIM: 1}

    def test_another_version_that_is_there_by_now_is_claimed_instead(self, world, mailbox):
        item = failed(world)
        event = world.put(A, b"a\n2\n")
        asker(world, mailbox).retry(orders(world), [item])
        assert mailbox.deliver(world).decisions["orders"] == {Decision.CLAIM: 1}
        assert world.there(A).etag == event.etag

    def test_without_events_the_entry_is_due_for_the_next_run(self, world, mailbox):
        item = failed(world)
        asked = asker(world, mailbox, events=False).retry(orders(world), [item])
        assert (asked.notified, mailbox.sent, asked.passed_over) == (0, [], ())
        after = world.there(A)
        assert (after.status, after.is_permanent, after.next_try_at) == (Status.FAILED, False, world.clock())

    def test_what_the_watermark_passes_over_is_named(self, world, mailbox):
        item = failed(world)
        world.clock.advance(hours=1)
        world.files.set_watermark("orders", world.clock())
        assert asker(world, mailbox, events=False).retry(orders(world), [item]).passed_over == (item.path,)
        item = world.there(A)
        assert asker(world, mailbox).retry(orders(world), [item]).passed_over == ()

    def test_what_is_gone_is_left_as_it_was(self, world, mailbox):
        item = failed(world)
        world.remove(A)
        asked = asker(world, mailbox).retry(orders(world), [item])
        assert (asked.asked, asked.gone, mailbox.sent) == ((), (item.path,), [])
        assert world.there(A) == item

    def test_what_no_glob_means_any_more_is_left_as_it_was(self, world, mailbox):
        item = failed(world)
        asked = asker(world, mailbox).retry(orders(world, source_paths=("s3://landing/other/*.csv",)), [item])
        assert (asked.asked, asked.unclaimed, mailbox.sent) == ((), (item.path,), [])
        assert world.there(A) == item

    def test_who_may_not_look_at_the_object_leaves_that_to_the_dispatcher(self, world, mailbox):
        item = failed(world)

        class Denied(type(world.storage)):
            def head(self, bucket, key):
                raise StorageRefused("HeadObject", f"s3://{bucket}/{key}", "403")

        denied = asker(replace(world, storage=Denied(world.clock)), mailbox)
        assert denied.retry(orders(world), [item]).asked == (item.path,)
        assert mailbox.deliver(world).decisions["orders"] == {Decision.CLAIM: 1}

    def test_what_changed_meanwhile_is_not_touched(self, world, mailbox):
        item = failed(world)
        now = world.clock()
        assert world.files.apply([claim(item, item.version, claimant("b9"), event_at=now, now=now)])[0].applied
        asked = asker(world, mailbox).retry(orders(world), [item])
        assert (asked.asked, asked.changed, mailbox.sent) == ((), (item.path,), [])

    def test_what_has_not_failed_is_left_alone(self, world, mailbox):
        item = completed(world)
        assert asker(world, mailbox).retry(orders(world), [item]).asked == ()
        assert world.there(A) == item

    def test_killed_before_the_event_it_is_done_by_asking_again(self, world, mailbox):
        item = failed(world)

        def killed(versions):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            asker(world, killed).retry(orders(world), [item])
        asker(world, mailbox).retry(orders(world), [world.there(A)])
        assert mailbox.deliver(world).decisions["orders"] == {Decision.CLAIM: 1}


class TestReprocess:
    def ask(self, world, mailbox, *keys, contracts=None, events=True):
        asking = asker(world, mailbox, events=events)
        requests, refusals = asking.prepare(contracts or world.contracts, [path(world, key) for key in keys])
        return (asking.reprocess(requests) if not refusals else None), refusals

    def test_the_same_bytes_are_claimed_again_and_the_earlier_rows_are_known(self, world, mailbox):
        item = completed(world)
        asked, _ = self.ask(world, mailbox, A)
        assert (asked.asked, asked.notified) == ((item.path,), 1)
        between = world.there(A)
        assert (between.status, between.error_type) == (Status.FAILED, Requested.__name__)
        assert mailbox.deliver(world).decisions["orders"] == {Decision.CLAIM: 1}
        again = world.there(A)
        assert (again.status, again.etag, again.attempt) == (Status.PROCESSING, item.etag, 1)
        assert again.previous is not None
        assert (again.previous.rows, again.previous.batch_id) == (7, item.batch_id)

    def test_a_file_without_an_entry_is_claimed_too(self, world, mailbox):
        world.put(A)
        asked, _ = self.ask(world, mailbox, A)
        assert asked.notified == 1
        assert mailbox.deliver(world).decisions["orders"] == {Decision.CLAIM: 1}

    def test_a_failed_file_is_claimed_too(self, world, mailbox):
        failed(world)
        self.ask(world, mailbox, A)
        assert mailbox.deliver(world).decisions["orders"] == {Decision.CLAIM: 1}

    def test_a_version_that_skip_left_out_is_read_when_a_person_says_so(self, world, mailbox):
        orders(world, on_overwrite=OnOverwrite.SKIP)
        completed(world)
        event = world.put(A, b"a\n2\n")
        assert world.send(event).decisions["orders"] == {Decision.SKIPPED: 1}
        self.ask(world, mailbox, A)
        assert mailbox.deliver(world).decisions["orders"] == {Decision.CLAIM: 1}
        assert world.there(A).etag == event.etag

    def test_a_file_that_is_processing_is_refused_and_nothing_at_all_is_changed(self, world, mailbox):
        done = completed(world, B)
        world.send(world.put(A))
        asked, (refusal,) = self.ask(world, mailbox, B, A)
        assert asked is None
        assert (refusal.path, refusal.table) == (path(world, A), "orders")
        assert refusal.held is not None
        assert refusal.held.batch_id == world.there(A).batch_id
        assert (world.there(B), mailbox.sent) == (done, [])

    def test_a_file_whose_object_is_gone_is_refused(self, world, mailbox):
        done = completed(world)
        world.remove(A)
        _, (refusal,) = self.ask(world, mailbox, A)
        assert "upload it again" in refusal.reason
        assert world.there(A) == done

    def test_a_file_that_no_contract_claims_is_refused(self, world, mailbox):
        world.put("other/a.csv")
        _, (refusal,) = self.ask(world, mailbox, "other/a.csv")
        assert "source_path" in refusal.reason

    def test_s3_that_cannot_be_asked_is_an_error_and_no_answer(self, world, mailbox):
        completed(world)

        class Down(type(world.storage)):
            def head(self, bucket, key):
                raise StorageUnavailable("HeadObject", key, "SlowDown")

        with pytest.raises(StorageUnavailable):
            self.ask(replace(world, storage=Down(world.clock)), mailbox, A)

    def test_each_table_that_claims_the_file_reads_it_again(self, world, mailbox):
        world.contracts[1] = replace(world.contracts[1], source_paths=orders(world).source_paths)
        world.send(world.put(A))
        world.complete(A)
        world.complete(A, table="flights")
        asked, _ = self.ask(world, mailbox, A)
        assert len(asked.asked) == 2
        decisions = mailbox.deliver(world).decisions
        assert decisions["orders"][Decision.CLAIM] == decisions["flights"][Decision.CLAIM] == 1

    def test_one_table_alone_leaves_the_other_as_it_is(self, world, mailbox):
        world.contracts[1] = replace(world.contracts[1], source_paths=orders(world).source_paths)
        world.send(world.put(A))
        world.complete(A)
        world.complete(A, table="flights")
        self.ask(world, mailbox, A, contracts=[orders(world)])
        decisions = mailbox.deliver(world).decisions
        assert decisions["orders"] == {Decision.CLAIM: 1}
        assert decisions["flights"] == {Decision.DUPLICATE: 1}

    def test_without_events_it_waits_for_the_next_run(self, world, mailbox):
        completed(world)
        asked, _ = self.ask(world, mailbox, A, events=False)
        assert (asked.notified, mailbox.sent) == (0, [])
        assert world.there(A).next_try_at == world.clock()

    def test_the_same_path_twice_is_one_request(self, world, mailbox):
        completed(world)
        asked, _ = self.ask(world, mailbox, A, A)
        assert len(asked.asked) == 1

    def test_many_files_are_asked_for_together(self, world, mailbox):
        keys = [f"orders/{number}.csv" for number in range(60)]
        for key in keys:
            completed(world, key)
        asked, _ = self.ask(world, mailbox, *keys)
        assert asked.notified == 60
        assert mailbox.deliver(world).decisions["orders"] == {Decision.CLAIM: 60}
