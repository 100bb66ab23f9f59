"""The job against plain Spark on the same 365 files, warm, in one run: `make bench`.

Only the ratios mean anything: machines differ, and this one does other things. The peers do less: they read the files
into an Iceberg table without claims, verdicts, counts by file, or any protection against a second run.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from workbench import LANDING, Workbench, make_servers

from alur.contracts import load_contracts
from alur.local.children import Children
from alur.local.dynamodb_server import dynamodb_server
from alur.local.environment import Endpoints
from alur.local.flights import write_daily_files
from alur.local.moto_server import moto_server
from alur.local.paths import find_paths
from spark_session import start_session, stop_session

ROUNDS = 3


def seconds(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def main() -> int:
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
        files = write_daily_files(scratch)
        print(f"{len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.0f} MB, {ROUNDS} rounds")
        typed = ", ".join(f"`{field.name}` {field.spark_type}" for field in contract.fields)
        taken: dict[str, list[float]] = {"the job": [], "plain, the folder": [], "plain, a list of files": []}
        for number in range(ROUNDS + 1):
            folder = f"round{number}/"
            names = [f"{folder}{file.name}" for file in files]
            for name, file in zip(names, files, strict=True):
                bench.put(name, file.read_bytes())
            batch = bench.claim(*names)
            plain = spark.read.schema(typed).option("header", "true").option("nullValue", "NA")
            where = {
                "plain, the folder": [bench.path(folder)],
                "plain, a list of files": [bench.path(name) for name in names],
            }
            round_taken = {"the job": seconds(lambda: bench.run(batch))}  # noqa: B023 - called at once
            for peer, read in where.items():
                table = f"{bench.table_name}_plain{list(where).index(peer)}_{number}"
                round_taken[peer] = seconds(
                    lambda: plain.csv(read).writeTo(table).using("iceberg").create()  # noqa: B023 - called at once
                )
            # The first round warms the JVM up.
            if number:
                for name, took in round_taken.items():
                    taken[name].append(took)
    base = statistics.median(taken["plain, the folder"])
    for name, values in taken.items():
        middle = statistics.median(values)
        print(f"{name:<24} {middle:6.1f} s   {middle / base:4.1f} times plain Spark on the folder")
    return 0


if __name__ == "__main__":
    sys.exit(main())
