"""A short run of the rig, in a process of its own: its stack must meet no other one's servers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

TESTS = Path(__file__).parents[1]
SEED = 43918
ROUNDS = 1
PATIENCE_SECONDS = 540
END_SECONDS = 60


def test_whatever_dies_each_file_is_in_the_table_once_or_failed_by_name(tmp_path):
    command = [sys.executable, str(TESTS / "chaos" / "run.py"), "--verbose", "--directory", str(tmp_path / "stack")]
    command += ["--rounds", str(ROUNDS), "--seed", str(SEED), "--most", "3"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS / "chaos")])}
    process = subprocess.Popen(
        command, cwd=TESTS.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        # SIGTERM lets it end what it has started; nothing less would.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        process.kill()
    # The seed is its first line.
    sys.stdout.write(output)
    assert process.returncode == 0
