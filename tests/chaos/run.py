"""`make chaos N=20 SEED=7`: rounds of the chaos rig, until they are done or something differs (exit code 1)."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fault_directory import FaultDirectory
from operations import KINDS, Planner
from py4j.protocol import Py4JError
from rig import OPTIONS, PATIENCE_SECONDS, Rig

from alur.faults import POINTS, VARIABLE
from alur.local.log import log_to
from alur.local.paths import find_paths
from alur.local.stack import running_stack
from spark_session import start_session, stop_session


def main(arguments: Sequence[str]) -> int:
    """Run rounds.

    Args:
        arguments: of the command line.

    Returns:
        0; 1 if something differs.
    """
    asked = _parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    _say(f"seed {asked.seed}: make chaos N={asked.rounds} SEED={asked.seed}")
    paths = find_paths()
    directory: Path = asked.directory or paths.root / ".alur" / "chaos"
    armed = directory / "faults"
    shutil.rmtree(armed, ignore_errors=True)
    armed.mkdir(parents=True)
    faults = FaultDirectory(armed)
    if asked.verbose:
        log_to(sys.stderr)
    planner = Planner(random.Random(asked.seed), asked.kinds, asked.most)
    began = time.monotonic()
    with _faults_from(armed), running_stack(paths, OPTIONS, _say, directory) as state:
        try:
            scratch = directory / "spark"
            scratch.mkdir(exist_ok=True)
            spark = start_session(state.endpoints, paths, scratch)
            say = _say if asked.verbose else _nothing
            rig = Rig(state, spark, planner, faults, asked.patience, say)
            _say(f"the stack runs after {time.monotonic() - began:.0f} s; its logs are in {state.logs}")
            for number in range(1, asked.rounds + 1):
                told = rig.round()
                _say(f"round {number} of {asked.rounds}: {told.summary}")
                if told.differences:
                    _say("\n".join(told.differences))
                    _say(f"seed {asked.seed}, round {number}: {len(told.differences)} differences; see {directory}")
                    return 1
        finally:
            # A function that hangs would hold the end up until its time-out.
            faults.disarm()
            # The session's process may have been interrupted together with this one.
            with contextlib.suppress(Py4JError, OSError):
                stop_session()
    _say(f"{asked.rounds} rounds with seed {asked.seed} in {time.monotonic() - began:.0f} s, and nothing differs")
    if "faults" in asked.kinds:
        never = [point for point in POINTS if not any(hit.split()[0] == point for hit in rig.hits)]
        _say(f"{sum(rig.hits.values())} faults were hit; never at: {', '.join(never) or 'all points were hit'}")
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description="Rounds of the chaos rig.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="a number; by default another one each time")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"what may happen, of {','.join(KINDS)}")
    parser.add_argument("--most", type=int, default=8, help="operations of one kind in a round, at most")
    parser.add_argument("--directory", type=Path, default=None, help="where the stack writes; .alur/chaos by default")
    parser.add_argument("--patience", type=float, default=PATIENCE_SECONDS, help="seconds until there must be rest")
    parser.add_argument("--verbose", action="store_true", help="print each operation, and the stack's log")
    asked = parser.parse_args(arguments)
    asked.kinds = tuple(kind for kind in asked.kinds.split(",") if kind)
    unknown = set(asked.kinds) - set(KINDS)
    if unknown:
        parser.error(f"--kinds: {', '.join(sorted(unknown))} is none of {', '.join(KINDS)}")
    if asked.seed is None:
        asked.seed = random.SystemRandom().randrange(10**6)
    if asked.directory is not None:
        asked.directory = asked.directory.resolve()
    return asked


@contextlib.contextmanager
def _faults_from(directory: Path) -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(directory)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _interrupt(number: int, frame: Any) -> None:
    # Unwinds everything that was started, as Ctrl-C does.
    raise KeyboardInterrupt


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _nothing(line: str) -> None:
    """Say nothing."""


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
