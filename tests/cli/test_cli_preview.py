"""`alur preview`: what a file would come to, said without Spark and without writing."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alur.cli.guessing import tables_meant
from alur.contracts import Contract, LongField
from alur.contracts.contract import Trigger
from alur.delimited import Reject, Row, judge, read_file
from alur.delimited.preview import Preview, Rescued, preview_file
from alur.errors import HeaderMismatch, StorageRefused
from cli_support import Place
from delimited_support import PATH, contract
from project_support import call, forget_project, make_project, table

HEADER = "id,price\n"


# ------------------------------------------------------------------------------- what a file comes to, as such


def previewed(data: bytes | str, of: Contract | None = None, *, rows: int = 10, size: int = 7) -> Preview:
    body = data.encode() if isinstance(data, str) else data
    chunks = (body[start : start + size] for start in range(0, len(body), size))
    return preview_file(PATH, chunks, of or contract(), rows=rows)


FILES: dict[str, bytes] = {
    "rows": b"a,b\nx,1\ny,2\n",
    "bad cells": b"a,b\nx,1\ny,zwei\n",
    "extra and missing": b"b,c\n1,x\n2\n3,4,5\n",
    "another header": b"x;y\n1;2\n",
    "twice": b"a,a,b\n",
    "empty": b"",
    "blank": b"\n\n",
    "header alone": b"a,b\n",
    "open quote": b'a,b\nx,1\n"y,2\n',
    "only rejects": b'a,b\n"y"z,2\n',
    "bad byte": b"a,b\nx,1\n\xff,2\n",
    "gzip": gzip.compress(b"a,b\nx,1\n"),
    "cut gzip": gzip.compress(b"a,b\nx,1\n" * 1000)[:-9],
    "bzip2": bz2.compress(b"a,b\nx,1\n"),
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(20),
    "utf-16": "a,b\nä,1\n".encode("utf-16"),
    "zip": b"PK\x03\x04" + bytes(600),
    "mark": b"\xef\xbb\xbfa,b\nx,1\n",
    "large": b"a,b\n" + b"x,1\n" * 400_000 + b'"y"z,2\n',
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_what_reading_the_file_comes_to(name: str):
    of = contract()
    found = previewed(FILES[name], of, size=100_000)
    rows: list[Row] = []
    rejects: list[Reject] = []
    error: Exception | None = None
    try:
        for one in read_file(PATH, [FILES[name]], of):
            rows.append(one) if isinstance(one, Row) else rejects.append(one)
    except Exception as problem:  # noqa: BLE001  whatever it is, it has to be the same
        error = problem
    else:
        error = judge(PATH, of, len(rows), len(rejects), rejects)
    assert (type(found.error), str(found.error)) == (type(error), str(error))
    assert (found.row_count, found.reject_count) == (len(rows), len(rejects))
    assert found.shown == tuple(rows[:10])
    assert found.rejects == tuple(rejects[:10])


def test_what_is_found_of_the_file_itself_is_said():
    found = previewed(FILES["gzip"])
    assert (found.encoding, found.compression, found.header) == ("utf-8", "gzip", ("a", "b"))
    assert previewed(FILES["utf-16"]).encoding == "utf-16-le"
    assert previewed(FILES["bzip2"]).compression == "bzip2"
    assert previewed(FILES["zstd"]).compression == "zstd"
    assert previewed(FILES["zip"]).compression is None
    other = previewed(FILES["another header"])
    assert (other.header, other.layout, other.encoding) == (("x;y",), None, "utf-8")
    assert isinstance(other.error, HeaderMismatch)
    nothing = previewed(b"")
    assert (nothing.header, nothing.encoding, nothing.record_count) == (None, None, 0)


def test_no_more_rows_and_problems_are_kept_than_are_shown():
    data = "a,b\n" + "x,y\n" * 50 + '"y"z,1\n' * 50
    found = previewed(data, rows=3)
    assert found.rows == (("x", None),) * 3
    assert (found.row_count, found.reject_count, found.rescued_count, found.rescued_rows) == (50, 50, 50, 50)
    assert [reject.line for reject in found.rejects] == list(range(52, 62))
    assert [cell.line for cell in found.rescued] == list(range(2, 12))
    assert found.rescued[0] == Rescued(2, "b", "y", "not a whole number")
    assert previewed(data, rows=0).rows == ()
    long = previewed('a,b\nx,1\n"y"' + "z" * 200_000 + ",1\n")
    assert len(long.rejects[0].record) == 64 * 1024


def test_cells_of_columns_beside_the_contract_are_counted_and_do_not_hide_the_others():
    found = previewed("a,b,c\n" + "x,1,z\n" * 20 + "x,y,z\nx\nx,1,,s,t\n")
    assert (found.rescued_count, found.extra_count, found.rescued_rows) == (26, 21, 23)
    assert [(cell.line, cell.column, cell.text) for cell in found.rescued] == [
        (22, "b", "y"),
        (23, None, None),
        (23, None, None),
        (24, None, "s"),
        (24, None, "t"),
    ]


def test_what_storage_says_is_no_property_of_the_file():
    def chunks() -> Any:
        yield b"a,b\n"
        raise StorageRefused("GetObject", PATH, "AccessDenied")

    with pytest.raises(StorageRefused):
        preview_file(PATH, chunks(), contract())


# ----------------------------------------------------------------------------------- files of this machine


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ALUR_LANDING_BUCKET", raising=False)
    files = {
        "contracts/orders.py": table("Orders", "s3://${LandingBucket}/orders/**/*.csv"),
        "contracts/items.py": table("OrderItems", "s3://${LandingBucket}/items/*.csv", more='trigger = "run"'),
    }
    yield make_project(tmp_path, monkeypatch, files)
    forget_project()


def write(project: Path, name: str, text: str | bytes) -> str:
    file = project / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


def test_a_file_that_would_be_completed_is_told_with_its_columns_rows_and_problems(project: Path):
    file = write(project, "orders_1.csv", "PRICE,id,more\n1.5,1,x\n,2,\ncheap,3,\n2.5,vier,\n" + '"4"5,5,\n')
    result = call("preview", file)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"{file}: {os.path.getsize(file)} bytes"
    assert lines[1] == "table orders (OrdersBronze)"
    assert "utf-8, not compressed; delimiter ',', quote '\"'; a header of 3 names" in lines[2]
    assert "carefully, because it has columns that the contract does not have" in lines[3]
    assert "│ id     │ bigint        │ cell 2, id    │" in lines
    assert "│ price  │ decimal(12,2) │ cell 1, PRICE │" in lines
    assert "not in the contract: more: kept in _rescued_data; declare a field for what is wanted" in lines
    rescued = "2 cells of 2 rows kept in _rescued_data, 1 of them of columns not in the contract"
    assert lines[-7:] == [
        f"5 records: 3 rows, 2 rejects; {rescued}",
        "rejects:",
        '  line 5: column id: not a whole number: "vier"',
        '  line 6: text behind a closing quote; a quote inside quotes is doubled: "\\"4\\"5,5,"',
        "rescued cells:",
        '  line 4: column price: not a decimal number: "cheap"',
        "verdict: completed with 3 rows and 2 rejects",
    ]


def test_null_is_shown_otherwise_than_the_empty_text_and_a_text_that_says_null(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    source = """
        from alur.contracts import BronzeTable, StringField

        class TextsBronze(BronzeTable):
            a = StringField()
            b = StringField()

            class Meta:
                source_path = "s3://x/texts/*"
                source_system = "shop"
    """
    make_project(project, monkeypatch, {"contracts/texts.py": source})
    file = write(project, "texts.csv", 'a,b\n,""\nnull,[red]x[/red]\n y,"z\n"\n')
    told = call("preview", file).stdout
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in told.splitlines() if line.startswith("│   ")]
    assert rows == [["2", "null", '""'], ["3", '"null"', "[red]x[/red]"], ["4", '" y"', '"z\\n"']]


def test_of_many_columns_each_row_is_shown_from_above_to_below(project: Path, monkeypatch: pytest.MonkeyPatch):
    names = [f"c{number}" for number in range(30)]
    fields = "\n            ".join(f"{name} = StringField()" for name in names)
    source = f"""
        from alur.contracts import BronzeTable, StringField

        class WideBronze(BronzeTable):
            {fields}

            class Meta:
                source_path = "s3://x/wide/*"
                source_system = "shop"
    """
    make_project(project, monkeypatch, {"contracts/wide.py": source})
    file = write(project, "wide.csv", ",".join(names) + "\n" + ",".join("x" * 30) + "\n")
    lines = call("preview", file, "--rows", "1").stdout.splitlines()
    at = lines.index("line 2")
    assert lines[at + 1 : at + 31] == [f"  {name:<3}  x" for name in names]


def test_a_file_that_would_fail_is_told_with_the_error_that_its_entry_would_have(project: Path):
    file = write(project, "orders.csv", "id;price\n1;2\n")
    result = call("preview", file)
    assert result.exit_code == 1
    last = result.stdout.splitlines()[-1]
    assert last.startswith(f"verdict: would fail: HeaderMismatch: {file}: the header breaks the contract (missing id")
    assert "is that Meta.delimiter?" in last
    rejects = call("preview", write(project, "orders.csv", "id,price\nx,1\n"))
    assert rejects.exit_code == 1
    assert "verdict: would fail: UnstorableRecords: " in rejects.stdout
    cut = call("preview", write(project, "orders.csv", b"id,price\n" + b"1,2\n" * 500_000 + b"\xff"))
    assert cut.exit_code == 1
    assert "the first 10 rows, as they were read" in cut.stdout
    assert "verdict: would fail: UnreadableFile: " in cut.stdout


def test_a_column_that_the_file_lacks_is_null_and_said_so(project: Path):
    lines = call("preview", write(project, "orders.csv", "id\n1\n")).stdout.splitlines()
    assert "│ price  │ decimal(12,2) │ not in the file: null in every row │" in lines
    assert "  read        plainly, many workers at once, unless a quoted cell goes over lines" in lines


def test_zstd_cannot_be_previewed_and_nothing_is_said_of_what_it_would_come_to(project: Path):
    result = call("preview", write(project, "orders.csv.zst", b"\x28\xb5\x2f\xfd" + bytes(20)))
    assert result.exit_code == 1
    assert "a zstd file cannot be previewed here; decompress it (zstd -d)" in result.stdout
    assert "would fail" not in result.stdout
    (told,) = json.loads(call("preview", write(project, "orders.zst", HEADER), "--json").stdout)["tables"]
    assert (told["would_complete"], told["error_type"]) == (None, None)
    # Under another name the job does not take it for zstd either, until it reads it.
    other = call("preview", write(project, "orders.csv", b"\x28\xb5\x2f\xfd" + bytes(20)))
    assert (other.exit_code, "verdict: would fail: UnreadableFile: " in other.stdout) == (1, True)


def test_json_has_everything(project: Path):
    file = write(project, "orders.csv", "price,id,more\n1.5,1,x\ncheap,2,\n,y,\n")
    told = json.loads(call("preview", file, "--json", "--rows", "1").stdout)
    (one,) = told["tables"]
    assert told["file_path"] == file
    assert (one["table"], one["encoding"], one["compression"]) == ("orders", "utf-8", None)
    assert [(column["name"], column["position"]) for column in one["columns"]] == [("id", 1), ("price", 0)]
    assert one["extra_columns"] == [{"position": 2, "name": "more"}]
    assert (one["records"], one["rows"], one["rejects"], one["rescued_cells"]) == (3, 2, 1, 2)
    assert one["first_rows"][0]["values"] == {"id": 1, "price": "1.50"}
    assert one["first_rejects"] == [{"line": 4, "column": "id", "reason": 'not a whole number: "y"', "record": ",y,"}]
    assert one["first_rescued"] == [{"line": 3, "column": "price", "text": "cheap", "reason": "not a decimal number"}]
    assert (one["would_complete"], one["error_type"], one["error_message"]) == (True, None, None)
    failed = json.loads(call("preview", write(project, "orders.csv", ""), "--json").stdout)["tables"][0]
    assert (failed["would_complete"], failed["error_type"]) == (False, "EmptyFile")


def test_which_table_a_file_is_for_is_said_or_told_by_its_name(project: Path):
    for name, key in (
        ("orders_2024.csv", "orders"),
        ("order-items.csv", "order_items"),
        ("orders/2024/x.csv", "orders"),
        ("items/x.csv", "order_items"),
    ):
        told = json.loads(call("preview", write(project, name, HEADER), "--json").stdout)
        assert [one["table"] for one in told["tables"]] == [key], name
    unclear = call("preview", write(project, "x.csv", HEADER))
    assert unclear.exit_code == 2
    assert "--table" in unclear.stderr
    assert "orders (OrdersBronze)" in unclear.stderr
    said = call("preview", write(project, "x.csv", HEADER), "--table", "OrderItemsBronze")
    assert (said.exit_code, "table order_items (OrderItemsBronze)" in said.stdout) == (0, True)
    assert "the next `alur run` does" in said.stdout
    assert call("preview", write(project, "x.csv", HEADER), "--table", "nobody").exit_code == 2


def test_the_only_table_is_every_files():
    only = contract()
    assert tables_meant("anything.bin", [only]) == [only]
    assert tables_meant("anything.bin", []) == []


def test_what_is_no_file_is_wrong_usage_and_what_may_not_be_read_is_no_access(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    assert call("preview", str(project / "nobody.csv")).exit_code == 2
    assert call("preview", str(project)).exit_code == 2
    file = write(project, "orders.csv", HEADER)

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    result = call("preview", file)
    assert result.exit_code == 3
    assert f"{file}: it cannot be read: Permission denied" in result.stderr


def test_a_module_that_cannot_be_imported_is_named_and_does_not_hide_the_others(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    make_project(project, monkeypatch, {"contracts/broken.py": "raise ValueError('no')"})
    result = call("preview", write(project, "orders.csv", HEADER))
    assert result.exit_code == 0
    assert "not looked at: contracts.broken" in result.stderr


def test_values_that_json_has_not_are_texts(project: Path, monkeypatch: pytest.MonkeyPatch):
    source = """
        from alur.contracts import BooleanField, BronzeTable, DoubleField, TimestampField

        class ThingsBronze(BronzeTable):
            a = DoubleField()
            b = TimestampField()
            c = BooleanField()

            class Meta:
                source_path = "s3://x/things/*"
                source_system = "shop"
    """
    make_project(project, monkeypatch, {"contracts/things.py": source})
    file = write(project, "things.csv", "a,b,c\nNaN,2024-01-01 10:00:00.5,true\n")
    (row,) = json.loads(call("preview", file, "--json").stdout)["tables"][0]["first_rows"]
    assert row["values"] == {"a": "nan", "b": "2024-01-01 10:00:00.500000+00:00", "c": True}
    assert "2024-01-01 10:00:00.500000 UTC" in call("preview", file).stdout


def test_neither_spark_nor_pyarrow_is_imported(project: Path):
    file = write(project, "orders.csv", HEADER)
    program = (
        "import sys; sys.path.insert(0, 'src')\nfrom alur.cli import main\n"
        f"try:\n    main(['preview', {file!r}])\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert 'pyspark' not in sys.modules and 'py4j' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------------------ files in S3


@pytest.mark.stack
def test_an_object_is_previewed_for_each_table_whose_contract_means_it(place: Place):
    place.world.contracts.append(
        replace(contract({"a": LongField()}), ingestion_key="numbers", source_paths=(place.path("orders/*.csv"),))
    )
    place.world.put("orders/a.csv", b"a\nx\n")
    result = place.call("preview", place.path("orders/a.csv"))
    assert result.exit_code == 0
    told = place.json("preview", place.path("orders/a.csv"))
    assert [(one["table"], one["rows"], one["rescued_cells"]) for one in told["tables"]] == [
        ("orders", 1, 0),
        ("numbers", 1, 1),
    ]
    assert place.messages() == []
    assert place.world.item("orders/a.csv", "orders") is None


@pytest.mark.stack
def test_an_object_that_no_contract_means_would_come_to_nothing(place: Place):
    place.world.put("else/a.csv", b"a\nx\n")
    result = place.call("preview", place.path("else/a.csv"))
    assert result.exit_code == 1
    assert "no contract claims it" in result.stderr
    said = place.call("preview", place.path("else/a.csv"), "--table", "orders")
    assert said.exit_code == 0
    assert "no glob of it means this file: it would not be ingested" in said.stdout


@pytest.mark.stack
def test_an_object_that_is_not_there_is_exit_1_and_one_that_may_not_be_read_3(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    missing = place.call("preview", place.path("orders/nobody.csv"))
    assert missing.exit_code == 1
    assert "there is no such object" in missing.stderr
    bucket = place.world.landing

    def refuse(*_: Any) -> Any:
        raise StorageRefused("HeadObject", f"s3://{bucket}/orders/a.csv", "AccessDenied")

    monkeypatch.setattr("alur.aws.storage.Storage.head", refuse)
    assert place.call("preview", place.path("orders/a.csv")).exit_code == 3


@pytest.mark.stack
def test_a_table_that_only_runs_take_files_into_says_so(place: Place):
    place.set_contract("orders", trigger=Trigger.RUN)
    place.world.put("orders/a.csv", b"a\nx\n")
    assert "the next `alur run` does" in place.call("preview", place.path("orders/a.csv")).stdout
