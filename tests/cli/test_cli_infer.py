"""`alur infer`: the class loads, and the samples come to no rejects and no rescued cells under it."""

from __future__ import annotations

import ast
import gzip
import json
import keyword
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alur.aws.clients import client
from alur.cli.collecting import contract_of_source, infer_table
from alur.cli.inferred import class_name_of, column_names, literal, source_of
from alur.cli.sources import SourceFile
from alur.contracts.contract import Contract
from alur.delimited.preview import Preview, preview_file
from alur.errors import EmptyFile, UnreadableFile
from alur.local.environment import Endpoints
from csv_support import Case, cases
from ledger_support import unique
from project_support import call


def file_of(data: bytes | str, path: str = "samples.csv") -> SourceFile:
    body = data.encode() if isinstance(data, str) else data
    return SourceFile(path, len(body), lambda: iter([body]))


def inferred(*samples: bytes | str) -> tuple[str, Contract, list[Preview]]:
    """The source, the contract that it declares, and what the samples come to under it."""
    table, _ = infer_table(
        [file_of(data) for data in samples], class_name="ThingsBronze", source_path="s3://x/**", source_system="shop"
    )
    source = source_of(table)
    contract = contract_of_source(source, "ThingsBronze")
    return source, contract, [preview_file("p", file_of(data).open(), contract) for data in samples]


def loses_nothing(previews: list[Preview]) -> bool:
    return all(preview.error is None and not preview.reject_count + preview.rescued_count for preview in previews)


def types(contract: Contract) -> dict[str, str]:
    return {field.name: field.spark_type for field in contract.fields}


GERMAN = (
    "# Auszug\n# vom 1.2.\n\n"
    "Auftrag Nr;Kunde;Betrag;Menge;Datum;Zeit;PLZ;Aktiv;Größe;class\n"
    "1;Müller;1.234,50;5;31/12/2024;01.02.2024 10:00;01234;ja nein;NA;x\n"
    '2;"a;b";2,5;7;01/02/2024;02.02.2024 11:00;99999;"x ""y""";1;y\n'
    "3;;0,99;-;02/02/2024;03.02.2024 11:00;00001;no;2;NA\n"
)

