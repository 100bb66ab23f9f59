from __future__ import annotations

import pytest

from alur.aws.capacity_share import LEAST_MEMORY_GB, LEAST_VCPU, CapacityShare, divide_capacity
from alur.dispatch.sizing import Capacity, size
from alur.errors import DeployError


@pytest.mark.parametrize(
    ("vcpu", "memory_gb", "runs", "share"),
    [
        (16, 64, 4, CapacityShare(4, 16)),
        (16, 64, 8, CapacityShare(2, 8)),
        (16, 64, 1, CapacityShare(16, 64)),
        (17, 70, 4, CapacityShare(4, 17)),
    ],
)
def test_the_shares_of_all_runs_fit_together(vcpu: int, memory_gb: int, runs: int, share: CapacityShare) -> None:
    assert divide_capacity(vcpu, memory_gb, runs) == share


@pytest.mark.parametrize(("vcpu", "memory_gb", "runs"), [(16, 64, 9), (16, 31, 4), (7, 64, 4)])
def test_a_share_too_small_for_any_run_fails_the_deploy_and_says_what_to_set(
    vcpu: int, memory_gb: int, runs: int
) -> None:
    with pytest.raises(DeployError, match=f"MaxConcurrentRuns={runs} needs MaxVcpu={2 * runs}"):
        divide_capacity(vcpu, memory_gb, runs)


def test_the_least_share_is_what_the_smallest_run_takes() -> None:
    smallest = size(1, 1, Capacity(LEAST_VCPU, LEAST_MEMORY_GB))
    assert (smallest.vcpu, smallest.memory_gb) == (LEAST_VCPU, LEAST_MEMORY_GB)
