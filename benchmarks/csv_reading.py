"""What exact counts, rescue and rejects cost over a plain typed read of the same files, warm, in one run: `make bench`.

    PYTHONPATH=tests:tests/engine python benchmarks/csv_reading.py

The peer reads with types and appends to an Iceberg table: it counts nothing, and what does not parse is null. Only the
ratios mean anything: machines differ, and this one does other things.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench import LANDING, Workbench, make_servers

from alur.clock import utc_now
from alur.contracts import load_contracts
from alur.ingestion.headings import expected_heading
from alur.ingestion.naming import Source
from alur.local.children import Children
from alur.local.dynamodb_server import dynamodb_server
from alur.local.environment import Endpoints
from alur.local.flights import write_daily_files
from alur.local.moto_server import moto_server
from alur.local.paths import find_paths
from spark_session import start_session, stop_session

ROUNDS = 3
WARM_UP_ROUNDS = 2


def seconds(act: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


class Reads:
    """The same files, read in several ways onto branches of one table."""

    def __init__(self, bench: Workbench, names: Sequence[str], folder: str) -> None:
        self.bench = bench
        self.tables = bench.open_tables()
        self.sources = [Source(bench.version(name), bench.path(name)) for name in names]
        self.folder = folder
        self.number = 0

    def peer(self) -> None:
        """Read with types, and append."""
        self._on_branch(lambda branch: self._typed({}).writeTo(f"{self.bench.table_name}.branch_{branch}").append())

    def peer_with_records(self) -> None:
        """The same, with the records that do not parse."""
        more = {"columnNameOfCorruptRecord": "_rescued_data"}
        self._on_branch(lambda branch: self._typed(more).writeTo(f"{self.bench.table_name}.branch_{branch}").append())

    def plainly(self) -> None:
        """As the job reads files whose lines are all plain: append, then count by file."""

        def read(branch: str) -> None:
            self.tables.reader.append(
                branch,
                self.sources,
                heading=expected_heading(self.bench.contract),
                whole_folders={self.bench.path(self.folder)},
                batch_id="benchmark",
                now=utc_now(),
            )
            staged = self.tables.bronze.staged(branch, "benchmark")
            assert not any(count.unclear for count in staged.values())

        self._on_branch(read)

    def carefully(self) -> None:
        """As the job reads files with a line that is not plain: find, count, append."""

        def read(branch: str) -> None:
            careful = self.tables.reader.read_carefully(self.sources, batch_id="benchmark", now=utc_now())
            careful.append_rows(branch, [path for path, count in careful.counted.items() if count.rows])
            careful.close()

        self._on_branch(read)

    def _typed(self, options: dict[str, str]):
        contract = self.bench.contract
        fields = [f"`{field.name}` {field.spark_type}" for field in contract.fields]
        if options:
            fields.append("_rescued_data string")
        reader = self.bench.spark.read.schema(", ".join(fields)).options(**options)
        rows = reader.option("header", "true").option("nullValue", "NA").csv(self.bench.path(self.folder))
        own = ["_ingested_at", "_source_system", "_source_file", "_source_etag", "_batch_id"]
        own += [] if options else ["_rescued_data"]
        nulls = [f"CAST(NULL AS {'timestamp' if name == '_ingested_at' else 'string'}) AS {name}" for name in own]
        columns = [f"`{name}`" for name in contract.column_names]
        return rows.selectExpr(*columns, *nulls, *(["_rescued_data"] if options else []))

    def _on_branch(self, act: Callable[[str], object]) -> None:
        self.number += 1
        branch = f"alur_bench_{self.number}"
        table = self.tables.bronze
        table.create_branch(branch, table.head().snapshot_id)
        act(branch)
        table.drop_branch(branch)


def main() -> int:
    """Measure, and print a table."""
    with contextlib.ExitStack() as ending:
        scratch = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        children = Children(scratch / "children.json")
        ending.callback(children.close)
        paths = find_paths()
        endpoints = Endpoints(
            ending.enter_context(moto_server()),
            ending.enter_context(dynamodb_server(paths, children, scratch / "dynamodb.log", dict(os.environ))),
        )
        spark = start_session(endpoints, paths, scratch)
        ending.callback(stop_session)
        (contract,) = (c for c in load_contracts(variables={"LandingBucket": LANDING}) if c.ingestion_key == "flights")
        bench = Workbench(spark, make_servers(endpoints), contract)
        daily = write_daily_files(scratch)
        header, _, _ = daily[0].read_bytes().partition(b"\n")
        whole = header + b"\n" + b"".join(file.read_bytes().partition(b"\n")[2] for file in daily)
        bench.put("one/all.csv", whole)
        for file in daily:
            bench.put(f"many/{file.name}", file.read_bytes())
        groups = {
            f"one file of {len(whole) / 1e6:.0f} MB": Reads(bench, ["one/all.csv"], "one/"),
            f"the same in {len(daily)} files": Reads(bench, [f"many/{file.name}" for file in daily], "many/"),
        }
        for name, reads in groups.items():
            ways = {
                "plain typed read": reads.peer,
                "the same with _corrupt_record": reads.peer_with_records,
                "Alur, plain lines": reads.plainly,
                "Alur, record by record": reads.carefully,
            }
            taken: dict[str, list[float]] = {way: [] for way in ways}
            for number in range(WARM_UP_ROUNDS + ROUNDS):
                for way, act in ways.items():
                    took = seconds(act)
                    if number >= WARM_UP_ROUNDS:
                        taken[way].append(took)
            base = statistics.median(taken["plain typed read"])
            print(f"{name}, {ROUNDS} rounds")
            for way, values in taken.items():
                middle = statistics.median(values)
                print(f"  {way:<32} {middle:6.1f} s   {middle / base:4.1f} times the plain typed read")
    return 0


if __name__ == "__main__":
    sys.exit(main())
