"""Every schedule of small scenarios with at most so many preemptions; `ALUR_EXPLORE_PREEMPTIONS` allows more."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from alur.contracts.contract import OnOverwrite
from exploration.enumeration import FINISH, Scenario, every
from exploration.explorer import told
from exploration.world import Label, Universe

MORE = int(os.environ.get("ALUR_EXPLORE_PREEMPTIONS", "0"))

_FIRST: tuple[Label, ...] = (("upload", "a.csv", "two"), ("deliver", "m0"))
_SECOND: tuple[Label, ...] = (("upload", "a.csv", "bare"), ("deliver", "m1"))

SCENARIOS = {
    "two versions, whose events come in any order": Scenario(
        Universe(),
        scripts=((("upload", "a.csv", "two"), ("upload", "a.csv", "bare")), (("deliver", "m0"), ("deliver", "m1"))),
        preemptions=1 + MORE,
    ),
    "a twin": Scenario(Universe(), scripts=((("twin", "r0"),),), preemptions=2 + MORE, before=_FIRST),
    "a twin beside a version without rows": Scenario(
        Universe(), scripts=(_SECOND, (("twin", "r0"),)), preemptions=1 + MORE, before=_FIRST
    ),
    "a zombie beside the batch of a version without rows": Scenario(
        Universe(),
        scripts=((("twin", "r0"), ("sweep",)),),
        preemptions=1 + MORE,
        before=(*_FIRST, ("until", "r0a", "commit"), *_SECOND, ("presume dead", "r0", "FAILED")),
    ),
    "a twin of the second of two versions that are appended": Scenario(
        Universe(on_overwrite=OnOverwrite.APPEND),
        scripts=((("twin", "r1"),),),
        preemptions=2 + MORE,
        before=(*_FIRST, FINISH, ("sweep",), ("upload", "a.csv", "three"), ("deliver", "m1")),
    ),
}


@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize(("name", "scenario"), SCENARIOS.items(), ids=SCENARIOS)
def test_every_rule_holds_in_every_schedule(name: str, scenario: Scenario, say: Callable[[str], None]) -> None:
    number = 0
    for number, schedule in enumerate(every(scenario), start=1):
        if schedule.violation is not None:
            pytest.fail(f"schedule {number} of {name!r}: {told(schedule)}", pytrace=False)
    say(f"{name}: all {number} schedules of at most {scenario.preemptions} preemptions")
    assert number > 100
