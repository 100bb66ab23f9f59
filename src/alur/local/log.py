"""The stack's own logger, which handlers cannot reach.

Handlers run in this process and set up logging as they like: Powertools copies its set-up to every logger that is
registered. So this one is not registered, and what a handler does to the others is kept for its own calls.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

log = logging.Logger("alur.local")
"""Where every module of the stack logs; silent until `log_to`."""


def log_to(stream: TextIO) -> None:
    """Send the stack's log to a stream."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.handlers = [handler]
    log.setLevel(logging.INFO)


log.addHandler(logging.NullHandler())


_PLACE = frozenset({"name", "parent", "manager", "_cache"})
# A logger's place among the others; everything else is its set-up, also what libraries note on it: Powertools writes
# `init` there, and would take a logger for set up that no longer is.

_Settings = dict[str, Any]


class LoggingState:
    """How every registered logger is set up at one moment."""

    def __init__(self, settings: dict[str, _Settings], root: _Settings) -> None:
        self._settings = settings
        self._root = root

    @classmethod
    def capture(cls) -> LoggingState:
        """Return the present state."""
        return cls({name: _settings(logger) for name, logger in _loggers().items()}, _settings(logging.root))

    @classmethod
    def of_a_new_process(cls) -> LoggingState:
        """Return the state that Lambda's runtime begins with: the root writes to stdout at WARNING."""
        root = {**_settings(logging.Logger("")), "level": logging.WARNING, "handlers": [_CurrentStdout()]}
        return cls({}, root)

    def apply(self) -> None:
        """Set every registered logger up so; those that did not exist then are as new ones."""
        for name, logger in _loggers().items():
            _set(logger, self._settings.get(name) or _settings(logging.Logger(name)))
        _set(logging.root, self._root)


class _CurrentStdout(logging.StreamHandler[TextIO]):
    """Writes to what sys.stdout is at the time of writing, not at the time of making."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self.stream = sys.stdout
        super().emit(record)


def _loggers() -> dict[str, logging.Logger]:
    registered = logging.root.manager.loggerDict
    return {name: logger for name, logger in list(registered.items()) if isinstance(logger, logging.Logger)}


def _settings(logger: logging.Logger) -> _Settings:
    kept = {name: value for name, value in vars(logger).items() if name not in _PLACE}
    return {name: list(value) if isinstance(value, list) else value for name, value in kept.items()}


def _set(logger: logging.Logger, settings: _Settings) -> None:
    for name in set(vars(logger)) - set(settings) - _PLACE:
        delattr(logger, name)
    for name, value in settings.items():
        setattr(logger, name, list(value) if isinstance(value, list) else value)
    # It also empties the caches of what is enabled, which know the level of before.
    logger.setLevel(settings["level"])
