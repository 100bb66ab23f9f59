"""Files that cannot be ingested fail by name and cost no neighbour; keys of every kind are read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import pytest
from workbench import LANDING, Workbench, contract_of, make_contract, once_before, rows_of

from alur.contracts import BooleanField, LongField, StringField
from alur.contracts.contract import Contract
from alur.engine.iceberg import IcebergTable
from alur.ingestion.naming import needs_copy
from alur.ledger.batches import BatchState

pytestmark = [pytest.mark.spark, pytest.mark.stack]

HEADER = b"id,name,amount\n"

BAD_FILES: dict[str, tuple[bytes, str, str]] = {
    "missing_column.csv": (b"name,amount\na,1\n", "HeaderMismatch", "missing id"),
    "no_header.csv": (b"1,a,1\n2,b,2\n", "HeaderMismatch", "found 1,a,1"),
    "semicolon.csv": (b"id;name;amount\n1;a;1\n", "HeaderMismatch", "Meta.delimiter"),
    "empty.csv": (b"", "EmptyFile", "empty"),
    "newlines.csv": (b"\n\n", "EmptyFile", "empty"),
    "latin1.csv": (HEADER + "1,Müller,1\n".encode("latin-1"), "UnreadableFile", "windows-1252"),
    "gzip_cut.csv.gz": (gzip.compress(rows_of(*range(99)))[:-9], "UnreadableFile", "gzip"),
    "none_left.csv": (HEADER + b"x,a,1\n,b,2\n", "UnstorableRecords", "2 of 2 records"),
    "changed_since.csv": (rows_of(1), "FileChanged", "the object changed"),
    "vanished_since.csv": (rows_of(1), "FileVanished", "not in the bucket any more"),
    "changed_meanwhile.csv": (rows_of(1, 2), "FileChanged", "the object changed"),
    "vanished_meanwhile.csv": (rows_of(1, 2, 3), "FileVanished", "not in the bucket any more"),
}

TRANSIENT = {"FileChanged"}

GOOD_FILES: dict[str, tuple[bytes, int]] = {
    # The same bytes uploaded while they are read: read once more in the same run.
    "rewritten_meanwhile.csv": (rows_of(1, 2), 2),
    "plain.csv": (rows_of(1, 2, 3), 3),
    "header_only.csv": (HEADER, 0),
    "header_without_newline.csv": (HEADER.rstrip(), 0),
    "bom.csv": (b"\xef\xbb\xbf" + rows_of(1, 2), 2),
    "crlf.csv": (rows_of(1, 2).replace(b"\n", b"\r\n"), 2),
    "no_last_newline.csv": (rows_of(1, 2).rstrip(), 2),
    "blank_lines.csv": (HEADER + b"\n1,a,1\n\n2,b,2\n\n", 2),
    "other_case.csv": (b"ID,Name,AMOUNT\n1,a,1\n", 1),
    "other_order.csv": (b"name,id,amount\na,1,1\nb,2,2\n", 2),
    "other_order_too.csv": (b"name,id,amount\na,1,1\n", 1),
    "nullable_missing.csv": (b"id,name\n1,a\n", 1),
    "extra_column.csv": (b"id,name,note,amount\n1,a,more,1\n", 1),
    "utf16.csv": ("id,name,amount\n1,a,1\n".encode("utf-16"), 1),
    "mixed_line_ends.csv": (b"id,name,amount\n1,a,1\r\n2,b,2\r3,c,3\n", 3),
    "gzip.csv.gz": (gzip.compress(rows_of(1, 2, 3)), 3),
    "gzip_unnamed.csv": (gzip.compress(rows_of(1, 2)), 2),
    "required_missing.csv": (HEADER + b"1,a,1\n,b,2\n", 1),
    "no_number.csv": (HEADER + b"1,a,1\nx,b,2\ny,c,3\n", 1),
    "too_few_cells.csv": (HEADER + b"1,a,1\n2,b\n", 2),
    "too_many_cells.csv": (HEADER + b"1,a,1\n2,b,2,more\n", 2),
    "too_many_digits.csv": (HEADER + b"1,a,1.239\n", 1),
    "open_quote.csv": (HEADER + b'1,"a,1\n2,b,2\n3,c,3\n', 2),
    "quoted.csv": (HEADER + b'"1","a, ""b""\nc","2.50"\n2,"",\n', 2),
}


REJECTS: dict[str, list[tuple[int, str, str | None]]] = {
    "required_missing.csv": [(3, ",b,2", "id")],
    "no_number.csv": [(3, "x,b,2", "id"), (4, "y,c,3", "id")],
    "open_quote.csv": [(2, '1,"a,1', None)],
}

RESCUED = {
    "extra_column.csv": {"columns": {"note": {"text": "more", "reason": "no column of the contract"}}},
    "too_few_cells.csv": {"missing_cells": 1},
    "too_many_cells.csv": {"surplus": ["more"]},
    "too_many_digits.csv": {"columns": {"amount": {"text": "1.239", "reason": "more than 2 digits behind the point"}}},
}


def test_each_bad_file_fails_by_name_and_its_neighbours_complete(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    for name, (body, _, _) in BAD_FILES.items():
        bench.put(name, body)
    for name, (body, _) in GOOD_FILES.items():
        bench.put(name, body)
    batch = bench.claim(*BAD_FILES, *GOOD_FILES)
    bench.put("changed_since.csv", rows_of(8, 9))
    bench.delete("vanished_since.csv")

    def meanwhile() -> None:
        bench.put("changed_meanwhile.csv", rows_of(8, 9))
        bench.delete("vanished_meanwhile.csv")
        # The same bytes again: only the date tells; moto dates to the second.
        _rewrite_at_another_second(bench, "rewritten_meanwhile.csv")

    once_before(monkeypatch, IcebergTable, "staged", meanwhile)
    assert bench.run(batch)

    assert {name: bench.state(name) for name in BAD_FILES} == {
        name: ("failed", error) for name, (_, error, _) in BAD_FILES.items()
    }
    for name, (_, error, words) in BAD_FILES.items():
        item = bench.attributes(name)
        assert words in item["error_message"], name
        assert item["error_message"].startswith(bench.path(name)), name
        assert item["error_is_permanent"] is (error not in TRANSIENT), name
        assert "rows_ingested" not in item, name
    assert {name: bench.state(name) for name in GOOD_FILES} == {
        name: ("completed", rows) for name, (_, rows) in GOOD_FILES.items()
    }
    assert bench.rows() == {name: rows for name, (_, rows) in GOOD_FILES.items() if rows}
    assert bench.values("coalesce(name, 'null')", "quoted.csv") == ["", 'a, "b"\nc']
    assert bench.values("id", "other_order.csv") == [1, 2]
    rejects: dict[str, list[tuple[int, str, str | None]]] = {}
    for name, *reject, _ in bench.rejects():
        rejects.setdefault(name, []).append((reject[0], reject[1], reject[2]))
    assert rejects == REJECTS
    assert {name: bench.attributes(name)["rows_rejected"] for name in GOOD_FILES} == {
        name: len(REJECTS.get(name, ())) for name in GOOD_FILES
    }
    rescued = {
        row[0].removeprefix(bench.path("")): json.loads(row[1])
        for row in bench.spark.sql(
            f"SELECT _source_file, _rescued_data FROM {bench.table_name} WHERE _rescued_data IS NOT NULL"
        ).collect()
    }
    assert rescued == RESCUED
    assert bench.published() == [batch.batch_id, batch.batch_id]
    # What changed is to be tried again: somebody has to come back to this batch.
    assert bench.batch_state(batch) is BatchState.READY
    first, second = (bench.storage.get_document(uri)["files"] for uri in bench.record_uris(batch))
    verdicts = {file["path"]: (file["verdict"], file["rows"]) for file in [*first, *second]}
    assert verdicts == {bench.path(name): (error, 0) for name, (_, error, _) in BAD_FILES.items()} | {
        bench.path(name): ("published", rows) for name, (_, rows) in GOOD_FILES.items()
    }
    assert [file["path"] for file in second] == [bench.path("rewritten_meanwhile.csv")]
    assert bench.branches() == ["main"]


def _rewrite_at_another_second(bench: Workbench, name: str) -> None:
    before = bench.version(name).last_modified
    for _ in range(1_000):
        bench.put(name, GOOD_FILES[name][0])
        if bench.version(name).last_modified != before:
            return
    pytest.fail("the clock stands still")


KEYS = (
    "a b.csv",
    "a+b.csv",
    "a%20b.csv",
    "100%.csv",
    "a[1].csv",
    "a1.csv",
    "{x,y}.csv",
    "x.csv",
    "q?.csv",
    "qq.csv",
    "star*.csv",
    "_hidden.csv",
    ".dot.csv",
    "k//double.csv",
    "_folder/x.csv",
    "Grüße-注文-🛒.csv",
    "trailing space.csv ",
    "hash#tag.csv",
    "c:olon.csv",
    "e=quals.csv",
    "year=2024/month=01/a.csv",
    "year=2024/id=7.csv",
    "name=other/b.csv",
    "quo'te\".csv",
    "back\\slash.csv",
    "semi;and&tilde~,comma.csv",
    "./dot.csv",
    "up/../x.csv",
    "no_extension",
    "tab\there.csv",
    "UPPER.CSV",
    "plain.csv._COPYING_",
)


def test_a_key_of_any_kind_is_read_under_its_own_name(bench: Workbench):
    for number, key in enumerate(KEYS):
        # Each file has a number of rows of its own kind, so that one file's rows cannot pass for another's.
        bench.put(key, rows_of(*range(number * 100, number * 100 + 1 + number % 3), name=f"n{number}"))
    batch = bench.ingest(*KEYS)
    assert {key: bench.state(key) for key in KEYS} == {
        key: ("completed", 1 + number % 3) for number, key in enumerate(KEYS)
    }
    assert bench.rows() == {key: 1 + number % 3 for number, key in enumerate(KEYS)}
    found = bench.spark.sql(f"SELECT DISTINCT _source_file, name FROM {bench.table_name}").collect()
    assert {row[0]: row[1] for row in found} == {bench.path(key): f"n{number}" for number, key in enumerate(KEYS)}
    assert bench.batch_state(batch) is BatchState.CLOSED
    assert any(needs_copy(key) for key in KEYS)


def test_a_zstd_file_is_unpacked_within_its_limit(bench_for: Callable[[Contract], Workbench]):
    bench = bench_for(make_contract(max_uncompressed_mb=1))
    compress = bench.spark._jvm.com.github.luben.zstd.Zstd.compress
    packed = {
        "good.csv.zst": bytes(compress(rows_of(1, 2) + b"x,a,1\n")),
        "bomb.csv.zst": bytes(compress(rows_of(1) + b"2,y,1\n" * 200_000)),
        "cut.csv.zst": bytes(compress(rows_of(*range(99))))[:-9],
        "unnamed.csv": bytes(compress(rows_of(1))),
    }
    for name, body in packed.items():
        bench.put(name, body)
    bench.ingest(*packed)
    assert bench.rows() == {"good.csv.zst": 2}
    assert [reject[:3] for reject in bench.rejects()] == [("good.csv.zst", 4, "x,a,1")]
    for name, words in (("bomb", "max_uncompressed_mb"), ("cut", "cannot be unpacked"), ("unnamed", "name it .zst")):
        (key,) = (key for key in packed if key.startswith(name))
        assert bench.state(key) == ("failed", "UnreadableFile"), key
        assert words in bench.attributes(key)["error_message"], key


def test_a_foreign_file_in_the_folder_harms_nobody(bench: Workbench):
    bench.put("own.csv", rows_of(1, 2))
    bench.put("own_too.csv", rows_of(3))
    bench.put("foreign.csv", b"something,else\n\xff\xfe\x00\n")
    bench.ingest("own.csv", "own_too.csv")
    assert bench.rows() == {"own.csv": 2, "own_too.csv": 1}


def test_more_files_than_an_in_list_may_hold_are_looked_for_each(bench: Workbench):
    names = [f"many/{number:03d}.csv" for number in range(230)]
    for number, name in enumerate(names):
        bench.put(name, rows_of(number))
    batch = bench.ingest(*names)
    assert bench.rows() == dict.fromkeys(names, 1)
    assert all(bench.state(name) == ("completed", 1) for name in names[::40])
    found = bench.table.look(bench.table.head().snapshot_id, [bench.path(name) for name in [*names, "gone.csv"]])
    assert {path: [(rows.batch_id, rows.rows) for rows in versions] for path, versions in found.items()} == {
        bench.path(name): [(batch.batch_id, 1)] for name in names
    }
    history = bench.history()
    assert bench.again(batch)
    assert bench.history() == history


def test_a_batch_may_hold_files_of_two_buckets_and_many_folders(bench: Workbench):
    other = f"{LANDING}-other"
    bench.s3.create_bucket(Bucket=other)
    bench.put("one/a.csv", rows_of(1))
    bench.put("one/b.csv", rows_of(2))
    bench.put("two/a.csv", rows_of(3))
    bench.bucket = other
    bench.put("one/a.csv", rows_of(4, 5))
    elsewhere = bench.version("one/a.csv")
    bench.bucket = LANDING
    assert bench.run(bench.claim("one/a.csv", "one/b.csv", "two/a.csv", versions=[elsewhere]))
    assert bench.rows() == {"one/a.csv": 1, "one/b.csv": 1, "two/a.csv": 1, elsewhere.path: 2}


def test_null_tokens_and_quoted_empty_cells_mean_what_the_contract_says(
    bench_for: Callable[[Contract], Workbench],
):
    fields = {"id": LongField(nullable=False), "name": StringField(), "flag": BooleanField()}
    bench = bench_for(contract_of(fields, null_values=["NA"]))
    bench.put("a.csv", b'id,name,flag\n1,NA,NA\n2,"",""\n3,,\n4,"NA",yes\n')
    bench.put("required.csv", b"id,name,flag\nNA,x,no\n")
    bench.ingest("a.csv", "required.csv")
    rows = bench.spark.sql(f"SELECT id, name, flag FROM {bench.table_name} ORDER BY id").collect()
    assert [tuple(row) for row in rows] == [(1, None, None), (2, "", None), (3, None, None), (4, None, True)]
    assert bench.state("required.csv") == ("failed", "UnstorableRecords")


def test_bytes_that_are_not_utf8_fail_their_file_whatever_stands_beside_it(bench: Workbench):
    bench.put("latin.csv", "id,name,amount\n1,Müller,1.50\n2,Meier,2.50\n".encode("latin-1"))
    bench.put("good.csv", rows_of(3, name="Müller"))
    bench.ingest("latin.csv", "good.csv")
    assert bench.state("latin.csv") == ("failed", "UnreadableFile")
    assert "line 2, byte 18: 0xFC is not utf-8" in bench.attributes("latin.csv")["error_message"]
    assert bench.state("good.csv") == ("completed", 1)
    assert bench.rows() == {"good.csv": 1}
