"""Every peculiarity of delimited files, through the job: what its file comes to is what stands beside it as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyspark.sql import SparkSession
from workbench import Servers, Workbench, contract_of

from alur.ledger.batches import BatchState
from csv_support import CORPUS, Case, Outcome, by_job, cases, check, corpus_contracts, declared

pytestmark = [pytest.mark.spark, pytest.mark.stack]

_AT_ONCE = 3
"""A batch of small files waits more than it computes."""


@pytest.fixture(scope="module")
def outcomes(spark: SparkSession, servers: Servers) -> Mapping[str, Outcome]:
    """What each file of the corpus comes to. All files of a contract are one batch; a bad one fails alone.

    Contracts of the same columns are declarations of one table: only how its files are written differs.
    """
    tables: dict[str, list[str]] = {}
    for name, said in corpus_contracts().items():
        tables.setdefault(json.dumps(said["fields"]), []).append(name)

    def ingest_all(names: list[str]) -> dict[str, Outcome]:
        fields = declared(corpus_contracts()[names[0]]["fields"])
        first = Workbench(spark, servers, contract_of(fields))
        every: list[str] = []
        for name in names:
            meta = corpus_contracts()[name]["meta"]
            bench = first.with_contract(contract_of(fields, **meta))
            files = [case.file for case in cases() if case.contract == name]
            for case in cases():
                if case.contract == name:
                    bench.put(case.file, case.content)
            batch = bench.ingest(*files)
            assert bench.batch_state(batch) is BatchState.CLOSED
            every.extend(files)
        return by_job(first, every)

    # The table with the most contracts first: the others are done beside it.
    waiting = sorted(tables.values(), key=len, reverse=True)
    found: dict[str, Outcome] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for some in pool.map(ingest_all, waiting):
            found.update(some)
    return found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.file) for case in cases()])
def test_a_file_of_the_corpus_comes_to_what_stands_beside_it(outcomes: Mapping[str, Outcome], case: Case):
    check(case, outcomes[case.file])


def test_each_file_of_the_corpus_has_its_expectation():
    named = {case.file for case in cases()}
    assert len(named) == len(cases()) > 60
    assert {path.name for path in CORPUS.iterdir() if path.suffix != ".json"} == named | {".gitattributes"}
    assert {case.contract for case in cases()} == set(corpus_contracts())
