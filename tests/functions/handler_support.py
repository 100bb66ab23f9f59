"""Runs a function's handler in a process of its own, as Lambda does: its log lines and metrics go to stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

_RUNNER = """
import importlib.util, json, sys
specification = importlib.util.spec_from_file_location("app", sys.argv[1])
app = importlib.util.module_from_spec(specification)
specification.loader.exec_module(app)

class Context:
    function_name, memory_limit_in_mb = "function", 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id = "request"
    remaining = 300_000

    def get_remaining_time_in_millis(self):
        return self.remaining

given = json.load(sys.stdin)
for event, Context.remaining in zip(given["events"], given["remaining"], strict=True):
    try:
        outcome = {"answer": app.handler(event, Context())}
    except Exception as error:
        outcome = {"raised": type(error).__name__}
    print(json.dumps({"outcome": outcome}), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one event made of a handler: its answer or the exception's name, its log lines, its metrics."""

    answer: Any
    raised: str | None
    logs: list[dict[str, Any]]
    metrics: dict[str, Any]

    def log(self, message: str) -> dict[str, Any]:
        (found,) = [line for line in self.logs if line["message"] == message]
        return found


def invoke(
    function: str, events: list[Any], env: Mapping[str, str], *, remaining: Sequence[int] = ()
) -> list[Invocation]:
    """Hand events to a function's handler, one after another in one process.

    Args:
        function: its folder.
        events: what it is called with.
        env: its environment.
        remaining: how many milliseconds it has left at each of them; five minutes by default.
    """
    app = ROOT / "functions" / function / "app.py"
    environment = {
        **os.environ,
        **env,
        "PYTHONPATH": str(ROOT / "src"),
        "POWERTOOLS_SERVICE_NAME": "alur",
        "POWERTOOLS_METRICS_NAMESPACE": "Alur",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
    done = subprocess.run(
        [sys.executable, "-c", _RUNNER, str(app)],
        input=json.dumps({"events": events, "remaining": list(remaining) or [300_000] * len(events)}),
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    invocations: list[Invocation] = []
    logs: list[dict[str, Any]] = []
    metrics: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        document = json.loads(line)
        if "outcome" in document:
            outcome = document["outcome"]
            invocations.append(Invocation(outcome.get("answer"), outcome.get("raised"), logs, metrics))
            logs, metrics = [], {}
        elif "_aws" in document:
            (directive,) = document["_aws"]["CloudWatchMetrics"]
            assert directive["Namespace"] == "Alur"
            metrics |= {metric["Name"]: document[metric["Name"]] for metric in directive["Metrics"]}
        else:
            logs.append(document)
    return invocations
