"""What looking costs where nothing is new: `load_to_bronze` over 1,000 known files, against listing them alone.

    python benchmarks/none_new.py

Both in one warm session, in turn, against the same local servers; the medians of several rounds, and their difference.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from session_bench import SessionBench, make_target
from workbench import make_servers, rows_of

from alur.ingestion.sources import list_sources
from alur.local.children import Children
from alur.local.dynamodb_server import dynamodb_server
from alur.local.environment import Endpoints
from alur.local.moto_server import moto_server
from alur.local.paths import find_paths
from spark_session import start_session, stop_session

FILES = 1000
ROUNDS = 15


def main() -> None:
    """Measure, and print a table."""
    import os

    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        children = Children(directory / "children.json")
        try:
            with (
                moto_server() as aws,
                dynamodb_server(find_paths(), children, directory / "dynamodb.log", dict(os.environ)) as dynamodb,
            ):
                _measure(Endpoints(aws, dynamodb), directory)
        finally:
            children.close()


def _measure(endpoints: Endpoints, directory: Path) -> None:
    spark = start_session(endpoints, find_paths(), directory)
    try:
        bench = SessionBench(spark, make_servers(endpoints), make_target())
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: bench.put(f"{number:04d}.csv", rows_of(number)), range(FILES)))
        written = bench.run_once(validate=False)
        print(f"{written.files} files ingested once; now nothing is new")
        storage, globs = bench.adapter.place.storage, [bench.glob()]
        alone: list[float] = []
        whole: list[float] = []
        for _ in range(ROUNDS):
            alone.append(_seconds(lambda: sum(len(page.objects) for page in list_sources(storage, globs))))
            whole.append(_seconds(bench.load))
        listing, loading = statistics.median(alone), statistics.median(whole)
        print(f"listing {FILES} files alone       {listing * 1000:8.0f} ms")
        print(f"load_to_bronze, nothing new   {loading * 1000:8.0f} ms")
        print(
            f"what it costs more            {(loading - listing) * 1000:8.0f} ms, {loading / listing:.1f} times listing"
        )
    finally:
        stop_session()


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
