"""The chaos rig: the real local stack, files, overwrites, deletes, deaths, and then a recount, file by file.

A round does what `operations.Planner` planned, with faults armed at random points of dispatcher, submission, job and
reconciler; then it disarms them, waits until everything is at rest, and compares bucket, ledger and table with a
recount from the bytes. Rest that does not come is a failure too. The first difference ends everything, with the
history of the files that differ.

The functions run in processes of their own, as on Lambda, the job by `spark-submit`; what is shortened is in
`TIMINGS`. The seed makes the operations; it does not make the moments at which threads and processes meet, so a run
with the same seed does the same things and may meet other races.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from evidence import Commit, Evidence
from expectation import (
    FOREIGN_BATCH,
    FileFacts,
    TableReject,
    TableRow,
    Version,
    file_differences,
    foreign_differences,
    holding,
    snapshot_differences,
)
from fault_directory import FaultDirectory
from operations import (
    FOLDER,
    MAX_ATTEMPTS,
    Announce,
    Append,
    Arm,
    Cancel,
    Compact,
    Delete,
    Forget,
    Operation,
    Pause,
    Planner,
    Put,
    Twin,
    describe,
    keys_of,
)
from pyspark.sql import SparkSession
from recount import COLUMNS, RESCUED, Row, recount

from alur.clock import to_iso, utc_now
from alur.local.activity import Activity, observe
from alur.local.environment import REGION
from alur.local.landing import Dropped, send_notifications
from alur.local.resources import Timings
from alur.local.stack import Options
from alur.local.state import StackState

TABLE = "orders"
"""The table under test, by its ingestion key."""

FUNCTIONS = frozenset({"DispatcherFunction", "ReconcilerFunction"})
"""The functions that have a process of their own: those that have fault points."""

TIMINGS = Timings(
    window_seconds=0.5,
    retry_seconds=2,
    schedule_seconds=2,
    # The reconciler begins nothing with less than 30 seconds left.
    timeout_seconds=45.0,
    variables={
        # On AWS both are longer than a function's time-out. Here a function that hangs comes back after others have
        # given it up: more often, then, than it ever will on AWS.
        "ALUR_LEASE_SECONDS": "15",
        "ALUR_UNSUBMITTED_SECONDS": "15",
        "ALUR_BACKOFF_SECONDS": "1",
        "ALUR_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
    },
)
"""What takes minutes on AWS, in seconds."""

OPTIONS = Options(parameters={"MaxRunsPerTable": "2"}, slots=3, timings=TIMINGS, sandboxed=FUNCTIONS)
"""How the stack is started: two runs of the table at once, and a place for a twin."""

PATIENCE_SECONDS = 300.0
"""How long the way to rest may take."""

_POLL_SECONDS = 0.5
_FAULT_SECONDS = 150.0
_TWIN_SECONDS = 5.0
_RESTS_IN_A_ROW = 3
_LOG_LINES = 15


@dataclass(frozen=True)
class Happening:
    """Something that the rig did, or saw.

    Args:
        at: when.
        text: what.
        keys: whom it is about; nobody: everybody.
    """

    at: datetime
    text: str
    keys: frozenset[str] = frozenset()


@dataclass
class Memory:
    """What the rig knows between rounds, by path where it is about files."""

    held: dict[str, Version] = field(default_factory=dict)
    versions: dict[str, dict[str, Version]] = field(default_factory=dict)
    since: dict[str, list[Version]] = field(default_factory=dict)
    current: dict[str, str | None] = field(default_factory=dict)
    dropped: dict[tuple[str, str], Dropped] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    exhausted: dict[str, str] = field(default_factory=dict)
    appended: list[Row] = field(default_factory=list)
    uncertain: list[Row] = field(default_factory=list)
    checked_snapshot: str | None = None


@dataclass(frozen=True)
class Told:
    """What a round has to tell.

    Args:
        differences: what is wrong, with its history; nothing where all is right.
        summary: a line.
    """

    differences: tuple[str, ...]
    summary: str


class RigError(Exception):
    """The rig itself, and not what it tests, is at fault."""


class Rig:
    """Does rounds against a stack that runs.

    Args:
        state: the stack.
        spark: a session of the rig's own, for looking, appending and compacting.
        planner: plans the rounds.
        faults: where faults are armed.
        patience_seconds: how long the way to rest may take.
        say: told each operation.
    """

    def __init__(
        self,
        state: StackState,
        spark: SparkSession,
        planner: Planner,
        faults: FaultDirectory,
        patience_seconds: float = PATIENCE_SECONDS,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._state = state
        self._outputs = state.outputs
        self._bucket = state.outputs["LandingBucket"]
        self._spark = spark
        self._planner = planner
        self._faults = faults
        self._patience_seconds = patience_seconds
        self._say = say
        self._evidence = Evidence(spark, state.outputs, TABLE)
        self._s3, self._dynamodb = boto3.client("s3"), boto3.client("dynamodb")
        self._emr = boto3.client("emr-serverless")
        self._runs_directory = Path(state.logs).parent / "runs"
        self._memory = Memory()
        self._happenings: list[Happening] = []
        self._table_rows = self._rejects = 0
        self.hits: Counter[str] = Counter()

    def round(self) -> Told:
        """Do one round: operations, rest, comparison.

        Raises:
            RigError: the rig is at fault.
        """
        began = time.monotonic()
        self._memory.since = {}
        runs_before = {run.run_id for run in observe(self._outputs).runs}
        hits_before = len(self._faults.hits())
        plan = self._planner.round()
        self._faults.begin()
        with ThreadPoolExecutor(2) as pool, self._faults.ending_hangs(plan.hang_seconds):
            others = [done for operation in plan.operations if (done := self._do(operation, pool)) is not None]
            self._let_faults_be_hit()
            for other in others:
                other.result()
        self._faults.disarm()
        self._note("nothing is armed any more, and whatever hangs goes on")
        acted = time.monotonic()
        activity, is_resting = self._rest()
        rested = time.monotonic()
        new_hits = self._faults.hits()[hits_before:]
        deaths = sum(hit.point.startswith("job.") and hit.action != "hang" for hit in new_hits)
        differences = self._compare(deaths >= MAX_ATTEMPTS) if is_resting else self._restless(activity)
        hits = [hit.what for hit in new_hits]
        self.hits.update(hits)
        runs = Counter(run.state for run in activity.runs if run.run_id not in runs_before)
        summary = (
            f"{len(plan.operations)} operations {acted - began:.0f} s, to rest {rested - acted:.0f} s, compared in "
            f"{time.monotonic() - rested:.0f} s; {len(self._memory.versions)} files, {self._table_rows} rows, "
            f"{self._rejects} rejects; "
            f"runs: {', '.join(f'{count} {state}' for state, count in sorted(runs.items())) or 'none'}; "
            f"faults: {', '.join(hits) or 'none'}"
        )
        if not differences:
            self._tidy()
        return Told(tuple(differences), summary)

    def _tidy(self) -> None:
        """Keep of the runs, which have all ended, what they wrote: their code is 60 MB each."""
        for run in self._runs_directory.iterdir():
            for entry in run.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
                elif entry.name not in ("stdout", "stderr"):
                    entry.unlink()

    # ------------------------------------------------------------------------------------------ operations

    def _do(self, operation: Operation, pool: ThreadPoolExecutor) -> Future[None] | None:
        if isinstance(operation, Pause):
            # Not a wait for anything: the distance between two operations is what is tried out.
            time.sleep(operation.seconds)
            return None
        self._note(describe(operation), keys_of(operation))
        if isinstance(operation, Put):
            self._put(operation)
        elif isinstance(operation, Delete):
            self._s3.delete_object(Bucket=self._bucket, Key=operation.key)
            self._memory.current[self._path(operation.key)] = None
        elif isinstance(operation, Announce):
            dropped = [self._memory.dropped[put.key, put.etag] for put in operation.puts]
            send_notifications(dropped, self._outputs["EventQueueUrl"], REGION)
            self._memory.forgotten -= {file.path for file in dropped}
        elif isinstance(operation, Forget):
            key = {"ingestion_key": {"S": TABLE}, "file_path": {"S": self._path(operation.key)}}
            self._dynamodb.delete_item(TableName=self._outputs["StateTable"], Key=key)
            self._memory.forgotten.add(self._path(operation.key))
        elif isinstance(operation, Arm):
            self._faults.arm(operation.point, operation.action)
        elif isinstance(operation, Append):
            return pool.submit(self._append, operation)
        elif isinstance(operation, Compact):
            return pool.submit(self._compact)
        elif isinstance(operation, Cancel):
            self._cancel()
        elif isinstance(operation, Twin):
            self._twin()
        return None

    def _put(self, put: Put) -> None:
        path, put_at = self._path(put.key), utc_now()
        answer = self._s3.put_object(Bucket=self._bucket, Key=put.key, Body=put.body)
        etag = answer["ETag"].strip('"')
        if etag != put.etag:
            raise RigError(f"{path} has ETag {etag}, not {put.etag}")
        version = _version(path, put)
        memory = self._memory
        memory.versions.setdefault(path, {})[etag] = version
        memory.since.setdefault(path, []).append(version)
        memory.current[path] = etag
        memory.dropped[put.key, etag] = Dropped(self._bucket, put.key, etag, len(put.body), put_at)
        memory.forgotten.discard(path)

    def _append(self, append: Append) -> None:
        if not self._evidence.has_table():
            self._note(f"{append.batch_id}: there is no table yet")
            return
        names = [*COLUMNS, RESCUED]
        columns = ", ".join([*names, "_source_file", "_batch_id"])
        values = ", ".join(
            f"({', '.join([*map(_literal, row), _literal(append.path), _literal(append.batch_id)])})"
            for row in append.rows
        )
        casts = ", ".join(f"CAST({name} AS {_TYPES.get(name, 'STRING')})" for name in names)
        try:
            self._spark.sql(
                f"INSERT INTO {self._evidence.table_name} ({columns}) "
                f"SELECT {casts}, _source_file, _batch_id FROM VALUES {values} AS given ({columns})"
            )
        except Exception as error:  # noqa: BLE001 - somebody else's write may fail; what became of it is then open
            self._memory.uncertain += append.rows
            self._note(f"{append.batch_id} failed: {_first_line(error)}")
        else:
            self._memory.appended += append.rows
            self._note(f"{append.batch_id} is in")

    def _compact(self) -> None:
        evidence = self._evidence
        tables = [evidence.table_name] * evidence.has_table() + [evidence.rejects_name] * evidence.has_rejects()
        for table in tables:
            try:
                self._spark.sql(
                    f"CALL alur.system.rewrite_data_files(table => '{table}', options => map('rewrite-all', 'true'))"
                )
            except Exception as error:  # noqa: BLE001 - one that meets a replacement is refused, and rightly so
                self._note(f"the compaction of {table} failed: {_first_line(error)}")
            else:
                self._note(f"the compaction of {table} is done")

    def _cancel(self) -> None:
        going = [run for run in observe(self._outputs).runs if run.state == "RUNNING"]
        if going:
            self._emr.cancel_job_run(applicationId=self._outputs["ApplicationId"], jobRunId=going[-1].run_id)
            self._note(f"run {going[-1].run_id} is cancelled")

    def _twin(self) -> None:
        deadline = time.monotonic() + _TWIN_SECONDS
        while not (slots := [item for item in self._evidence.batches().values() if item.get("holder")]):
            if time.monotonic() > deadline:
                self._note("there is no run that could have a twin")
                return
            time.sleep(_POLL_SECONDS)
        # The newest one's run has the most before it.
        slot = max(slots, key=lambda slot: str(slot["taken_at"]))
        started = self._emr.start_job_run(
            applicationId=slot["application_id"], clientToken=uuid.uuid4().hex, **json.loads(slot["request"])
        )
        self._note(f"run {started['jobRunId']} is a twin, of batches {', '.join(slot['batch_ids'])}")

    def _let_faults_be_hit(self) -> None:
        """Wait while something hangs, or goes on that might still come by what is armed, but not for long."""
        deadline = time.monotonic() + _FAULT_SECONDS
        while time.monotonic() < deadline:
            if not self._faults.is_hanging and (not self._faults.is_armed or observe(self._outputs).is_idle):
                return
            time.sleep(_POLL_SECONDS)

    # ------------------------------------------------------------------------------------------------ rest

    def _rest(self) -> tuple[Activity, bool]:
        """Wait until nothing is left to do, for some looks in a row; False: patience is at an end."""
        deadline = time.monotonic() + self._patience_seconds
        in_a_row = 0
        while True:
            activity = observe(self._outputs)
            processing = [item for item in self._evidence.items().values() if item.get("status") == "processing"]
            in_a_row = in_a_row + 1 if activity.is_idle and not processing else 0
            if in_a_row >= _RESTS_IN_A_ROW:
                self._note("at rest")
                return activity, True
            if time.monotonic() > deadline or activity.dead_letters:
                return activity, False
            time.sleep(_POLL_SECONDS)

    def _restless(self, activity: Activity) -> list[str]:
        """Say why there is no rest."""
        items = self._evidence.items()
        open_batches = [batch for batch in self._evidence.batches().values() if "open_key" in batch]
        told = [
            f"no rest within {self._patience_seconds:.0f} s: {activity.messages} messages, "
            f"{activity.dead_letters} dead letters, {activity.open_items} open items, "
            f"{sum(run.state not in ('SUCCESS', 'FAILED', 'CANCELLED') for run in activity.runs)} runs going",
            *(f"open: {_json(batch)}" for batch in open_batches),
        ]
        busy = [path for path, item in items.items() if item.get("status") == "processing" or "waiting" in item]
        found = ["\n".join(told)]
        found += [self._history(path, ["it does not come to rest"], items, self._evidence.commits()) for path in busy]
        return [*found, self._surroundings(activity)]

    # -------------------------------------------------------------------------------------------- comparison

    def _compare(self, many_died: bool) -> list[str]:
        evidence, memory = self._evidence, self._memory
        etags, items, rows, commits = evidence.etags(FOLDER), evidence.items(), evidence.rows(), evidence.commits()
        rejects = evidence.rejects()
        self._table_rows, self._rejects = len(rows), len(rejects)
        for path, etag in memory.current.items():
            if etags.get(path) != etag:
                raise RigError(f"the bucket does not hold what was put as {path}")
        foreign = [row for row in rows if str(row.batch_id).startswith(FOREIGN_BATCH)]
        of_path: dict[str, list[TableRow]] = {}
        for row in rows:
            if not str(row.batch_id).startswith(FOREIGN_BATCH):
                of_path.setdefault(str(row.path), []).append(row)
        rejects_of: dict[str, list[TableReject]] = {}
        for reject in rejects:
            rejects_of.setdefault(str(reject.path), []).append(reject)
        found: list[str] = []
        for path in sorted({*memory.versions, *items, *of_path, *rejects_of}):
            facts = FileFacts(
                path,
                memory.versions[path][etags[path]] if path in etags else None,
                memory.held.get(path),
                tuple(memory.since.get(path, ())),
                items.get(path),
                tuple(of_path.get(path, ())),
                tuple(rejects_of.get(path, ())),
                _attempt(path, commits),
                path in memory.forgotten,
                # A file that failed so stays as it is until other bytes come.
                many_died or memory.exhausted.get(path, "") == memory.current.get(path),
            )
            differences = file_differences(facts)
            if differences:
                found.append(self._history(path, differences, items, commits))
                continue
            if facts.is_exhausted and facts.current is not None:
                memory.exhausted[path] = facts.current.etag
            held = holding(facts)
            memory.held.pop(path, None)
            if held is not None:
                memory.held[path] = held
        found += foreign_differences(foreign, memory.appended, memory.uncertain)
        # What came of an append that failed does not change any more.
        there = {row.row for row in foreign}
        memory.appended += [row for row in memory.uncertain if row in there]
        memory.uncertain = []
        found += self._compare_snapshots(commits)
        return [*found, self._surroundings(observe(self._outputs))] if found else []

    def _compare_snapshots(self, commits: Sequence[Commit]) -> list[str]:
        """Look at every snapshot since the last rest: what a reader of that moment saw."""
        ids = [commit.snapshot_id for commit in commits]
        known = self._memory.checked_snapshot
        if known is not None and known not in ids:
            return [f"snapshot {known} is not in main's history any more"]
        new = ids[ids.index(known) + 1 :] if known is not None else ids
        found: list[str] = []
        for snapshot_id in new:
            found += snapshot_differences(snapshot_id, self._evidence.groups(snapshot_id), self._memory.versions)
        self._memory.checked_snapshot = ids[-1] if ids else None
        return found

    # ----------------------------------------------------------------------------------------------- history

    def _history(
        self, path: str, differences: Iterable[str], items: Mapping[str, Any], commits: Sequence[Commit]
    ) -> str:
        key = path.removeprefix(f"s3://{self._bucket}/")
        lines = [f"== {path}", *(f"   !! {difference}" for difference in differences), "   what was done to it:"]
        lines += [f"      {to_iso(event.at)} {event.text}" for event in self._happenings if key in event.keys]
        lines += ["   its item:", f"      {_json(items.get(path))}", "   its batches:"]
        batches = self._evidence.batches()
        named = {*self._evidence.batches_naming(path), str((items.get(path) or {}).get("batch_id"))}
        lines += [f"      {_json(batches[batch_id])}" for batch_id in sorted(named) if batch_id in batches]
        lines.append("   the snapshots whose records name it:")
        for commit in commits:
            entry = commit.published(path)
            if entry is not None:
                moment = to_iso(datetime.fromtimestamp(commit.committed_at_ms / 1000, UTC))
                lines.append(f"      {moment} {commit.snapshot_id} {commit.batch_id} {_json(entry)}")
        return "\n".join(lines)

    def _surroundings(self, activity: Activity) -> str:
        """What happened to everybody: the rig's own doings of the whole table, faults, runs, ends of logs."""
        lines = ["== around it", "   what was done to nobody in particular:"]
        lines += [f"      {to_iso(event.at)} {event.text}" for event in self._happenings[-200:] if not event.keys]
        hits = [f"      {hit.at} {hit.what} {hit.pid}" for hit in self._faults.hits()]
        lines += ["   the faults that were hit:", *hits]
        lines.append("   the last runs, the newest first:")
        lines += [f"      {run.run_id} {run.state} {run.details[:300]!r}" for run in activity.runs[:8]]
        for log in sorted(Path(self._state.logs).glob("*Function.log")):
            said = [line for line in log.read_text(errors="replace").splitlines() if not _is_routine(line)]
            lines += [f"   {log} ends with:", *(f"      {line[:500]}" for line in said[-_LOG_LINES:])]
        lines.append(f"   the runs' logs are under {self._runs_directory}")
        return "\n".join(lines)

    def _note(self, text: str, keys: frozenset[str] = frozenset()) -> None:
        self._happenings.append(Happening(utc_now(), text, keys))
        self._say(text)

    def _path(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"


_TYPES = {
    "order_id": "BIGINT",
    "customer_id": "BIGINT",
    "order_date": "DATE",
    "quantity": "INT",
    "amount": "DECIMAL(12,2)",
    "created_at": "TIMESTAMP",
}


def _attempt(path: str, commits: Sequence[Commit]) -> str | None:
    """Return the attempt whose commit was the last to publish a path."""
    for commit in reversed(commits):
        entry = commit.published(path)
        if entry is not None and entry["verdict"] == "published":
            return commit.attempt
    return None


def _version(path: str, put: Put) -> Version:
    """Return what was put, as it was written: of what is CSV the recount from the bytes has to come to the same."""
    counted = recount(put.body)
    if put.sheet is None:
        if counted.is_good:
            raise RigError(f"{path} is meant to be {put.what}, and the recount says nothing against it")
        return Version(put.etag, len(put.body), (), put.what)
    told = (put.rows, put.rejects, None)
    if not put.sheet.is_malformed and (counted.rows, counted.rejects, counted.problem) != told:
        raise RigError(f"{path} is meant to be {put.what}, and the recount differs: {counted.problem}")
    return Version(put.etag, len(put.body), put.rows, rejects=put.rejects)


def _literal(value: str | None) -> str:
    if value is None:
        return "CAST(NULL AS STRING)"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _is_routine(line: str) -> bool:
    return '"_aws"' in line or '"message":"swept"' in line


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
