"""The tables that come with the repository, and the files that belong to them."""

from __future__ import annotations

import csv
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from alur.contracts import Contract, Router, load_contracts

EXAMPLES = Path(__file__).parents[2] / "examples"
FLIGHTS_HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,"
    "origin,dest,air_time,distance,hour,minute,time_hour"
)


def read_decimal(spark_type: str, text: str) -> None:
    precision, scale = (int(part) for part in spark_type.removeprefix("decimal(").removesuffix(")").split(","))
    sign_digits_exponent = Decimal(text).as_tuple()
    assert -sign_digits_exponent.exponent <= scale
    assert len(sign_digits_exponent.digits) - (-sign_digits_exponent.exponent) <= precision - scale


def check_cell(spark_type: str, text: str) -> None:
    if spark_type == "int":
        assert -(2**31) <= int(text) < 2**31
    elif spark_type == "bigint":
        assert -(2**63) <= int(text) < 2**63
    elif spark_type == "date":
        date.fromisoformat(text)
    elif spark_type == "timestamp":
        assert datetime.fromisoformat(text).tzinfo is not None
    elif spark_type.startswith("decimal"):
        read_decimal(spark_type, text)
    else:
        assert spark_type == "string"


def rows_of(name: str, contract: Contract) -> list[list[str]]:
    with (EXAMPLES / "orders" / name).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert tuple(header) == contract.column_names
    return rows


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    return {contract.ingestion_key: contract for contract in load_contracts(variables={"LandingBucket": "landing"})}


def test_the_flights_table_has_the_columns_of_its_files(contracts):
    assert ",".join(contracts["flights"].column_names) == FLIGHTS_HEADER
    assert contracts["flights"].null_values == ("NA",)


@pytest.mark.parametrize(("name", "count"), [("good_orders.csv", 100), ("edge_cases.csv", 3)])
def test_every_row_of_the_example_files_can_be_stored(contracts, name, count):
    contract = contracts["orders"]
    rows = rows_of(name, contract)
    assert len(rows) == count
    for row in rows:
        for field, text in zip(contract.fields, row, strict=True):
            assert text or field.nullable, field.name
            if text:
                check_cell(field.spark_type, text)


def test_no_order_stands_in_both_example_files(contracts):
    ids = [row[0] for name in ("good_orders.csv", "edge_cases.csv") for row in rows_of(name, contracts["orders"])]
    assert len(set(ids)) == 103


def test_the_edge_cases_are_a_newline_quotes_and_letters_beyond_ascii(contracts):
    notes = [
        row[contracts["orders"].column_names.index("notes")] for row in rows_of("edge_cases.csv", contracts["orders"])
    ]
    assert "\n" in notes[0]
    assert '"' in notes[1]
    assert not notes[2].isascii()


def test_each_table_s_files_lie_in_its_own_folder_of_the_landing_bucket(contracts):
    router = Router(contracts.values())
    for key in ("orders", "flights"):
        for name in (f"{key}/a.csv", f"{key}/2013/01/a.csv"):
            assert [contract.ingestion_key for contract in router.route("landing", name)] == [key]
