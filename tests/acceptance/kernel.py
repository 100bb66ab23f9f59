"""The other end of `notebook`: runs what is typed in this process, a line of JSON for each request and answer.

It supplies what the guide's snippets use and do not define, and counts this process's requests to DynamoDB.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import dataclasses
import io
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import boto3


def _spark() -> Any:
    from alur.engine import get_spark_session

    return get_spark_session()


def _of(module: str, name: str) -> Callable[[], Any]:
    return lambda: getattr(__import__(module, fromlist=[name]), name)


SUPPLIED: Mapping[str, Callable[[], Any]] = {
    "spark": _spark,
    "OrdersBronze": _of("contracts.orders", "OrdersBronze"),
    "pipeline": _of("alur", "pipeline"),
    "load_to_bronze": _of("alur.ingestion", "load_to_bronze"),
    "get_spark_session": _of("alur.engine", "get_spark_session"),
}
"""What a snippet is given where it uses the name and does not define it."""


def undefined_names(code: ast.Module) -> set[str]:
    """Return the names that a snippet uses and does not define.

    Args:
        code: the snippet; a name that is defined anywhere in it counts as defined.
    """
    used: set[str] = set()
    defined: set[str] = set()
    for node in ast.walk(code):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else defined).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.arg):
            defined.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            defined.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    return {name for name in used - defined if not hasattr(builtins, name)}


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Kernel:
    """Runs cells in a namespace of its own."""

    def __init__(self) -> None:
        self._namespace: dict[str, Any] = {}
        self._requests: list[str] = []
        self._log = _Log()
        logger = logging.getLogger("alur")
        logger.addHandler(self._log)
        logger.setLevel(logging.INFO)
        # Whatever makes a client in this process takes its hooks from this session.
        boto3.setup_default_session()
        session: Any = boto3.DEFAULT_SESSION
        session.events.register("before-send.dynamodb", self._count)

    def begin(self) -> None:
        """Forget what was defined."""
        self._namespace = {"__name__": "__main__"}

    def run(self, code: str) -> dict[str, Any]:
        """Run a cell; the value of a last expression is part of the answer, as in a notebook.

        Args:
            code: the cell.
        """
        tree = ast.parse(code)
        supplied = sorted(undefined_names(tree) & set(SUPPLIED) - set(self._namespace))
        self._namespace.update({name: SUPPLIED[name]() for name in supplied})
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        self._requests.clear()
        self._log.lines.clear()
        printed, value, error = io.StringIO(), None, None
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(tree, "<cell>", "exec"), self._namespace)
                if isinstance(last, ast.Expr):
                    value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), self._namespace)
            except Exception:  # noqa: BLE001 - whatever a cell raises is its answer
                error = traceback.format_exc()
        return {
            "supplied": supplied,
            "printed": printed.getvalue(),
            "value": value,
            "error": error,
            "log": list(self._log.lines),
            "dynamodb": list(self._requests),
        }

    def _count(self, request: Any, **_: Any) -> None:
        self._requests.append(request.headers["X-Amz-Target"].decode().partition(".")[2])


def _as_json(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else repr(value)  # type: ignore[arg-type]


def main() -> None:
    """Answer requests until there are none."""
    # Java and others print to descriptor 1: it becomes stderr, and answers go out by a copy that nobody else knows.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    kernel = Kernel()
    for line in sys.stdin:
        request = json.loads(line)
        if request["begin"]:
            kernel.begin()
        answers.write(json.dumps(kernel.run(request["code"]), default=_as_json) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