SAMPLES: dict[str, bytes] = {
    "plain": b"id,name,price\n1,x,1.5\n2,y,2.25\n",
    "german": GERMAN.encode("windows-1252"),
    "german utf-8 with a mark": b"\xef\xbb\xbf" + GERMAN.encode(),
    "utf-16": "id\tname\n1\tä\n".encode("utf-16"),
    "utf-16 without a mark": "id\tname\n1\tä\n2\tü\n".encode("utf-16-le"),
    "gzip": gzip.compress(b"id,name\n1,x\n"),
    "no header": b"1|2024-01-01|x\n2|2024-01-02|y\n",
    "american": b'day,amount\n01/31/2024,"$1"\n12/01/2024,"1,234.56"\n',
    "thousands": b'id,amount\n1,"1,234.56"\n2,"1,234,567"\n3,5\n',
    "escapes": b'id,text\n1,"a \\"b\\", c"\n2,"d"\n3,"e\nf"\n',
    "single quotes": b"id,text\n1,'a, b'\n2,'c'\n3,'d'\n",
    "nothing is quoted": b'id,text\n1,"a" b\n2,"c" d\n',
    "a name twice": b"id,name,name\n1,a,b\n2,c,d\n",
    "names that differ in their case": b"id,ID,Id\n1,2,a\n3,4,b\n",
    "a name that is empty": b",name,price\n0,a,1.5\n1,b,2.5\n",
    "an empty end": b"id,name,\n1,a,\n2,b,\n",
    "a surplus delimiter": b"id,name\n1,a,\n2,b,\n",
    "words of Python": b"class,from,1st,id_,ID-2,\xc3\x9cber uns\n1,2,3,4,5,6\n",
    "a header alone": b"id,name\n",
    "one column": b"text\nhello, world\nbye\nso; so\n",
    "nulls": b"id,a,b\n1,NULL,x\n2,5,NULL\nN/A,6,-\n",
    "late": b"id,a\n" + b"1,2\n" * 3000 + b"x,2.5\n",
    "moments": b"a,b,c\n2024-01-01T10:00:00Z,2024-01-01,12/31/2024 11:00 PM\n2024-01-01,2024-02-02,1/2/2024 1:00 AM\n",
    "packed days": b"order_date,id\n20240131,1\n20240201,2\n",
    "carriage returns": b"id,name\r1,x\r2,y\r",
    "blank lines": b"\n\nid,name\n\n1,x\n\n2,y\n\n",
    "large numbers": b"a,b,c\n1,9223372036854775807,99999999999999999999\n2147483648,1,1e400\n",
    "quoted and empty": b'id,text\n1,""\n2,"x"\n',
    "dashes": b"a\n-\n-\n",
    "an apostrophe": b"id,text\n1,it's\n2,'twas\n",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_class_loads_and_takes_all_that_its_sample_holds(name: str):
    _, contract, previews = inferred(SAMPLES[name])
    assert loses_nothing(previews)
    assert contract.source_system == "shop"
    # What its first bytes promise is there.
    assert previews[0].row_count or name == "a header alone"


@pytest.mark.parametrize("name", SAMPLES)
def test_the_source_is_as_ruff_wants_it(tmp_path: Path, name: str):
    file = tmp_path / "things.py"
    file.write_text(inferred(SAMPLES[name])[0])
    ruff = [sys.executable, "-m", "ruff"]
    project = Path(__file__).parents[2] / "pyproject.toml"
    for command in (["check", "--config", str(project)], ["format", "--check", "--isolated"]):
        done = subprocess.run([*ruff, *command, "--no-cache", str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_german_file_is_understood():
    source, contract, (preview,) = inferred(GERMAN.encode("windows-1252"))
    assert contract.dialect.differences == {
        "delimiter": ";",
        "encoding": "windows-1252",
        "skip_lines": 3,
        "decimal": ",",
        "thousands": ".",
    }
    assert types(contract) == {
        "auftrag_nr": "int",
        "kunde": "string",
        "betrag": "decimal(18,2)",
        "menge": "int",
        "datum": "date",
        "zeit": "timestamp",
        "plz": "string",
        "aktiv": "string",
        "grosse": "int",
        "class_": "string",
    }
    assert [field.name for field in contract.fields if field.nullable] == ["kunde", "menge", "grosse", "class_"]
    assert contract.null_values == ("-", "NA")
    assert preview.rows[0][2:5] == (Decimal("1234.50"), 5, date(2024, 12, 31))
    assert preview.rows[2][1:4] == (None, Decimal("0.99"), None)
    assert '"-", "NA" mean null in columns of text too: class_' in source
    assert "plz: text: its numbers begin with zeros" in source
    assert 'source_name="Größe"' in source


def test_what_can_be_read_in_two_ways_is_read_as_another_column_is_that_cannot():
    source, contract, _ = inferred(b"a,b\n01/02/2024,12/31/2024\n03/04/2024,01/02/2024\n")
    assert [field.formats for field in contract.fields] == [("%m/%d/%Y",), ("%m/%d/%Y",)]
    assert "# a: " in source
    assert "%d/%m/%Y would fit too" in source
    assert inferred(b"a,b\n01/02/2024,x\n")[1].fields[0].formats == ("%d/%m/%Y",)


def test_several_samples_are_one_table():
    _, contract, previews = inferred(b"id,name\n1,x\n", b"name,id,extra\ny,2.5,\n", b"id,name\n,z\n")
    assert loses_nothing(previews)
    assert types(contract) == {"id": "decimal(18,1)", "name": "string", "extra": "string"}
    assert [field.nullable for field in contract.fields] == [True, False, True]


def test_what_records_lose_under_any_contract_is_told(tmp_path: Path):
    file = tmp_path / "things.csv"
    file.write_text("id,name\n1,x\n2,y\n3,z\n4\n5,a,b\n")
    result = call("infer", str(file))
    assert result.exit_code == 1
    assert "# of the samples 0 records cannot be stored, and 2 cells would be rescued" in result.stdout
    assert f"{file}: line 5: fewer cells than the header\n" in result.stderr
    assert contract_of_source(result.stdout, "ThingsBronze").ingestion_key == "things"


def test_it_is_written_to_a_file_that_is_not_there_yet(tmp_path: Path):
    sample, target = tmp_path / "orders_2024-01.csv", tmp_path / "orders.py"
    sample.write_text("id,name\n1,x\n")
    result = call("infer", str(sample), "--output", str(target), "--source-system", "shop")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"OrdersBronze: 2 columns that fit 1 row: {target}" in result.stderr
    contract = contract_of_source(target.read_text(), "OrdersBronze")
    assert (contract.source_system, contract.source_paths) == ("shop", ("s3://${LandingBucket}/orders/**/*.csv",))
    before = target.read_text()
    again = call("infer", str(sample), "--output", str(target))
    assert again.exit_code == 2
    assert "is not overwritten" in again.stderr
    assert target.read_text() == before
    assert call("infer", str(sample), "--output", str(tmp_path / "no" / "x.py")).exit_code == 2


def test_name_and_glob_may_be_said(tmp_path: Path):
    sample = tmp_path / "a.csv"
    sample.write_text("id\n1\n")
    result = call("infer", str(sample), "--name", "Flights", "--source-path", "s3://b/f/*.csv")
    contract = contract_of_source(result.stdout, "FlightsBronze")
    assert contract.source_paths == ("s3://b/f/*.csv",)
    assert 'source_system = "unknown"  # say where the files come from' in result.stdout
    assert call("infer", str(sample), "--name", "no name").exit_code == 2
    assert call("infer", str(sample), "--name", "Bronze").exit_code == 2
    wrong = call("infer", str(sample), "--source-path", "no glob")
    assert wrong.exit_code == 2
    assert "source_path" in wrong.stderr


def test_json_has_the_columns_and_the_source(tmp_path: Path):
    sample = tmp_path / "a.csv"
    sample.write_text("Id;x\n1;2,5\n")
    told = json.loads(call("infer", str(sample), "--json").stdout)
    assert (told["class"], told["rows"], told["rejects"]) == ("ABronze", 1, 0)
    assert told["dialect"] == {"delimiter": ";", "decimal": ","}
    assert [(column["name"], column["type"]) for column in told["columns"]] == [("id", "int"), ("x", "decimal(18,1)")]
    assert contract_of_source(told["source"], "ABronze").dialect.delimiter == ";"


def test_what_is_no_sample_is_refused(tmp_path: Path):
    empty, parquet = tmp_path / "empty.csv", tmp_path / "x.csv"
    empty.write_bytes(b"")
    parquet.write_bytes(b"PAR1\x15\x04\x15\x00" + bytes(100))
    for file, words in ((empty, "the file is empty"), (parquet, "a Parquet file")):
        result = call("infer", str(file))
        assert result.exit_code == 1
        assert words in result.stderr
    assert call("infer", str(tmp_path / "nobody.csv")).exit_code == 2
    assert call("infer").exit_code == 2


@pytest.mark.stack
def test_samples_may_be_in_s3(aws_servers: Endpoints, monkeypatch: pytest.MonkeyPatch):
    bucket = unique("samples")
    s3 = client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="in/orders/a.csv.gz", Body=gzip.compress(b"id,name\n1,x\n"))
    result = call("infer", f"s3://{bucket}/in/orders/a.csv.gz", "--name", "Orders")
    assert result.exit_code == 0
    contract = contract_of_source(result.stdout, "OrdersBronze")
    assert contract.source_paths == (f"s3://{bucket}/in/orders/*.csv.gz",)
    missing = call("infer", f"s3://{bucket}/in/orders/b.csv")
    assert missing.exit_code == 1
    assert "there is no such object" in missing.stderr


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("orders.csv", "OrdersBronze"),
        ("Order Items-2024_01_31.csv.gz", "OrderItemsBronze"),
        ("part-00000.csv", "PartBronze"),
        ("2024.csv", "SamplesBronze"),
        ("Größen.txt", "GrossenBronze"),
    ],
)
def test_a_class_is_called_after_its_file(file: str, name: str):
    assert class_name_of(file) == name


