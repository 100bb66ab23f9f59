"""A function in a process of its own, which may die: one warm process, as Lambda keeps it, and another after its death.

What the stack's own process cannot do for a function, this can: it ends a call that takes longer than the function's
time-out, and a call whose process is killed fails by itself and takes nothing along. The process has the bytes of the
layer and of the function's own folder on its path, and nothing of this checkout or its virtual environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alur.local.children import Children
from alur.local.functions import FunctionFailed, FunctionPlan, function_arn

_RUNTIME = "alur.local.sandbox_runtime"
_START_SECONDS = 60.0
_CLOSE_SECONDS = 1.0
_CHUNK_BYTES = 64 * 1024


class SandboxedFunction:
    """One function of the template in a process that is started at its first call; one call at a time.

    Args:
        plan: what it is.
        library: the folder that stands for the layers, `/opt/python`.
        children: starts and ends the process.
    """

    def __init__(self, plan: FunctionPlan, library: Path, children: Children) -> None:
        self.name = plan.name
        self.arn = function_arn(plan.name, plan.region)
        self.log = plan.log
        self._plan = plan
        self._children = children
        self._process: _Process | None = None
        self._calling = threading.Lock()
        self._environment = {
            **plan.variables,
            "AWS_LAMBDA_FUNCTION_NAME": plan.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(plan.memory_mb),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            # Lambda puts the function's own code before the layers (/var/task before /opt/python).
            "PYTHONPATH": os.pathsep.join([str(plan.directory), str(library)]),
            "PYTHONNOUSERSITE": "1",
            # What a handler has printed must be in the log also when its process is killed.
            "PYTHONUNBUFFERED": "1",
        }
        for name in ("VIRTUAL_ENV", "PYTHONHOME"):
            self._environment.pop(name, None)

    @property
    def environment(self) -> Mapping[str, str]:
        """Its whole environment."""
        return dict(self._environment)

    def __call__(self, event: Mapping[str, Any]) -> Any:
        """Call the handler.

        Raises:
            FunctionFailed: the handler raised, its code cannot be imported, its process died, or the call took longer
                than the function's time-out, and its process was ended.
        """
        with self._calling:
            process = self._ready()
            message = {
                "event": event,
                "request_id": str(uuid.uuid4()),
                "function_name": self.name,
                "function_arn": self.arn,
                "memory_mb": self._plan.memory_mb,
                "timeout_seconds": self._plan.timeout_seconds,
            }
            answer = self._exchange(process, json.dumps(message).encode() + b"\n", self._plan.timeout_seconds)
            if "error" in answer:
                raise FunctionFailed(self.name, str(answer["error"]))
            return answer["answer"]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._end(_CLOSE_SECONDS)

    def _ready(self) -> _Process:
        """Return a process that waits for a call: the warm one, or a new one that has imported the handler."""
        if self._process is not None and self._process.is_alive:
            return self._process
        if self._process is not None:
            # It has died between two calls, as a sandbox on Lambda may.
            self._end(0.0)
        try:
            self._process = process = _Process(self._plan, self._environment, self._children)
        except (OSError, RuntimeError) as error:
            raise FunctionFailed(self.name, f"its process cannot be started: {error}") from error
        answer = self._exchange(process, b"", _START_SECONDS)
        if "error" in answer:
            self._end(_CLOSE_SECONDS)
            raise FunctionFailed(self.name, str(answer["error"]))
        return process

    def _exchange(self, process: _Process, message: bytes, timeout_seconds: float) -> dict[str, Any]:
        try:
            line = process.exchange(message, timeout_seconds)
        except TimeoutError:
            self._end(0.0)
            raise FunctionFailed(self.name, f"Task timed out after {timeout_seconds:.2f} seconds") from None
        except EOFError:
            code = self._end(_CLOSE_SECONDS)
            raise FunctionFailed(self.name, f"its process ended with exit code {code}, see {self.log}") from None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self, grace_seconds: float) -> int | None:
        process, self._process = self._process, None
        return process.end(grace_seconds) if process is not None else None


class _Process:
    """The process and its two pipes."""

    def __init__(self, plan: FunctionPlan, environment: Mapping[str, str], children: Children) -> None:
        python = getattr(sys, "_base_executable", None) or sys.executable
        # The log is an argument for one reason: it is the mark by which an orphan is known.
        command = [python, "-m", _RUNTIME, plan.handler, str(plan.log)]
        self._children = children
        with plan.log.open("ab") as log:
            self._process = children.start(
                command,
                str(plan.log),
                environment,
                plan.directory if plan.directory.is_dir() else plan.log.parent,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.PIPE,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        for pipe in (self._requests, self._answers):
            os.set_blocking(pipe.fileno(), False)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def exchange(self, message: bytes, timeout_seconds: float) -> bytes:
        """Send a message and return the line that comes back.

        Raises:
            TimeoutError: none came in time.
            EOFError: the process has ended.
        """
        deadline = time.monotonic() + timeout_seconds
        unsent, received = memoryview(message), bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            if unsent:
                selector.register(self._requests, selectors.EVENT_WRITE)
            while not received.endswith(b"\n"):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                for key, _ in selector.select(left):
                    if key.fileobj is self._answers:
                        chunk = os.read(self._answers.fileno(), _CHUNK_BYTES)
                        if not chunk:
                            raise EOFError
                        received += chunk
                        continue
                    unsent = unsent[self._write(unsent) :]
                    if not unsent:
                        selector.unregister(self._requests)
        return bytes(received)

    def end(self, grace_seconds: float) -> int:
        """End the process, if it still runs, and return its exit code."""
        # With nothing more to read a process that is well ends by itself.
        with contextlib.suppress(OSError):
            self._requests.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        self._children.stop(self._process, 0.0)
        self._answers.close()
        return self._process.returncode

    def _write(self, unsent: memoryview) -> int:
        try:
            return os.write(self._requests.fileno(), unsent)
        except BrokenPipeError:
            raise EOFError from None
