"""Each rule of the real code that is taken away is found to be missing, within a bounded number of schedules."""

from __future__ import annotations

from itertools import islice

import pytest

from exploration.enumeration import Scenario, every
from exploration.explorer import by_chance
from exploration.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_a_rule_that_is_taken_away_is_missed(mutation: Mutation) -> None:
    where = mutation.where
    with mutation.without():
        if isinstance(where, Scenario):
            schedules = every(where)
        else:
            schedules = (by_chance(seed, where) for seed in range(1, mutation.most + 1))
        found = next((one.violation for one in islice(schedules, mutation.most) if one.violation is not None), None)
    assert found is not None, f"{mutation.most} schedules, and every rule held"
    assert found.rule not in ("crash", "record"), f"the mutation itself is broken: {found}"
