"""Files that are no files of this table at all, or mean harm: each fails by name, in time, and costs no neighbour."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from random import Random

import pytest
from workbench import Workbench, contract_of, rows_of

from alur.contracts import DecimalField, LongField, StringField
from alur.contracts.contract import Contract
from alur.delimited import records
from alur.ledger.batches import BatchState
from csv_support import by_definition, by_job, contract_without_tables

pytestmark = [pytest.mark.spark, pytest.mark.stack]

HEADER = b"id,name,amount\n"
FIELDS = {"id": LongField(nullable=False), "name": StringField(), "amount": DecimalField(12, 2)}
MB = 1024 * 1024


def bomb(piece: bytes, pieces: int) -> bytes:
    """Return gzip that holds a megabyte many times over."""
    body = io.BytesIO()
    with gzip.GzipFile(fileobj=body, mode="wb", mtime=0, compresslevel=1) as packed:
        packed.write(HEADER)
        for _ in range(pieces):
            packed.write(piece)
    return body.getvalue()


def harmful() -> dict[str, tuple[bytes, str, str]]:
    """Return bodies, with the error that each is to fail with and what the message is to say."""
    random = Random("harmful")
    rows = rows_of(*range(20_000))
    packed = gzip.compress(rows, mtime=0)
    million = 1_000_000
    line = b"1," + b"a" * 500 + b",1\n"
    return {
        "random_bytes.csv": (random.randbytes(200_000), "UnreadableFile", "is not utf-8"),
        "random_bytes.csv.gz": (b"\x1f\x8b\x08\x00" + random.randbytes(200_000), "UnreadableFile", "is corrupt"),
        "truncated.csv.gz": (packed[: len(packed) // 2], "UnreadableFile", "ends too early"),
        "flipped.csv.gz": (
            packed[:9_000] + bytes([packed[9_000] ^ 0x55]) + packed[9_001:],
            "UnreadableFile",
            "corrupt",
        ),
        "bomb_of_zeros.csv.gz": (bomb(bytes(MB), 200), "UnreadableFile", "more than 10 MB, decompressed"),
        "bomb_of_lines.csv.gz": (
            bomb(line * (MB // len(line)), 200),
            "UnreadableFile",
            "more than 10 MB, decompressed",
        ),
        "line_of_100_mb.csv": (HEADER + b"1," + b"x" * (100 * MB) + b",1\n", "UnreadableFile", "longer than 16 MB"),
        "million_columns.csv": (
            b",".join(b"c%d" % n for n in range(million)) + b"\n",
            "UnreadableFile",
            "line 1: the header",
        ),
        "million_unnamed_columns.csv": (b"," * million + b"\n1\n", "UnreadableFile", "line 1: the header"),
        "million_cells.csv": (HEADER + b"1" + b"," * million + b"\n", "UnstorableRecords", "more than 10,000 cells"),
        "quotes_of_10_mb.csv": (HEADER + b'"' * (10 * MB), "UnstorableRecords", "not a whole number"),
        "nothing_but_nul.csv": (bytes(100_000), "EmptyFile", "the file is empty"),
    }


@pytest.mark.timeout(300)
def test_a_harmful_file_fails_by_name_and_in_time_and_its_neighbours_complete(
    bench_for: Callable[[Contract], Workbench],
):
    bench = bench_for(contract_of(FIELDS, max_uncompressed_mb=10))
    bodies = harmful()
    for name, (body, _, _) in bodies.items():
        bench.put(name, body)
    bench.put("good.csv", rows_of(1, 2, 3))
    bench.put("doubled_quotes_of_2_mb.csv", HEADER + b'1,"' + b'""' * MB + b'",1.50\n')
    batch = bench.ingest(*bodies, "good.csv", "doubled_quotes_of_2_mb.csv")
    assert bench.batch_state(batch) is BatchState.CLOSED
    assert {name: bench.state(name) for name in bodies} == {
        name: ("failed", error) for name, (_, error, _) in bodies.items()
    }
    for name, (_, _, message) in bodies.items():
        told = bench.attributes(name)["error_message"]
        assert bench.path(name) in told
        assert message in told, name
        assert len(told) < 10_000, name
    assert bench.rows() == {"good.csv": 3, "doubled_quotes_of_2_mb.csv": 1}
    assert bench.values("name", "doubled_quotes_of_2_mb.csv") == ['"' * MB]
    assert bench.rejects() == []


def test_random_bytes_of_any_kind_come_to_what_the_definition_says(bench_for: Callable[[Contract], Workbench]):
    random = Random("bytes")
    bench = bench_for(contract_of(FIELDS))
    files: dict[str, bytes] = {}
    for number in range(60):
        body = bytearray(rows_of(*range(random.randrange(1, 6))))
        kind = number % 4
        if kind == 0:
            body = bytearray(random.randbytes(random.randrange(1, 300)))
        elif kind == 1:
            for _ in range(random.randrange(1, 4)):
                body[random.randrange(len(body))] = random.randrange(256)
        elif kind == 2:
            place = random.randrange(len(body))
            body[place:place] = random.choice(
                (b'"', b"\0", b"\xff", b"\xc3", b"\r", b"\x85", b",", b'""', b"\xef\xbf\xbd")
            )
        else:
            del body[random.randrange(len(body)) :]
        files[f"{number:02d}.csv{'.gz' if number % 7 == 0 else ''}"] = bytes(body)
    for name, body in files.items():
        bench.put(name, body)
    batch = bench.ingest(*files)
    assert bench.batch_state(batch) is BatchState.CLOSED
    found = by_job(bench, list(files))
    defined = {name: by_definition(bench.path(name), body, bench.contract) for name, body in files.items()}
    assert {files[name]: (found[name], defined[name]) for name in files if found[name] != defined[name]} == {}


def test_quotes_that_are_left_open_again_and_again_end_the_reading(monkeypatch: pytest.MonkeyPatch):
    # What is closed on one line is opened again on it: every line would be read together with all behind it.
    monkeypatch.setattr(records, "_MOST_READ_AGAIN", 8 * MB)
    outcome = by_definition("a.csv", HEADER + b'x","\n' * 100_000, contract_without_tables(FIELDS))
    assert outcome.error is not None
    assert outcome.error[0] == "UnreadableFile"
    assert "line 18: quotes are left open again and again" in outcome.error[1]
