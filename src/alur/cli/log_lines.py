"""A run's log for people: Alur's JSON lines rendered, others as they are; and what is new of a log that grows. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SHOWN_APART = frozenset({"timestamp", "level", "message", "exception", "logger"})
_PATIENCE = 3


def render(line: str) -> str:
    """Render a line: `time LEVEL message key=value…` if it is one of Alur's own (`alur.engine.logs`).

    Args:
        line: without its end.
    """
    record = _record(line)
    if record is None:
        return line
    facts = [f"{name}={_value(value)}" for name, value in record.items() if name not in _SHOWN_APART]
    head = " ".join([str(record["timestamp"]), f"{record['level']:<7}", str(record["message"]), *facts])
    exception = record.get("exception")
    return f"{head}\n{exception}" if exception else head


class Follower:
    """Tells what is new in a log that is read again and again, whole each time."""

    def __init__(self) -> None:
        self._shown = b""
        self._odd_rounds = 0

    def feed(self, text: bytes, *, is_final: bool) -> tuple[list[str], bool]:
        """Return the lines that are new, and whether they begin anew.

        A line without its end is held back until it has it, or until nothing more comes. Where the log is not a
        continuation of what was shown, it is being rotated just now, or was cut: it is given some rounds, and then
        shown anew.

        Args:
            text: the log as it is now.
            is_final: nothing more comes.
        """
        begins_anew = False
        if not text.startswith(self._shown):
            self._odd_rounds += 1
            if not is_final and self._odd_rounds < _PATIENCE:
                return [], False
            begins_anew, self._shown = True, b""
        self._odd_rounds = 0
        new = text[len(self._shown) :]
        if not is_final:
            new = new[: new.rfind(b"\n") + 1]
        self._shown += new
        return new.decode(errors="replace").splitlines(), begins_anew


def _record(line: str) -> Mapping[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not {"timestamp", "level", "message"} <= record.keys():
        return None
    return record


def _value(value: Any) -> str:
    plain = isinstance(value, str) and value and not any(c.isspace() or c in "\"'=" for c in value)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
