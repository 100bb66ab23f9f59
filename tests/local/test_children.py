from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from alur.local.children import Children, end_orphans, is_alive

WAIT_SECONDS = 20

# It starts a child of its own, and says that child's id.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def start(children, tmp_path, mark="mark-of-this-test"):
    command = [sys.executable, "-c", PARENT, mark]
    process = children.start(command, mark, os.environ, tmp_path, subprocess.PIPE, subprocess.DEVNULL)
    return process, int(process.stdout.readline())


def gone(pid):
    deadline = time.monotonic() + WAIT_SECONDS
    while is_alive(pid):
        # Killed, and not yet reaped by whoever inherited it: as good as gone.
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        if not state.stdout.strip() or state.stdout.strip().startswith("Z"):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def children(tmp_path):
    made = Children(tmp_path / "children.json")
    yield made
    made.close()


def test_what_a_child_started_ends_with_it(children, tmp_path):
    process, grandchild = start(children, tmp_path)
    children.stop(process)
    assert gone(process.pid)
    assert gone(grandchild)
    process.stdout.close()


def test_close_ends_every_child_and_allows_no_other(children, tmp_path):
    started = [start(children, tmp_path) for _ in range(2)]
    children.close()
    assert all(gone(process.pid) and gone(grandchild) for process, grandchild in started)
    with pytest.raises(RuntimeError):
        start(children, tmp_path)
    for process, _ in started:
        process.stdout.close()


def test_orphans_of_a_killed_stack_are_ended_and_strangers_are_not(children, tmp_path):
    process, grandchild = start(children, tmp_path)
    registry = tmp_path / "left-behind.json"
    registry.write_text(
        json.dumps([{"pid": process.pid, "mark": "mark-of-this-test"}, {"pid": os.getpid(), "mark": "not-ours"}])
    )
    assert end_orphans(registry) == [process.pid]
    assert gone(grandchild)
    assert not registry.exists()
    process.stdout.close()


def test_a_registry_that_is_no_json_is_put_away(tmp_path):
    registry = tmp_path / "children.json"
    registry.write_text("{half")
    assert end_orphans(registry) == []
    assert not registry.exists()
