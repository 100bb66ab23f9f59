"""The steps: what is typed, what is expected of it, and what is seen."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from alur.aws.clients import client
from alur.aws.jobs import TERMINAL_STATES
from alur.cli.words import say_number
from alur.ingestion.claiming import ALL_PROCESSED
from alur.ledger.model import LedgerItem, Status
from smoke.bench import Bench, Outcome
from smoke.orders import orders
from smoke.shell import Typed

FIRST = {"good_orders.csv": 100, "edge_cases.csv": 3}
"""The files of `examples/orders`, and their rows."""

NEW, NEW_ROWS, OTHER_ROWS = "new_orders.csv", 20, 15
KILLED_ROWS = (50_000, 500_000)
"""Of the files whose run is to be killed; the second is written where the first one's run was too quick."""

POLL_SECONDS = 2.0
PATIENCE_SECONDS = 1800.0
_LEASE_MARGIN = timedelta(seconds=5)


class StepFailed(Exception):
    """A step cannot go on; its text is what was seen."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        title: what is done.
        expected: what is to be seen, a sentence.
        act: does it.
    """

    title: str
    expected: str
    act: Callable[[Bench], Outcome]


# ------------------------------------------------------------------------------------------------- the environment


def doctor(bench: Bench) -> Outcome:
    """Ask what would fail, before anything is made."""
    typed = bench.alur("doctor")
    lines = typed.stdout.strip().splitlines() or [typed.last_words]
    failed = [" ".join(line.split()) for line in lines if line.startswith("FAILED")]
    return Outcome("; ".join([*failed, lines[-1]]), typed.code == 0)


def deploy(bench: Bench) -> Outcome:
    """Deploy the environment, unless it is there already."""
    if bench.looks.stack_is_there():
        return Outcome(f"{bench.looks.stack_name} was there already: it is used as it is, and stays", True, True)
    # From here on there may be something of it, also where the deploy fails half way.
    bench.has_deployed = True
    _ok(bench.alur("deploy"))
    return Outcome(_where(bench), True)


def start_local_stack(bench: Bench) -> Outcome:
    """Start the local stack in place of a deploy, and let this process and its shell reach it."""
    runs_already = bench.shell.type("alur local status").code == 0
    bench.has_deployed = not runs_already
    _ok(bench.shell.type(f"alur local up --section {bench.environment}"))
    told = _ok(bench.shell.type('eval "$(alur local env)" && env -0')).stdout
    variables = dict(entry.split("=", 1) for entry in told.split("\0") if entry)
    reach = {
        name: value for name, value in variables.items() if name.startswith(("AWS_", "ALUR_", "SPARK_", "PYSPARK_"))
    }
    bench.shell.variables.update(reach)
    os.environ.update(reach)
    # Clients of before would be AWS's.
    client.cache_clear()
    return Outcome(f"{_where(bench)}{'; it ran already, and is left running' if runs_already else ''}", True)


def _where(bench: Bench) -> str:
    looks = bench.looks
    how = "events" if looks.takes_events else "`alur run`"
    return (
        f"{looks.stack_name}: landing bucket {looks.name('LandingBucket')}, application {looks.name('ApplicationId')}; "
        f"files are taken in by {how}"
    )


def look_for_others(bench: Bench) -> Outcome:
    """See that no file of somebody else's would be ingested by this test."""
    known, landed = bench.looks.known_paths(), bench.looks.landed_paths()
    if not known and not landed:
        return Outcome("there are none", True)
    seen = f"the ledger has {len(known):,} files of orders, the bucket {len(landed):,}, as {(known or landed)[0]}"
    if bench.is_forced:
        return Outcome(f"{seen}; --force goes on, and compares what is its own", True)
    return Outcome(f"{seen}; take another environment, or say --force", False)


# ------------------------------------------------------------------------------------------------- the guide's tests


def first_run(bench: Bench) -> Outcome:
    """The guide's Test 1: two files."""
    _upload_first(bench)
    return _ingest(bench, FIRST, skipped=0)


