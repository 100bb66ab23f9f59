"""Counting the calls that a process's AWS clients send."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any


class Calls:
    """Counts what clients send, repetitions included, through botocore's events.

    Args:
        clients: boto3 clients.
    """

    def __init__(self, clients: Iterable[Any]) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        for client in clients:
            client.meta.events.register("before-send", self._count)

    def _count(self, event_name: str, **_: Any) -> None:
        with self._lock:
            self.counts[event_name.rpartition(".")[2]] += 1
