"""DynamoDB Local, AWS's own engine, as a child process: it checks what moto lets pass, and it knows PartiQL."""

from __future__ import annotations

import contextlib
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from alur.errors import LocalStackError
from alur.local.children import Children
from alur.local.jars import jar_paths
from alur.local.java import find_java
from alur.local.paths import Paths

_HOST = "127.0.0.1"
_MAIN_CLASS = "software.amazon.dynamodb.services.local.main.ServerRunner"
_START_SECONDS = 60.0


@contextlib.contextmanager
def dynamodb_server(
    paths: Paths, children: Children, log: Path, environment: Mapping[str, str], port: int = 0
) -> Iterator[str]:
    """Run DynamoDB Local in memory until the block ends.

    Args:
        paths: where its jars are.
        children: starts and ends the process.
        log: the file of its output.
        environment: the process's environment.
        port: the port to listen on; 0 takes a free one.

    Yields:
        Its URL, when it answers.

    Raises:
        LocalStackError: jars or Java are missing, or it does not answer in a minute.
    """
    jars = paths.jars / "dynamodb"
    jar_paths(paths, "dynamodb")
    java = find_java(environment)
    chosen = port or free_port()
    # -sharedDb: else each access key and Region sees tables of its own.
    command = [java.executable, "-Xmx512m", f"-Dsqlite4java.library.path={jars}", "-cp", f"{jars}/*", _MAIN_CLASS]
    command += ["-inMemory", "-sharedDb", "-port", str(chosen), "-disableTelemetry"]
    with log.open("wb") as output:
        process = children.start(command, str(jars), environment, jars, output, output)
    try:
        url = f"http://{_HOST}:{chosen}"
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
                raise LocalStackError("DynamoDB Local", f"it did not start, {log} ends with:\n{tail}")
            time.sleep(0.05)
        yield url
    finally:
        children.stop(process)


def free_port() -> int:
    """Return a port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    # No proxy: the loopback is no business of one. It answers a request without a signature with 400.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=2.0).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