def second_run(bench: Bench) -> Outcome:
    """The guide's Test 2: nothing new; where events are on, the same bytes are announced once more."""
    versions = _versions(bench)
    if bench.looks.takes_events:
        _upload_first(bench)
    # A KMS key makes another version of the same bytes: that they are ingested then is right.
    is_same = versions == _versions(bench)
    if not is_same:
        _wait(bench, "its files are completed or failed", lambda: all(_is_settled(bench, name) for name in FIRST))
    before = bench.entries(list(FIRST))
    result = _run(bench)
    problems = []
    if not bench.is_forced and (result["files"], result["rows"]) != (0, 0):
        problems.append("it must ingest nothing")
    if not bench.is_forced and result["message"] != ALL_PROCESSED:
        problems.append(f"it must say: {ALL_PROCESSED}")
    if _facts(bench.entries(list(FIRST))) != _facts(before):
        problems.append("the entries must stay as they are")
    seen = "" if is_same else "; the same bytes have another ETag here, and are another version"
    return _outcome(f"{_told(result)}: {result['message']}{seen}", problems)


def third_run(bench: Bench) -> Outcome:
    """The guide's Test 3: one new file."""
    _upload(bench, NEW, orders(NEW_ROWS, 200_001, "new"))
    return _ingest(bench, {NEW: NEW_ROWS}, skipped=len(FIRST))


# ------------------------------------------------------------------------------------------------------ beyond them


def overwrite(bench: Bench) -> Outcome:
    """Another version under the same key."""
    _upload(bench, NEW, orders(OTHER_ROWS, 300_001, "another version"))
    return _ingest(bench, {NEW: OTHER_ROWS}, skipped=len(FIRST))


def killed_run(bench: Bench) -> Outcome:
    """A run that is cancelled while it has a file; then whatever takes the file up again."""
    told = []
    for attempt, rows in enumerate(KILLED_ROWS, 1):
        name = f"killed_{attempt}.csv"
        _upload(bench, name, orders(rows, 1_000_000 * attempt, "killed"))
        run_id, state = _kill(bench, name)
        bench.rows[bench.uri(name)] = rows
        entry = bench.entries([name]).get(name)
        if state == "SUCCESS":
            told.append(f"run {run_id} was quicker than its cancellation")
            continue
        if entry is not None and entry.status is Status.COMPLETED:
            told.append(f"run {run_id} ended {state} when {name} was already in")
            continue
        began = bench.clock()
        _take_up(bench, name)
        after = (bench.clock() - began).total_seconds()
        told.append(
            f"run {run_id} ended {state}, with {name} {entry.status if entry else 'without an entry'}; "
            f"{after:.0f} s later {_say(bench, [name])}"
        )
        problems = [] if state == "CANCELLED" else ["it must end CANCELLED"]
        return _outcome("; ".join(told), [*problems, *_problems(bench, {name: rows})])
    return Outcome("; ".join(told) + ": no run was killed in the middle; try again", False)


def _kill(bench: Bench, name: str) -> tuple[str, str]:
    """Cancel the run that has a file, as soon as it has it; return the run, and how it ended."""
    run_id = ""
    if not bench.looks.takes_events:
        run_id = json.loads(_ok(bench.alur("run ingest_orders --no-wait --json")).stdout)["run_id"]

    def is_at_it() -> bool:
        nonlocal run_id
        entry = bench.entries([name]).get(name)
        if entry is None:
            return False
        batch = bench.looks.batch(entry)
        if entry.status is not Status.PROCESSING or batch is None:
            return entry.status is not Status.PROCESSING
        if batch.interactive:
            return True
        run_id = max(batch.run_ids, default="") if batch.begun_by else ""
        return bool(run_id)

    _wait(bench, f"a run has {name}", lambda: is_at_it() or bool(run_id and _has_ended(bench, run_id)))
    if not run_id:
        raise StepFailed(f"{name} was completed before its run was seen")
    application = bench.looks.name("ApplicationId")
    bench.shell.type(f"aws emr-serverless cancel-job-run --application-id {application} --job-run-id {run_id}")
    _wait(bench, f"run {run_id} has ended", lambda: _has_ended(bench, run_id))
    return run_id, bench.looks.run_state(run_id)


def _has_ended(bench: Bench, run_id: str) -> bool:
    return bench.looks.run_state(run_id) in {*TERMINAL_STATES, "GONE"}


def _take_up(bench: Bench, name: str) -> None:
    """Wait until a file is taken up again: by the reconciler, or, once its lease has passed, by the next `alur run`."""
    if not bench.looks.takes_events:
        entry = bench.entries([name]).get(name)
        batch = bench.looks.batch(entry) if entry is not None and entry.status is Status.PROCESSING else None
        if batch is not None and batch.interactive:
            wait = max(0.0, (batch.lease_until + _LEASE_MARGIN - bench.clock()).total_seconds())
            sys.stderr.write(f"its lease passes in {wait:.0f} s; until then the file is not free\n")
            bench.sleep(wait)
        _run(bench)
    _wait(bench, f"{name} is completed", lambda: _is_settled(bench, name))


