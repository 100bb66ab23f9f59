"""The Spark session, the ledger's tables, and a workbench of its own for each test."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from pyspark.sql import SparkSession
from session_bench import MakeBench, SessionBench, make_target
from workbench import LANDING, Servers, Workbench, make_contract, make_servers

from alur.contracts import BronzeTable
from alur.contracts.contract import Contract
from alur.engine import tasks
from alur.ingestion.loads import gathering_loads
from alur.local.environment import Endpoints
from alur.local.paths import Paths
from spark_session import start_session, stop_session


@pytest.fixture(scope="session")
def spark(aws_endpoints: Endpoints, paths: Paths, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The shared session."""
    yield start_session(aws_endpoints, paths, tmp_path_factory.mktemp("spark"))
    stop_session()


@pytest.fixture(scope="session")
def servers(aws_endpoints: Endpoints) -> Servers:
    """Buckets, the Glue database and the ledger's tables, made once."""
    return make_servers(aws_endpoints)


@pytest.fixture
def bench(spark: SparkSession, servers: Servers) -> Workbench:
    """A table of its own (`id`, `name`, `amount`), named after nothing else, with the ledger and S3 at hand."""
    return Workbench(spark, servers, make_contract())


@pytest.fixture
def session_for(spark: SparkSession, servers: Servers) -> Iterator[MakeBench]:
    """Makes a bench for sessions, over a table of its own."""
    with gathering_loads() as loads:
        yield lambda **meta: SessionBench(spark, servers, make_target(**meta))
    for load in loads:
        load.release("the test has ended")


@pytest.fixture
def session(session_for: MakeBench) -> SessionBench:
    """A bench for sessions over a table of its own (`id`, `name`, `amount`)."""
    return session_for()


@pytest.fixture
def bench_for(spark: SparkSession, servers: Servers) -> Callable[[type[BronzeTable] | Contract], Workbench]:
    """Makes a workbench for another contract."""

    def make(contract: type[BronzeTable] | Contract) -> Workbench:
        return Workbench(spark, servers, contract if isinstance(contract, Contract) else contract.contract())

    return make


@pytest.fixture
def declared(
    bench_for: Callable[[Contract], Workbench], aws_servers: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> Workbench:
    """A table that the run's own code declares; its clients find the servers by their environment, as a run's do."""
    contract = make_contract()
    alone = dataclasses.replace(contract, source_paths=(f"s3://{LANDING}/{contract.ingestion_key}/**",))
    monkeypatch.setattr(tasks, "load_contracts", lambda **_: (alone,))
    return bench_for(alone)
