"""The Lambda functions of the template, called in this process, one call at a time.

A handler finds what it would find on Lambda: its environment, a context, its code imported once and kept warm. What it
prints goes to a file of its own, as to a log group.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from alur.errors import LocalStackError
from alur.local.environment import ACCOUNT, REGION
from alur.local.log import LoggingState

_lock = threading.Lock()
# os.environ and sys.stdout belong to the whole process, so calls take turns.


class FunctionFailed(Exception):
    """A handler raised; the traceback is in its log.

    Args:
        name: the function's name.
        reason: type and text of what was raised.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FunctionPlan:
    """A function of the template, with everything resolved.

    Args:
        name: its name.
        logical_id: its name in the template.
        directory: where its code lies.
        handler: `module.attribute`.
        variables: its whole environment.
        timeout_seconds: its time-out.
        memory_mb: its memory.
        log: the file of its output.
        region: the Region that it is in.
    """

    name: str
    logical_id: str
    directory: Path
    handler: str
    variables: Mapping[str, str]
    timeout_seconds: float
    memory_mb: int
    log: Path
    region: str = REGION


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda hands a handler beside the event.

    Args:
        function_name: the function's name.
        invoked_function_arn: its ARN.
        memory_limit_in_mb: its memory.
        aws_request_id: the id of this call.
        deadline: `time.monotonic()` at which it would be ended.
    """

    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    aws_request_id: str
    deadline: float
    function_version: str = "$LATEST"
    log_group_name: str = ""
    log_stream_name: str = ""

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the call may still take, in milliseconds."""
        return max(0, int(1000 * (self.deadline - time.monotonic())))


class Function:
    """One function of the template.

    Args:
        name: its name.
        directory: where its code lies.
        handler: `module.attribute`.
        variables: its environment, resolved.
        environment: the environment that every function has.
        timeout_seconds: its time-out. It is told to the handler and not enforced.
        memory_mb: its memory; told, not enforced.
        log: the file of its output.
        region: the Region that it is in.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        handler: str,
        variables: Mapping[str, str],
        environment: Mapping[str, str],
        timeout_seconds: float,
        memory_mb: int,
        log: Path,
        region: str = REGION,
    ) -> None:
        self.name = name
        self.arn = function_arn(name, region)
        self.log = log
        self._module_name, _, self._attribute = handler.rpartition(".")
        self._directory = directory
        self._timeout_seconds = timeout_seconds
        self._memory_mb = memory_mb
        self._output: TextIO | None = None
        self._handler: Callable[[Any, Any], Any] | None = None
        self._logging = LoggingState.of_a_new_process()
        self._environment = {
            **environment,
            **variables,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        }

    @property
    def environment(self) -> Mapping[str, str]:
        """Its whole environment."""
        return dict(self._environment)

    def __call__(self, event: Mapping[str, Any]) -> Any:
        """Call the handler as Lambda does: with what has been through JSON, in the function's environment.

        Raises:
            FunctionFailed: the handler raised, or its code cannot be imported.
        """
        payload = json.loads(json.dumps(event))
        context = Context(
            self.name, self.arn, self._memory_mb, str(uuid.uuid4()), time.monotonic() + self._timeout_seconds
        )
        with _lock, self._patched():
            try:
                if self._handler is None:
                    self._handler = self._load()
                return self._handler(payload, context)
            except Exception as error:  # a handler may raise anything, and Lambda reports all of it
                traceback.print_exc(file=sys.stdout)
                raise FunctionFailed(self.name, f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close its log."""
        if self._output is not None:
            self._output.close()

    def _load(self) -> Callable[[Any, Any], Any]:
        file = self._directory / f"{self._module_name}.py"
        unique = f"alur_local_function_{self.name.replace('-', '_')}"
        spec = importlib.util.spec_from_file_location(unique, file)
        if spec is None or spec.loader is None or not file.is_file():
            raise LocalStackError("functions", f"{self.name} has no code at {file}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[unique] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[unique]
            raise
        handler: Callable[[Any, Any], Any] = getattr(module, self._attribute)
        return handler

    @contextlib.contextmanager
    def _patched(self) -> Iterator[None]:
        if self._output is None:
            self._output = self.log.open("a", buffering=1)
        before, logging_before = dict(os.environ), LoggingState.capture()
        os.environ.clear()
        os.environ.update(self._environment)
        try:
            with contextlib.redirect_stdout(self._output), contextlib.redirect_stderr(self._output):
                self._logging.apply()
                yield
        finally:
            self._logging = LoggingState.capture()
            logging_before.apply()
            os.environ.clear()
            os.environ.update(before)


def function_arn(name: str, region: str = REGION) -> str:
    """Return the ARN of a function of the local stack.

    Args:
        name: its name.
        region: the Region that the stack is in.
    """
    return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"
