"""What one of several concurrent runs may take of an application's capacity.

Several runs that each took as much as they liked would fill the application with drivers and starve of executors, and
a request above the capacity makes EMR call a run failed that has committed. CloudFormation cannot divide, so the
publisher does, at deploy.
"""

from __future__ import annotations

from dataclasses import dataclass

from alur.errors import DeployError

LEAST_VCPU = 2
"""The least that a run takes: a driver and an executor of 1 vCPU each."""

LEAST_MEMORY_GB = 8
"""The least that a run takes: a driver and an executor of 4 GB each."""


@dataclass(frozen=True, slots=True)
class CapacityShare:
    """What one run may take.

    Attributes:
        vcpu: of driver and executors together.
        memory_gb: of driver and executors together, in GB.
    """

    vcpu: int
    memory_gb: int


def divide_capacity(max_vcpu: int, max_memory_gb: int, max_concurrent_runs: int) -> CapacityShare:
    """Divide an application's capacity by the number of its concurrent runs.

    Args:
        max_vcpu: the application's vCPU.
        max_memory_gb: its memory in GB.
        max_concurrent_runs: how many runs it lets go at once.

    Raises:
        DeployError: a share does not hold the smallest run.
    """
    share = CapacityShare(max_vcpu // max_concurrent_runs, max_memory_gb // max_concurrent_runs)
    if share.vcpu < LEAST_VCPU or share.memory_gb < LEAST_MEMORY_GB:
        raise DeployError(
            "dividing the capacity",
            f"MaxConcurrentRuns={max_concurrent_runs} needs MaxVcpu={LEAST_VCPU * max_concurrent_runs} and "
            f"MaxMemoryGb={LEAST_MEMORY_GB * max_concurrent_runs} or more, and has {max_vcpu} and {max_memory_gb}; "
            "lower the first or raise the others",
        )
    return share
