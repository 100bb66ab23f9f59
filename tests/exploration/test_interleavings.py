"""Random schedules of every universe: `ALUR_EXPLORE` says how many in all, `ALUR_EXPLORE_SEED` where they begin."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from exploration.explorer import by_chance, told
from exploration.universes import UNIVERSES, Place

_ENOUGH = 3_300
"""About half a minute; what a universe is about must be seen in so many schedules of all."""

SCHEDULES = int(os.environ.get("ALUR_EXPLORE", _ENOUGH))
SEED = int(os.environ.get("ALUR_EXPLORE_SEED", "1"))


@pytest.fixture(scope="module", autouse=True)
def _told_of(say: Callable[[str], None]) -> None:
    say(f"exploring ALUR_EXPLORE={SCHEDULES} schedules of {len(UNIVERSES)} universes from ALUR_EXPLORE_SEED={SEED}")


@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize(("name", "place"), UNIVERSES.items(), ids=UNIVERSES)
def test_every_rule_holds_always_and_at_rest(name: str, place: Place) -> None:
    sights: set[str] = set()
    for seed in range(SEED, SEED + max(1, SCHEDULES // len(UNIVERSES))):
        schedule = by_chance(seed, place.universe)
        sights |= schedule.sights
        if schedule.violation is not None:
            pytest.fail(
                f"{told(schedule, seed)}\nonce more: ALUR_EXPLORE=1 ALUR_EXPLORE_SEED={seed} .venv/bin/pytest "
                f"'{__file__}::test_every_rule_holds_always_and_at_rest[{name}]'",
                pytrace=False,
            )
    if SCHEDULES >= _ENOUGH:
        assert sights >= place.sights, "the schedules do not come to what the universe is about"
