"""Arming, from the rig's side, against the points' side."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from fault_directory import FaultDirectory

from alur.faults import POINTS, VARIABLE, FaultInjected, fault_point

POINT = POINTS[0]
WAIT_SECONDS = 20
PASS = "import sys; from alur.faults import fault_point; fault_point(sys.argv[1])"


@pytest.fixture
def faults(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return FaultDirectory(tmp_path)


def wait_for(holds, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_what_is_armed_is_hit_and_told(faults):
    faults.arm(POINT, "raise")
    assert faults.is_armed
    with pytest.raises(FaultInjected):
        fault_point(POINT)
    assert not faults.is_armed
    assert [hit.what for hit in faults.hits()] == [f"{POINT} raise"]


def test_what_is_disarmed_is_not_hit(faults):
    faults.arm(POINT, "raise")
    faults.disarm()
    fault_point(POINT)
    assert faults.hits() == []


def test_after_disarming_nothing_hangs_until_the_next_beginning(faults):
    faults.disarm()
    faults.arm(POINT, "hang")
    fault_point(POINT)
    faults.begin()
    faults.arm(POINT, "hang")
    with faults.ending_hangs(0.0):
        fault_point(POINT)
    assert len(faults.hits()) == 2


def test_what_hangs_is_known_and_goes_on_after_its_time(faults):
    faults.arm(POINT, "hang")
    with faults.ending_hangs(1.0):
        process = subprocess.Popen([sys.executable, "-c", PASS, POINT])
        wait_for(lambda: faults.is_hanging, "nothing hangs")
        assert process.poll() is None
        assert process.wait(WAIT_SECONDS) == 0
        wait_for(lambda: not faults.is_hanging, "it hangs for ever")


def test_what_hung_and_was_killed_hangs_no_more(faults):
    faults.arm(POINT, "hang")
    with faults.ending_hangs(600.0):
        process = subprocess.Popen([sys.executable, "-c", PASS, POINT])
        wait_for(lambda: faults.is_hanging, "nothing hangs")
        process.kill()
        process.wait(WAIT_SECONDS)
        wait_for(lambda: not faults.is_hanging, "a dead process is said to hang")