# ------------------------------------------------------------------------------------------------------------ ends


def audit(bench: Bench) -> Outcome:
    """Bucket, ledger and table, file by file."""
    typed = bench.alur("audit orders --all --json")
    try:
        report = json.loads(typed.stdout)
        files = {file["path"]: file for file in report["files"]}
    except (ValueError, KeyError):
        raise StepFailed(typed.last_words) from None
    own = {path: file for path, file in files.items() if path.startswith(bench.uri())}
    problems = [
        f"{path} must be there with {rows:,} rows, and is {_audited(own.get(path))}"
        for path, rows in bench.rows.items()
        if path not in own or own[path]["verdict"] != "agree" or _rows_of(own[path]) != [rows]
    ]
    problems += [f"nobody wrote {path}" for path in own.keys() - bench.rows.keys()]
    if not bench.is_forced and not report["agrees"]:
        problems.append(f"{report['differences']} files differ")
    rows = sum(sum(_rows_of(file)) for file in own.values())
    counts = ", ".join(f"{number:,} {verdict}" for verdict, number in report["counts"].items())
    others = sum(group["rows"] for kind in ("foreign", "unmanaged") for group in report[kind])
    seen = (
        f"at snapshot {report['snapshot_id']}: {counts}; {rows:,} rows of {len(own)} files of this test, "
        f"and {others:,} that no batch has brought"
    )
    return _outcome(seen, problems)


def clean_up(bench: Bench) -> Outcome:
    """Remove the objects of this test, and nothing else."""
    _ok(bench.shell.type(f"aws s3 rm {bench.uri()} --recursive"))
    left = [path for path in bench.looks.landed_paths() if path.startswith(bench.uri())]
    stays = "" if bench.has_deployed else f"; of {len(bench.rows)} files the rows and the entries stay"
    return Outcome(f"{len(left)} objects are left below {bench.uri()}{stays}", not left)


def destroy(bench: Bench) -> Outcome:
    """Destroy what this test has deployed, with its data: all of it is this test's own."""
    if bench.is_local:
        _ok(bench.shell.type("alur local down"))
        return Outcome("the local stack is stopped, and has forgotten everything", True)
    _ok(bench.alur("destroy --delete-data --yes"))
    there = bench.looks.stack_is_there()
    return Outcome(f"{bench.looks.stack_name} is {'still there' if there else 'gone'}", not there)


# ----------------------------------------------------------------------------------------------------------- parts


def _ok(typed: Typed) -> Typed:
    if typed.code != 0:
        raise StepFailed(f"`{typed.command}` ended with {typed.code}: {typed.last_words}")
    return typed


def _upload_first(bench: Bench) -> None:
    bench.has_uploaded = True
    _ok(bench.shell.type(f"aws s3 cp examples/orders/ {bench.uri()} --recursive"))


def _upload(bench: Bench, name: str, text: str) -> None:
    file = bench.write(name, text)
    bench.has_uploaded = True
    _ok(bench.shell.type(f"aws s3 cp {shlex.quote(str(file))} {bench.uri(name)}"))


def _run(bench: Bench) -> Mapping[str, Any]:
    """Type `alur run`, and return what it came to; files that failed are no reason to stop here."""
    typed = bench.alur("run ingest_orders --wait --json")
    try:
        result: Mapping[str, Any] = json.loads(typed.stdout)
    except ValueError:
        raise StepFailed(f"`{typed.command}` ended with {typed.code}: {typed.last_words}") from None
    if "files" not in result:
        raise StepFailed(f"the run {result.get('state')}: {result.get('error')}")
    return result


def _ingest(bench: Bench, wanted: Mapping[str, int], *, skipped: int) -> Outcome:
    """Let files be taken in, the way that the environment takes them, and compare with what was written."""
    bench.rows |= {bench.uri(name): rows for name, rows in wanted.items()}
    if bench.looks.takes_events:
        _wait(bench, "its files are completed or failed", lambda: all(_is_settled(bench, name) for name in wanted))
        return _outcome(_say(bench, list(wanted)), _problems(bench, wanted))
    result = _run(bench)
    problems = _problems(bench, wanted)
    told = (result["files"], result["rows"], result["skipped"], len(result["failed"]))
    if not bench.is_forced and told != (len(wanted), sum(wanted.values()), skipped, 0):
        problems.append(
            f"{len(wanted)} files, {sum(wanted.values())} rows, {skipped} skipped, 0 failed were to be seen"
        )
    return _outcome(f"{_told(result)}; {_say(bench, list(wanted))}", problems)


