"""A function as `sam build` made it, under the real Lambda runtime emulator that aws-sam-cli ships.

Linux only, and without Docker.

The interpreter sees the function's and the layer's build folders and Lambda's runtime client, and nothing of this
checkout or its virtual environment. The process stays warm between calls, as on Lambda.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alur.errors import LocalStackError
from alur.local.children import Children
from alur.local.dynamodb_server import free_port
from alur.local.functions import FunctionFailed, function_arn
from alur.local.paths import Paths

_EMULATORS = {"x86_64": "aws-lambda-rie-x86_64", "aarch64": "aws-lambda-rie-arm64", "arm64": "aws-lambda-rie-arm64"}
_RUNTIME_CLIENT = ("awslambdaric", "snapshot-restore-py", "simplejson")
_INVOCATIONS = "/2015-03-31/functions/function/invocations"
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call gave.

    Args:
        payload: the function's answer, JSON.
        failed: whether the handler raised.
        log: what the function wrote during the call.
    """

    payload: str
    failed: bool
    log: str


class RuntimeEmulator:
    """One function under the emulator; call it as often as you like, one call at a time.

    Args:
        address: where the emulator listens.
        log: the file of the function's output.
        timeout_seconds: how long a call may take.
    """

    def __init__(self, address: str, log: Path, timeout_seconds: float) -> None:
        self._address = address
        self._log = log
        self._timeout_seconds = timeout_seconds

    def invoke(self, payload: str) -> Answer:
        """Call the function with a JSON event.

        Raises:
            LocalStackError: the emulator does not answer.
        """
        before = self._log.stat().st_size
        request = urllib.request.Request(f"http://{self._address}{_INVOCATIONS}", data=payload.encode(), method="POST")
        try:
            with _opener().open(request, timeout=self._timeout_seconds) as response:
                body = response.read().decode()
        except OSError as error:
            raise LocalStackError("runtime emulator", f"{error}; the function's log is {self._log}") from error
        with self._log.open(errors="replace") as opened:
            opened.seek(before)
            written = opened.read()
        return Answer(body, _is_error(body), written)


@contextlib.contextmanager
def runtime_emulator(
    paths: Paths,
    logical_id: str,
    variables: Mapping[str, str],
    children: Children,
    scratch: Path,
    timeout_seconds: float = 900.0,
) -> Iterator[RuntimeEmulator]:
    """Run a built function under the emulator until the block ends.

    Args:
        paths: the checkout whose `.aws-sam/build` is run.
        logical_id: the function's name in the template.
        variables: its environment.
        children: starts and ends the process.
        scratch: an existing directory for its log and links.
        timeout_seconds: how long a call may take.

    Raises:
        LocalStackError: nothing is built, this machine has no emulator, or it does not start.
    """
    code, layer = paths.built / logical_id, paths.built / "CodeLayer" / "python"
    for folder in (code, layer):
        if not folder.is_dir():
            raise LocalStackError("runtime emulator", f"{folder} is not there: run `make build`")
    client = scratch / "runtime-client"
    _link_runtime_client(client)
    listens, runtime = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    environment = {
        **variables,
        "PATH": os.environ.get("PATH", ""),
        # Lambda puts the function's own code before the layers (/var/task before /opt/python).
        "PYTHONPATH": os.pathsep.join(str(folder) for folder in (code, layer, client)),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_FUNCTION_NAME": variables.get("AWS_LAMBDA_FUNCTION_NAME", logical_id),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(int(timeout_seconds)),
        "LAMBDA_TASK_ROOT": str(code),
    }
    interpreter = getattr(sys, "_base_executable", None) or sys.executable
    command = [str(_emulator()), "--runtime-interface-emulator-address", listens, "--runtime-api-address", runtime]
    command += ["--log-level", "error", interpreter, "-m", "awslambdaric", "app.handler"]
    log = scratch / f"{logical_id}.log"
    with log.open("wb") as output:
        process = children.start(command, listens, environment, code, output, output)
    try:
        _wait_until_it_listens(listens, process, log)
        yield RuntimeEmulator(listens, log, timeout_seconds)
    finally:
        children.stop(process)


class EmulatedFunction:
    """A function of the stack whose calls go through the emulator; it starts at the first one.

    Args:
        name: its name.
        paths: the checkout whose build is run.
        logical_id: its name in the template.
        variables: its environment.
        children: starts and ends the process.
        log: the file to which its output is added.
        region: the Region that it is in.
    """

    def __init__(
        self,
        name: str,
        paths: Paths,
        logical_id: str,
        variables: Mapping[str, str],
        children: Children,
        log: Path,
        region: str,
    ) -> None:
        self.name = name
        self.arn = function_arn(name, region)
        self.log = log
        self._start = (paths, logical_id, {**variables, "AWS_LAMBDA_FUNCTION_NAME": name}, children)
        self._ending = contextlib.ExitStack()
        self._emulator: RuntimeEmulator | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """Its whole environment."""
        return dict(self._start[2])

    def __call__(self, event: Mapping[str, Any]) -> Any:
        """Call the function.

        Raises:
            FunctionFailed: the handler raised.
            LocalStackError: the emulator does not start or answer.
        """
        if self._emulator is None:
            scratch = self.log.parent / f"{self.log.stem}-emulator"
            scratch.mkdir(parents=True, exist_ok=True)
            self._emulator = self._ending.enter_context(runtime_emulator(*self._start, scratch))
        answer = self._emulator.invoke(json.dumps(event))
        with self.log.open("a") as log:
            log.write(answer.log)
        if answer.failed:
            raise FunctionFailed(self.name, answer.payload)
        return json.loads(answer.payload) if answer.payload else None

    def close(self) -> None:
        """End the emulator."""
        self._ending.close()
        self._emulator = None


def _emulator() -> Path:
    name = _EMULATORS.get(platform.machine())
    spec = importlib.util.find_spec("samcli")
    if platform.system() != "Linux" or name is None or spec is None or spec.origin is None:
        problem = f"aws-sam-cli ships it for Linux on x86_64 and arm64 only, this is {platform.system()}"
        raise LocalStackError("runtime emulator", f"{problem}; `sam local invoke` does the same in Docker")
    return Path(spec.origin).parent / "local" / "rapid" / name


def _link_runtime_client(target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in _RUNTIME_CLIENT:
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            raise LocalStackError("runtime emulator", f"{name} is not installed: run `make setup`") from None
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            link = target / top
            if not link.is_symlink():
                link.symlink_to(Path(str(files[0].locate())).resolve().parents[len(files[0].parts) - 1] / top)


def _wait_until_it_listens(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise LocalStackError("runtime emulator", f"it did not start: {log.read_text(errors='replace')[-2000:]}")
        try:
            _opener().open(f"http://{address}/", timeout=1.0).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _is_error(body: str) -> bool:
    # The runtime answers an exception with this shape and status 200.
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and "errorType" in answer and "errorMessage" in answer
