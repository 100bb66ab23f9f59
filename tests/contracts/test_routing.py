"""Which contracts claim an object."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from alur.contracts import BronzeTable, Contract, Router, StringField
from alur.errors import ContractError


class SampleBronze(BronzeTable):
    text = StringField()

    class Meta:
        source_path = "s3://landing/sample/*.csv"
        source_system = "test"


def contract(key: str, *globs: str) -> Contract:
    return replace(SampleBronze.contract(), ingestion_key=key, source_paths=globs)


def keys(router: Router, bucket: str, key: str) -> list[str]:
    return [found.ingestion_key for found in router.route(bucket, key)]


def test_a_key_goes_to_each_contract_that_claims_it_once():
    router = Router(
        [
            contract("all", "s3://landing/**", "s3://landing/orders/*.csv"),
            contract("orders", "s3://landing/orders/**/*.csv"),
            contract("flights", "s3://landing/flights/**/*.csv"),
        ]
    )
    assert keys(router, "landing", "orders/a.csv") == ["all", "orders"]


def test_a_key_that_no_contract_claims_goes_nowhere():
    router = Router([contract("orders", "s3://landing/orders/*.csv")])
    assert keys(router, "landing", "other/a.csv") == []
    assert keys(router, "landing", "orders/") == []


def test_a_bucket_is_not_confused_with_another():
    router = Router(
        [
            contract("orders", "s3://landing/orders/*.csv"),
            contract("archive", "s3://archive/orders/*.csv", "s3://landing/old/*.csv"),
        ]
    )
    assert keys(router, "archive", "orders/a.csv") == ["archive"]
    assert keys(router, "landing", "old/a.csv") == ["archive"]
    assert keys(router, "elsewhere", "orders/a.csv") == []


def test_a_variable_without_a_value_is_refused_by_name_of_the_class():
    with pytest.raises(ContractError, match=r"SampleBronze: s3://\$\{LandingBucket\}/a.csv: .*no value"):
        Router([contract("orders", "s3://${LandingBucket}/a.csv")])


def test_ten_thousand_keys_and_twenty_contracts_take_less_than_a_second_of_cpu():
    router = Router([contract(f"t{n}", f"s3://landing/t{n}/**/[0-9]*-{{a,b}}.csv") for n in range(20)])
    names = [f"t{n % 25}/2026/01/{n}-{'ab'[n % 2]}.csv" for n in range(10_000)]
    started = time.process_time()
    routed = sum(len(router.route("landing", name)) for name in names)
    assert time.process_time() - started < 1
    assert routed == 8_000
