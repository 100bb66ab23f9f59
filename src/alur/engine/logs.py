"""The job's log: a JSON object a line, on the driver's standard output."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from alur.clock import to_iso

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Renders a record and what was given to it as `extra`.

    Args:
        always: fields that every line has.
    """

    def __init__(self, always: dict[str, Any]) -> None:
        super().__init__()
        self._always = always

    def format(self, record: logging.LogRecord) -> str:
        """Render one line."""
        line: dict[str, Any] = {
            "timestamp": to_iso(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            **self._always,
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def log_as_json(**always: Any) -> None:
    """Send what `alur` logs, from INFO up, to standard output as JSON.

    Args:
        always: fields that every line has.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(always))
    root = logging.getLogger("alur")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False
