"""EventBridge rules whose target is a function: by pattern, or by the clock.

Rules with other targets (a queue) are moto's own business.
"""

from __future__ import annotations

import queue
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alur.clock import Clock
from alur.errors import LocalStackError
from alur.local.environment import ACCOUNT, REGION
from alur.local.log import log

_RATE = re.compile(r"rate\((\d+) (second|minute|hour|day)s?\)")
_UNIT_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_STOP = object()

Target = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the template.

    Args:
        name: its name.
        pattern: what an event must match, or None.
        every_seconds: how often it fires, or None.
        target: the function that it calls.
        constant_input: what the function gets instead of the event, or None.
    """

    name: str
    pattern: Mapping[str, Any] | None
    every_seconds: int | None
    target: Target
    constant_input: Mapping[str, Any] | None = None


def parse_rate(expression: str) -> int:
    """Return the seconds of `rate(1 minute)`.

    Raises:
        LocalStackError: it is another kind of schedule.
    """
    found = _RATE.fullmatch(expression)
    if not found:
        raise LocalStackError("rules", f"the local stack knows rate(...) only, not {expression!r}")
    return int(found.group(1)) * _UNIT_SECONDS[found.group(2)]


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Tell whether an event matches a pattern of nested lists of values.

    Raises:
        LocalStackError: the pattern holds a content filter other than `prefix` and `exists`.
    """
    for name, wanted in pattern.items():
        if isinstance(wanted, Mapping):
            inner = event.get(name)
            if not isinstance(inner, Mapping) or not matches(wanted, inner):
                return False
        elif not any(_fits(choice, name in event, event.get(name)) for choice in wanted):
            return False
    return True


class Rules:
    """Calls targets, one after the other, in a thread of its own.

    Args:
        rules: what to watch for.
        clock: says the time that a scheduled event names.
        region: the Region that it names.
    """

    def __init__(self, rules: Sequence[Rule], clock: Clock, region: str = REGION) -> None:
        self._rules = tuple(rules)
        self._clock = clock
        self._region = region
        self._events: queue.Queue[Any] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="rules", daemon=True)

    def start(self) -> None:
        """Begin to call targets; scheduled rules fire for the first time after their interval."""
        self._thread.start()

    def stop(self) -> None:
        """Return when no target is being called any more; events that wait are dropped."""
        self._events.put(_STOP)
        if self._thread.ident is not None:
            self._thread.join()

    def put(self, event: Mapping[str, Any]) -> None:
        """Take an event; the rules that it matches fire soon."""
        self._events.put(event)

    def _work(self) -> None:
        due = {
            rule.name: time.monotonic() + rule.every_seconds for rule in self._rules if rule.every_seconds is not None
        }
        while True:
            wait = min((moment - time.monotonic() for moment in due.values()), default=None)
            try:
                event = self._events.get(timeout=None if wait is None else max(0.0, wait))
            except queue.Empty:
                event = None
            if event is _STOP:
                return
            for rule in self._rules:
                if rule.every_seconds is not None and due[rule.name] <= time.monotonic():
                    due[rule.name] = time.monotonic() + rule.every_seconds
                    self._call(rule, _scheduled_event(rule.name, self._clock(), self._region))
                if event is not None and rule.pattern is not None and matches(rule.pattern, event):
                    self._call(rule, event)

    def _call(self, rule: Rule, event: Mapping[str, Any]) -> None:
        try:
            rule.target(event if rule.constant_input is None else rule.constant_input)
        except Exception as error:  # noqa: BLE001 - a target that fails must not end the rules
            log.warning("rule %s: %s", rule.name, error)


def _fits(choice: Any, present: bool, value: Any) -> bool:
    if isinstance(choice, Mapping):
        if set(choice) == {"prefix"}:
            return isinstance(value, str) and value.startswith(choice["prefix"])
        if set(choice) == {"exists"}:
            return present is choice["exists"]
        raise LocalStackError("rules", f"the local stack does not know the content filter {choice}")
    return present and bool(value == choice)


def _scheduled_event(name: str, now: datetime, region: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:events:{region}:{ACCOUNT}:rule/{name}"],
        "detail": {},
    }