@given(st.lists(st.text(max_size=40), max_size=8))
def test_names_of_columns_are_names_and_no_two_the_same(header: list[str]):
    names = column_names(header)
    assert len(set(names)) == len(names) == len(header)
    assert all(name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_") for name in names)
    assert all(name == name.lower() and name.isascii() for name in names)


@given(st.text())
def test_a_text_in_the_source_is_that_text(text: str):
    assert ast.literal_eval(literal(text)) == text
    assert "\n" not in literal(text)


CELLS = {
    "word": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    "int": st.integers(-(2**70), 2**70).map(str),
    "decimal": st.decimals(-(10**9), 10**9, places=3, allow_nan=False).map("{:f}".format),
    "double": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "day": st.dates(date(1, 1, 1)).map(str),
    "european day": st.dates(date(1000, 1, 1)).map(lambda day: day.strftime("%d/%m/%Y")),
    "moment": st.datetimes().map(str),
    "boolean": st.sampled_from(["true", "False", "yes", "n"]),
    "null": st.sampled_from(["", "NA", "NULL", "-", " "]),
    "zip": st.from_regex(r"[0-9]{5}", fullmatch=True),
    "german": st.integers(0, 10**7).map(lambda number: f"{number:,}".replace(",", ".") + ",5"),
}


@st.composite
def tables(draw: Any) -> tuple[bytes, int]:
    """A table as its file, and how many rows it has."""
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=2, max_size=4))
    delimiter = draw(st.sampled_from(",;\t|"))
    count = draw(st.integers(1, 8))
    lines = []
    for _ in range(count):
        cells = [draw(st.one_of(CELLS[kind], CELLS["null"]) if draw(st.booleans()) else CELLS[kind]) for kind in kinds]
        lines.append(delimiter.join('"{}"'.format(cell.replace('"', '""')) for cell in cells))
    header = delimiter.join(f"column {kind} {number}" for number, kind in enumerate(kinds))
    return "\n".join([header, *lines, ""]).encode(), count


INHERENT = (
    "holds NUL",
    "more cells than the header",
    "fewer cells than the header",
    "more than 10,000 cells",
    "a quote is opened and never closed",
)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.file) for case in cases()])
def test_of_the_corpus_no_more_is_lost_than_must_be(case: Case):
    try:
        _, _, (preview,) = inferred(case.content)
    except (EmptyFile, UnreadableFile):
        return
    assert preview.error is None
    problems = [problem.reason for problem in (*preview.rejects, *preview.rescued)]
    assert [reason for reason in problems if not reason.startswith(INHERENT)] == []


@settings(max_examples=200, deadline=None)
@given(tables())
def test_any_simple_table_is_taken_whole_by_its_own_contract(table: tuple[bytes, int]):
    data, count = table
    _, _, previews = inferred(data)
    assert loses_nothing(previews)
    assert previews[0].row_count == count
