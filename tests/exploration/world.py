"""One deployment in memory, and all that can happen to it: a label each, so that a schedule is a list of them."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

from alur.aws.jobs import RunState
from alur.aws.settings import Settings
from alur.contracts.contract import Contract, OnOverwrite, fingerprint_of
from alur.contracts.fields import Field
from alur.contracts.routing import Router
from alur.dispatch.batching import BatchMaker
from alur.dispatch.dispatcher import Dispatcher
from alur.dispatch.events import Delivery, Intake, ObjectCreated
from alur.dispatch.job_arguments import JobArguments
from alur.dispatch.submission import Submitter
from alur.engine.batch import BatchRun, Workshop
from alur.engine.job import run_batches
from alur.engine.ports import Tables
from alur.errors import AlurError, LoadLost, TableUnsupported
from alur.ingestion.claiming import SessionClaims
from alur.ingestion.sources import list_sources
from alur.ledger.batches import Batch, BatchStore, new_batch_id
from alur.ledger.files import FileLedger
from alur.ledger.manifest import Manifest
from alur.ledger.table import Attributes
from alur.reconcile.reconciler import Reconciler
from deployment_support import VARIABLES
from exploration.bucket import MemoryBucket
from exploration.jobs import MemoryJobs, Run
from exploration.ledger import SteppedTable
from exploration.rules import KEY, Rules, Violation
from exploration.scheduler import Actor, Scheduler
from exploration.sessions import MemoryFrameStager, MemoryLoad
from exploration.table import Engine, EngineFailed, MemoryIceberg, MemoryReader, TableInUse

Label = tuple[str, ...]
"""Something that happens: what, and to whom."""

LANDING = "landing"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NEVER_BEGAN_LIMIT = 3
"""Instead of ten: after so many runs in a row that never began, their files fail."""

TICK = timedelta(milliseconds=7)
"""How long a step takes: some of them fit into the second to which S3 dates an object."""

KINDS: dict[str, bytes] = {
    "two": b"a\nx\ny\n",
    "three": b"a\np\nq\nr\n",
    "one": b"a\nz\n",
    "bare": b"a\n",
    "empty": b"",
    "header": b"b\n1\n",
    "mixed": b"a\nx\nBAD\ny\n",
    "mixed-too": b"a\nBAD\nBAD\nz\n",
    "records": b"a\nBAD\n",
    "old": b"a,b\n1,2\nOLD,3\n",
    "broken": b"a\nx\nBROKEN\n",
    "poison": b"a\nx\nPOISON\n",
    "wide": b"a,b\n1,2\n",
}
"""What a file may hold, by name."""


@dataclass(frozen=True, slots=True)
class Universe:
    """What can happen in a world, and how often.

    Attributes:
        keys: the files' names.
        kinds: what they may hold; a file gets its kinds back again and again.
        on_overwrite: the contract's rule.
        max_runs: how many runs of the table at once.
        keeps_versions: the bucket does.
        packs: rows of one append share a data file.
        uploads, deletes: of objects.
        duplicates: events delivered again.
        sweeps: while everything else goes on.
        sessions: that load and write by themselves, and renew no lease: slow ones lose their files.
        harm: runs and functions killed, runs presumed dead, calls that fail: what costs a file attempts.
        twins: runs that are begun again beside themselves.
        cancels: runs cancelled.
        forgets: ledger entries deleted by a user: a file's, or the batches' and slots'.
        wipes: of the whole ledger.
        meddling: foreign appends, compactions, expiries.
        rollbacks: of the table.
        deploys: of a contract with other columns.
        refusals: times in which the table takes nothing.
        outages: times in which EMR starts nothing, or nothing that lives.
        max_attempts: the deployment's setting.
        steps: how many, until nothing more is done to it.
        switch: how likely another goes on after a step.
    """

    keys: tuple[str, ...] = ("a.csv",)
    kinds: tuple[str, ...] = ("two", "three")
    on_overwrite: OnOverwrite = OnOverwrite.REPLACE
    max_runs: int = 1
    keeps_versions: bool = False
    packs: bool = True
    uploads: int = 2
    deletes: int = 0
    duplicates: int = 0
    sweeps: int = 8
    sessions: int = 0
    harm: int = 0
    twins: int = 0
    cancels: int = 0
    forgets: int = 0
    wipes: int = 0
    meddling: int = 0
    rollbacks: int = 0
    deploys: int = 0
    refusals: int = 0
    outages: int = 0
    max_attempts: int = 3
    steps: int = 400
    switch: float = 0.1


class _Sorted(frozenset[str]):
    """A set that is gone through in order, so that no schedule depends on how strings are hashed."""

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(super().__iter__()))


class _Inline(Executor):
    """A pool whose tasks run one after the other, where they are asked for: greenlets do not cross threads."""

    def __init__(self, *_: Any) -> None:
        super().__init__()

    def map(self, fn: Callable[..., Any], *iterables: Any, **_: Any) -> Iterator[Any]:
        return iter([fn(*arguments) for arguments in zip(*iterables, strict=True)])


@contextmanager
def exploring() -> Iterator[None]:
    """Prepare this process: no threads, no logs, the jitter of retries from a seed, and limits that schedules reach."""
    state, level = random.getstate(), logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    places = ("alur.dispatch.looking", "alur.ingestion.objects", "alur.ingestion.headings")
    patches: list[Any] = [mock.patch(f"{place}.ThreadPoolExecutor", _Inline) for place in places]
    patches += [
        mock.patch("alur.ledger.batches.frozenset", _Sorted, create=True),
        mock.patch("alur.dispatch.settlement.NEVER_BEGAN_LIMIT", NEVER_BEGAN_LIMIT),
        # Nothing that is stored is changed in place: the copies are a third of an exploration's time.
        mock.patch("alur.ledger.memory.copy", SimpleNamespace(deepcopy=lambda value: value)),
    ]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()
        logging.disable(level)
        random.setstate(state)


def _contract(columns: tuple[str, ...], on_overwrite: OnOverwrite) -> Contract:
    fields = tuple(Field(column, "string", False, "") for column in columns)
    return Contract(
        ingestion_key=KEY,
        class_name="OrdersBronze",
        fields=fields,
        source_paths=(f"s3://{LANDING}/orders/**/*.csv",),
        source_system="sales_db",
        on_overwrite=on_overwrite,
        null_values=(),
        partition_by=(),
        description="",
        fingerprint=fingerprint_of(fields, ()),
    )


class World:
    """One deployment.

    Args:
        universe: what can happen in it.
        traces: keep what happened, to be printed.
    """

    def __init__(self, universe: Universe, traces: bool = False) -> None:
        random.seed(0)
        self.universe = universe
        self.now = NOON
        self.scheduler = Scheduler()
        self.violation: Violation | None = None
        self.trace: list[str] | None = [] if traces else None
        self.rules = Rules(self)
        clock = self.clock
        self.bucket = MemoryBucket(self.scheduler, clock, universe.keeps_versions)
        self.file_table = SteppedTable("file_path", self.scheduler, self._wrote_file)
        self.batch_table = SteppedTable("batch_id", self.scheduler, self._wrote_batch)
        self.table = MemoryIceberg(self.scheduler, clock, universe.packs, self._committed, self.rules.sights)
        self.rejects = MemoryIceberg(
            self.scheduler, clock, universe.packs, lambda _: self.rules.judge_rejects(), self.rules.sights
        )
        self.rules.committed(self.table.snaps[self.table.head])
        self.jobs = MemoryJobs(self.scheduler, self._begin_run)
        self.generation = 0
        self.takes_rows = True
        self.contracts = [_contract(("a",), universe.on_overwrite), _contract(("a", "b"), universe.on_overwrite)]
        self._settings = [
            replace(
                Settings.from_env(VARIABLES),
                landing_bucket=LANDING,
                max_runs_per_table=universe.max_runs,
                max_attempts=universe.max_attempts,
                entry_point_uri=f"s3://artifacts/code/{generation}/main.py",
            )
            for generation in range(len(self.contracts))
        ]
        self._routers = [Router([contract]) for contract in self.contracts]
        self._files, self._batches = FileLedger(self.file_table), BatchStore(self.batch_table)
        self._warm: dict[int, list[Reconciler]] = {0: [], 1: []}
        self._numbers = itertools.count(1)
        self._nonces = itertools.count(1)
        self.events: dict[str, ObjectCreated] = {}
        self.queue: list[str] = []
        self.in_flight: dict[str, list[str]] = {}
        self.counts: dict[str, int] = {}
        self._foreign = itertools.count(1)

    # ------------------------------------------------------------------------------------------- facts

    def clock(self) -> datetime:
        """The present."""
        return self.now

    @property
    def contract(self) -> Contract:
        """The contract as it is deployed now."""
        return self.contracts[self.generation]

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self._settings[0].lease_seconds)

    @property
    def unsubmitted(self) -> timedelta:
        return timedelta(seconds=self._settings[0].unsubmitted_seconds)

    def count(self, what: str) -> int:
        """How often something has happened."""
        return self.counts.get(what, 0)

    def batch(self, batch_id: str | None) -> Batch | None:
        """Return a batch as the ledger has it."""
        return None if batch_id is None else self._batches.read(self.contract.ingestion_key, batch_id)

    def going(self) -> list[Actor]:
        """Actors that can go on."""
        return [actor for actor in self.scheduler.actors.values() if actor.is_going]

    def path(self, key: str) -> str:
        return f"s3://{LANDING}/orders/{key}"

    # --------------------------------------------------------------------------------------- happenings

    def apply(self, label: Label) -> bool:
        """Let something happen; False: it cannot, as things are."""
        what, *whom = label
        happens: bool = getattr(self, f"_do_{what.replace(' ', '_')}")(*whom)
        if self.trace is not None and happens and what != "go":
            self.trace.append(f"{self.now:%H:%M:%S.%f}"[:-3] + f"  -- {' '.join(label)}")
        if self.violation is not None:
            raise self.violation
        return happens

    def close(self) -> None:
        self.scheduler.close()

    def _do_go(self, name: str, fault: str = "") -> bool:
        actor = self.scheduler.actors.get(name)
        if actor is None or not actor.is_going or (fault and fault not in actor.pending.faults):
            return False
        self.now += TICK
        if fault and not fault.startswith("behind"):
            self._happened("harm")
            if name[0] in "DS":
                # What fails when its lease has passed is as good as killed then.
                self.rules.killed(actor)
        if self.trace is not None:
            self.trace.append(
                f"{self.now:%H:%M:%S.%f}"[:-3] + f"  {name:<6} {actor.pending}{f'   ! {fault}' if fault else ''}"
            )
        self.scheduler.step(actor, fault or None)
        if actor.is_finished:
            self._finished(actor)
        return True

    def _do_upload(self, key: str, kind: str) -> bool:
        thing = self.bucket.put(LANDING, f"orders/{key}", KINDS[kind])
        number = f"m{len(self.events)}"
        self.events[number] = ObjectCreated(
            LANDING, f"orders/{key}", thing.etag, len(thing.body), thing.version_id, None, self.now, "ObjectCreated:Put"
        )
        self.queue.append(number)
        self._happened("uploads")
        if kind == "poison":
            self._happened("poisons")
        return True

    def _do_delete(self, key: str) -> bool:
        if (LANDING, f"orders/{key}") not in self.bucket.things:
            return False
        self.bucket.delete(LANDING, f"orders/{key}")
        self._happened("deletes")
        return True

    def _do_deliver(self, *numbers: str) -> bool:
        if not set(numbers) <= set(self.queue):
            return False
        for number in numbers:
            self.queue.remove(number)
        name = f"D{next(self._numbers)}"
        self.in_flight[name] = list(numbers)
        self.scheduler.spawn(name, partial(self._dispatch, name, numbers, self.generation), self.now)
        return True

    def _do_duplicate(self, number: str) -> bool:
        if number not in self.events or number in self.queue:
            return False
        self.queue.append(number)
        self._happened("duplicates")
        return True

    def _do_sweep(self) -> bool:
        self.scheduler.spawn(f"S{next(self._numbers)}", partial(self._sweep, self.generation), self.now)
        self._happened("sweeps")
        return True

    def _do_session(self) -> bool:
        self.scheduler.spawn(f"L{next(self._numbers)}", partial(self._session, self.generation), self.now)
        self._happened("sessions")
        return True

    def _do_kill(self, name: str) -> bool:
        actor = self.scheduler.actors.get(name)
        if actor is None or not actor.is_going:
            return False
        actor.is_gone = True
        self._happened("harm")
        self.rules.killed(actor)
        self.queue += self.in_flight.pop(name, [])
        return True

    def _do_presume_dead(self, run_id: str, state: str) -> bool:
        run = self.jobs.runs.get(run_id)
        if run is None or run.state.has_ended:
            return False
        run.said = RunState(state, "")
        self._happened("harm")
        return True

    def _do_cancel(self, run_id: str) -> bool:
        run = self.jobs.runs.get(run_id)
        if run is None or run.state.has_ended:
            return False
        run.said = RunState("CANCELLED", "")
        for actor in run.actors:
            actor.is_gone = True
        self._happened("cancels")
        return True

    def _do_twin(self, run_id: str) -> bool:
        run = self.jobs.runs.get(run_id)
        if run is None:
            return False
        run.actors.append(self._begin_run(run))
        self._happened("twins")
        return True

    def _do_forget(self, key: str) -> bool:
        if (KEY, self.path(key)) not in self.file_table.items:
            return False
        self.rules.forgotten.add(self.path(key))
        self.file_table.delete({"ingestion_key": KEY, "file_path": self.path(key)})
        self._happened("forgets")
        return True

    def _do_forget_batches(self) -> bool:
        self.rules.lost_batches = True
        for ingestion_key, batch_id in list(self.batch_table.items):
            self.batch_table.delete({"ingestion_key": ingestion_key, "batch_id": batch_id})
        self._happened("forgets")
        return True

    def _do_wipe(self) -> bool:
        self._do_forget_batches()
        for _, path in list(self.file_table.items):
            self.rules.forgotten.add(path)
            self.file_table.delete({"ingestion_key": KEY, "file_path": path})
        self._happened("wipes")
        return True

    def _do_foreign_append(self) -> bool:
        number = next(self._foreign)
        self.rules.foreign_next = number
        self.table.append_foreign(number)
        self._happened("meddling")
        return True

    def _do_compact(self) -> bool:
        self.table.compact()
        self._happened("meddling")
        return True

    def _do_expire(self) -> bool:
        self.table.expire()
        self._happened("meddling")
        return True

    def _do_roll_back(self) -> bool:
        before = [snap.snapshot_id for snap in self.table.ancestry()][1:]
        if not before:
            return False
        self.rules.rolled_back(self.table.head, before[0])
        self.table.roll_back(before[0])
        self._happened("rollbacks")
        return True

    def _do_deploy(self) -> bool:
        if self.generation + 1 >= len(self.contracts):
            return False
        self.generation += 1
        self.rules.deployed()
        self._happened("deploys")
        return True

    def _do_refuse_rows(self) -> bool:
        self.takes_rows = False
        self._happened("refusals")
        return True

    def _do_take_rows(self) -> bool:
        was_refusing, self.takes_rows = not self.takes_rows, True
        return was_refusing

    def _do_outage(self, kind: str) -> bool:
        self.jobs.outage = kind
        self._happened("outages")
        return True

    def _do_outage_ends(self) -> bool:
        was_out, self.jobs.outage = self.jobs.outage is not None, None
        return was_out

    def _do_advance(self, seconds: str) -> bool:
        self.now += timedelta(seconds=float(seconds))
        return True

    # ------------------------------------------------------------------------------------------- actors

    def _parts(self, generation: int) -> tuple[BatchMaker, Submitter]:
        settings = self._settings[generation]
        maker = BatchMaker(
            self._batches,
            self.bucket,
            lake_bucket=settings.lake_bucket,
            lease_seconds=settings.lease_seconds,
            clock=self.clock,
            make_batch_id=lambda now: new_batch_id(now, f"{next(self._nonces):08x}"),
        )
        return maker, Submitter(self._batches, self.jobs, settings, self.clock)

    def _dispatch(self, name: str, numbers: Sequence[str], generation: int) -> None:
        maker, submitter = self._parts(generation)
        dispatcher = Dispatcher(
            router=self._routers[generation],
            files=self._files,
            maker=maker,
            storage=self.bucket,
            submitter=submitter,
            clock=self.clock,
        )
        report = dispatcher.dispatch(Intake(tuple(Delivery(number, (self.events[number],)) for number in numbers)))
        del self.in_flight[name]
        self.queue += report.failed_message_ids

    def _sweep(self, generation: int) -> None:
        warm = self._warm[generation]
        reconciler = warm.pop() if warm else self._reconciler(generation)
        reconciler.sweep()
        warm.append(reconciler)

    def _session(self, generation: int) -> None:
        contract, settings = self.contracts[generation], self._settings[generation]
        maker, _ = self._parts(generation)
        claims = SessionClaims(
            contract,
            files=self._files,
            batches=self._batches,
            maker=maker,
            clock=self.clock,
            retries=settings.retries,
        )
        try:
            taken = claims.take(list_sources(self.bucket, contract.source_paths))
        except LoadLost:
            return
        if taken.batch is None:
            return
        self.rules.sights.add("session")
        load = MemoryLoad(contract, self.bucket, claims, taken.batch, taken.items)
        engine = Engine()
        try:
            tables = self._open_tables(contract, engine)
            load.prepare(tables.reader, settings.lake_bucket, self._sleep, self.now)
            self.scheduler.pause("the session writes")
            token = f"load-{taken.batch.batch_id}"
            begun = self._batches.begin(contract.ingestion_key, taken.batch.batch_id, token)
            if begun is None:
                return
            workshop = Workshop(
                contract=contract,
                open_tables=partial(self._open_tables, contract, engine),
                files=self._files,
                batches=self._batches,
                storage=self.bucket,
                lake_bucket=settings.lake_bucket,
                token=token,
                clock=self.clock,
                sleep=self._sleep,
                retries=settings.retries,
                make_nonce=lambda: f"{next(self._nonces):08x}",
                make_stager=lambda _, batch: MemoryFrameStager(load, tables),
            )
            manifest = Manifest.from_document(self.bucket.get_document(begun.manifest_uri))
            BatchRun(workshop, begun, manifest).run()
        except AlurError as error:
            load.release(error)

    def _reconciler(self, generation: int) -> Reconciler:
        maker, submitter = self._parts(generation)
        return Reconciler(
            contracts=[self.contracts[generation]],
            files=self._files,
            batches=self._batches,
            storage=self.bucket,
            jobs=self.jobs,
            submitter=submitter,
            maker=maker,
            settings=self._settings[generation],
            clock=self.clock,
        )

    def _begin_run(self, run: Run) -> Actor:
        if self.jobs.outage is not None:
            self._happened("stillborn")
        name = f"{run.run_id}{chr(ord('a') + len(run.actors))}"
        return self.scheduler.spawn(name, partial(self._run, run), self.now)

    def _run(self, run: Run) -> None:
        orders = run.request["jobDriver"]["sparkSubmit"]
        arguments = JobArguments.parse(orders["entryPointArguments"])
        contract = self.contracts[int(orders["entryPoint"].split("/")[-2])]
        engine = Engine()
        workshop = Workshop(
            contract=contract,
            open_tables=partial(self._open_tables, contract, engine),
            files=self._files,
            batches=self._batches,
            storage=self.bucket,
            lake_bucket=arguments.lake_bucket,
            token=arguments.token,
            clock=self.clock,
            sleep=self._sleep,
            retries=arguments.retries,
            make_nonce=lambda: f"{next(self._nonces):08x}",
        )
        succeeded = run_batches(workshop, arguments.batch_ids, is_alive=lambda: engine.is_alive)
        if run.succeeded is None:
            run.succeeded = succeeded

    def _open_tables(self, contract: Contract, engine: Engine) -> Tables:
        if not self.takes_rows:
            raise TableUnsupported(self.table.name, "injected")
        return Tables(
            TableInUse(self.table, engine),
            TableInUse(self.rejects, engine, "rejects "),
            MemoryReader(self.table, self.rejects, self.bucket, contract.column_names, engine),
        )

    def _sleep(self, seconds: float) -> None:
        until = self.now + timedelta(seconds=seconds)
        self.scheduler.pause("sleep", f"{seconds:g} s")
        self.now = max(self.now, until)

    def _finished(self, actor: Actor) -> None:
        if actor.name[0] in "DS" and self.now - actor.began_at >= self.unsubmitted:
            self._happened("slow functions")
        error = actor.error
        if error is None:
            return
        self.queue += self.in_flight.pop(actor.name, [])
        if isinstance(error, ValueError) and self.now - actor.began_at >= self.lease:
            # A batch's creation, repeated when the lease had passed already: a timeout would have been before it.
            self.rules.killed(actor)
        elif not isinstance(error, (AlurError, EngineFailed)):
            self.violate("crash", f"{actor.name} raised {error!r}")

    # -------------------------------------------------------------------------------------- what is told

    def violate(self, rule: str, what: str) -> None:
        """A rule is broken; the first one counts."""
        if self.violation is None:
            self.violation = Violation(rule, what)

    def tell(self, text: str) -> None:
        """Note a change for the trace."""
        if self.trace is not None:
            self.trace.append(f"{'':19}  => {text}")

    def _happened(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _wrote_file(self, before: Attributes | None, after: Attributes | None) -> None:
        self.rules.wrote_file(before, after)

    def _wrote_batch(self, before: Attributes | None, after: Attributes | None) -> None:
        self.rules.wrote_batch(before, after)

    def _committed(self, snap: Any) -> None:
        self.rules.committed(snap)