def _problems(bench: Bench, wanted: Mapping[str, int]) -> list[str]:
    entries = bench.entries(list(wanted))
    problems = []
    for name, rows in wanted.items():
        entry = entries.get(name)
        if entry is None or entry.status is not Status.COMPLETED or entry.rows != rows:
            problems.append(f"{name} must be completed with {rows:,} rows")
        elif entry.etag != bench.looks.etag(bench.uri(name)):
            problems.append(f"{name} must be completed in the version that is in the bucket")
    return problems


def _versions(bench: Bench) -> dict[str, str | None]:
    return {name: bench.looks.etag(bench.uri(name)) for name in FIRST}


def _is_settled(bench: Bench, name: str) -> bool:
    """Whether a file is completed or failed, in the version that is in the bucket."""
    entry = bench.entries([name]).get(name)
    if entry is None or entry.status is Status.PROCESSING or entry.waiting is not None:
        return False
    return entry.etag == bench.looks.etag(bench.uri(name))


def _say(bench: Bench, names: list[str]) -> str:
    entries = bench.entries(names)
    return ", ".join(f"{name} is {_status(entries.get(name))}" for name in names)


def _status(entry: LedgerItem | None) -> str:
    if entry is None:
        return "not in the ledger"
    if entry.status is Status.COMPLETED:
        return f"completed with {say_number(entry.rows or 0, 'row')}"
    return f"{entry.status.value}{f' ({entry.error_type}: {entry.error_message})' if entry.error_type else ''}"


def _facts(entries: Mapping[str, LedgerItem]) -> dict[str, tuple[Any, ...]]:
    return {name: (entry.status, entry.etag, entry.batch_id, entry.rows) for name, entry in entries.items()}


def _told(result: Mapping[str, Any]) -> str:
    return (
        f"{say_number(result['files'], 'file')}, {say_number(result['rows'], 'row')}, {result['skipped']:,} skipped, "
        f"{len(result['failed']):,} failed"
    )


def _rows_of(file: Mapping[str, Any]) -> list[int]:
    return [rows["rows"] for rows in file["table"]]


def _audited(file: Mapping[str, Any] | None) -> str:
    return "not there" if file is None else f"{file['verdict']} with {sum(_rows_of(file)):,} rows ({file['sentence']})"


def _outcome(seen: str, problems: list[str]) -> Outcome:
    return Outcome("; ".join([seen, *problems]), not problems)


def _wait(bench: Bench, what: str, is_so: Callable[[], bool]) -> None:
    """Ask every now and then, until it is so.

    Raises:
        StepFailed: it is not, after half an hour.
    """
    until = bench.clock() + timedelta(seconds=PATIENCE_SECONDS)
    while not is_so():
        if bench.clock() > until:
            raise StepFailed(f"after {PATIENCE_SECONDS / 60:.0f} minutes it is still not so that {what}")
        bench.sleep(POLL_SECONDS)


def plan(is_local: bool) -> list[Step]:
    """Return the steps between a start and an end, in their order.

    Args:
        is_local: they go against the local stack.
    """
    rows = sum(FIRST.values())
    beginning = (
        [Step("`alur local up`, in place of a deploy", "a stack with the section's names", start_local_stack)]
        if is_local
        else [
            Step("`alur doctor`", "no check fails", doctor),
            Step("deploy", "a stack with its outputs, or one that was there", deploy),
        ]
    )
    return [
        *beginning,
        Step("files of others", "the table has no files", look_for_others),
        Step("Test 1: two new files", f"2 files, {rows} rows; both completed", first_run),
        Step("Test 2: no new files", f"0 files, 0 rows, 2 skipped; “{ALL_PROCESSED}”", second_run),
        Step("Test 3: one new file", f"1 file, {NEW_ROWS} rows, 2 skipped", third_run),
        Step(
            "another version under the same key",
            f"1 file, {OTHER_ROWS} rows in place of {NEW_ROWS}, 2 skipped",
            overwrite,
        ),
        Step(
            "a run is killed while it has a file",
            "the run ends cancelled, and the file is not completed; then it is, with all of its rows",
            killed_run,
        ),
        Step("the audit", "every file of this test agrees, with exactly its rows", audit),
    ]
