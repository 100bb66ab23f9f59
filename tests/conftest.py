"""Servers that suites share: moto and DynamoDB Local, started once a session on free ports of the loopback."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from alur.aws.clients import client
from alur.errors import LocalStackError
from alur.local.children import Children
from alur.local.dynamodb_server import dynamodb_server
from alur.local.environment import Endpoints, isolated_environment
from alur.local.jars import jar_paths
from alur.local.moto_server import moto_server
from alur.local.paths import Paths, find_paths


def pytest_configure(config: pytest.Config) -> None:
    """Make SIGTERM end the session as Ctrl-C does, so that a run that is cut short leaves no server behind."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(*_: object) -> None:
    # Not pytest.exit: inside a call to the JVM py4j would take its exception for a lost connection, and go on.
    raise KeyboardInterrupt("terminated")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Number what is no text, for a test's name may not hold what another process makes otherwise: gzip's time."""
    return argname if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()) else None


@pytest.fixture(scope="session")
def paths() -> Paths:
    """The checkout."""
    return find_paths()


@pytest.fixture(scope="session")
def aws_endpoints(paths: Paths, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """moto and DynamoDB Local for the whole session; what a test leaves there, the next one finds: use fresh names."""
    for name in ("spark", "dynamodb"):
        try:
            jar_paths(paths, name)
        except LocalStackError as error:
            pytest.fail(str(error))
    directory = tmp_path_factory.mktemp("servers")
    children = Children(directory / "children.json")
    try:
        with (
            moto_server() as aws,
            dynamodb_server(paths, children, directory / "dynamodb.log", dict(os.environ)) as dynamodb,
        ):
            yield Endpoints(aws, dynamodb)
    finally:
        children.close()


@pytest.fixture
def aws_servers(aws_endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoints]:
    """The servers, with this process's AWS variables pointing to them and `alur.aws.clients` made anew."""
    wanted = isolated_environment(aws_endpoints, os.environ)
    for name in set(os.environ) - set(wanted):
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    client.cache_clear()
    yield aws_endpoints
    client.cache_clear()
