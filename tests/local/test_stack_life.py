"""The stack as a process: what it starts it stops, however it ends. Each start takes some seconds, so there are few."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from alur.errors import LocalStackError
from alur.local.background import down, up
from alur.local.children import command_line
from alur.local.state import is_held, read_state, state_file

pytestmark = pytest.mark.stack

WAIT_SECONDS = 60


def children_of(directory):
    return [entry["pid"] for entry in json.loads((directory / "children.json").read_text())]


def wait_until_gone(pids):
    deadline = time.monotonic() + WAIT_SECONDS
    while any(command_line(pid) and "<defunct>" not in command_line(pid) for pid in pids):
        assert time.monotonic() < deadline, f"{pids} live on"
        time.sleep(0.05)


@pytest.fixture
def directory(tmp_path):
    yield tmp_path / "stack"
    down(tmp_path / "stack")


def test_a_stack_is_found_while_it_runs_and_leaves_nothing_at_its_end(directory):
    said = []
    state = up(directory, [], said.append)
    pids = [state.pid, *children_of(directory)]
    assert len(pids) == 2
    assert state.outputs["LandingBucket"] == "alur-landing-local"
    assert state.outputs["ArchiveUri"].startswith("s3://alur-artifacts-local/code/")
    assert any(line.startswith("ready") for line in said)
    assert up(directory, [], said.append) == state
    assert down(directory)
    wait_until_gone(pids)
    assert read_state(directory) is None
    assert not state_file(directory).exists()
    assert not (directory / "children.json").exists()
    assert not down(directory)


def test_a_start_that_fails_half_way_leaves_nothing(directory):
    with pytest.raises(LocalStackError, match="NONSENSE"):
        up(directory, ["--parameter", "ReleaseLabel=NONSENSE"], lambda _: None)
    assert not is_held(directory)
    assert not (directory / "children.json").exists()
    assert not state_file(directory).exists()


def test_what_a_killed_stack_left_behind_is_ended_by_the_next_start(directory):
    state = up(directory, [], lambda _: None)
    orphans = children_of(directory)
    os.kill(state.pid, signal.SIGKILL)
    deadline = time.monotonic() + WAIT_SECONDS
    while is_held(directory):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert read_state(directory) is None
    assert up(directory, [], lambda _: None).pid != state.pid
    wait_until_gone(orphans)
