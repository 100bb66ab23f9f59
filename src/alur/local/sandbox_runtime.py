"""`python -m alur.local.sandbox_runtime`: what runs inside of a sandboxed function's process.

It imports the handler, says so, and then answers a call after the other: a line of JSON each way. What the handler
prints goes to stderr, which is the function's log, so that nothing but answers is on the pipe.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

from alur.local.functions import Context
from alur.local.log import LoggingState

Handler = Callable[[Any, Context], Any]


def main(handler_name: str) -> int:
    """Serve calls until there are no more.

    Args:
        handler_name: `module.attribute`; the module is found by PYTHONPATH.

    Returns:
        0; 1 if the handler cannot be imported.
    """
    requests, answers = _take_pipes()
    LoggingState.of_a_new_process().apply()
    module_name, _, attribute = handler_name.rpartition(".")
    try:
        handler: Handler = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:  # noqa: BLE001 - whatever the code does at its import, the caller is to hear it
        _send(answers, _failure(error))
        return 1
    _send(answers, {"ready": True})
    for line in requests:
        _send(answers, _answer(handler, json.loads(line)))
    return 0


def _answer(handler: Handler, request: dict[str, Any]) -> dict[str, Any]:
    context = Context(
        request["function_name"],
        request["function_arn"],
        request["memory_mb"],
        request["request_id"],
        time.monotonic() + request["timeout_seconds"],
    )
    try:
        answer = handler(request["event"], context)
        # Here and not where it is sent: an answer that is no JSON is the handler's fault, and Lambda says so.
        json.dumps(answer)
    except Exception as error:  # noqa: BLE001 - a handler may raise anything, and Lambda reports all of it
        return _failure(error)
    return {"answer": answer}


def _failure(error: Exception) -> dict[str, Any]:
    traceback.print_exc()
    return {"error": f"{type(error).__name__}: {error}"}


def _send(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _take_pipes() -> tuple[TextIO, TextIO]:
    """Keep stdin and stdout for the calls, and give the handler none and the log in their place."""
    requests = os.fdopen(os.dup(sys.stdin.fileno()), encoding="utf-8")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return requests, answers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
