"""What a check of `alur doctor` says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"  # it works, and perhaps not as it was meant
    FAILED = "failed"  # something will fail, or does already
    UNKNOWN = "unknown"  # it could not be asked


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what was looked at.
        outcome: how it came out.
        what: what was seen.
        remedy: what to do, where something is to be done.
    """

    name: str
    outcome: Outcome
    what: str
    remedy: str = ""
