"""The room as a whole: what it exports and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import alur
import alur.contracts

HEAVY = ("boto3", "botocore", "pyspark", "py4j", "wcmatch", "typing_extensions", "aws_lambda_powertools", "difflib")


def test_every_exported_name_is_there_and_sorted():
    assert alur.contracts.__all__ == sorted(alur.contracts.__all__)
    assert all(hasattr(alur.contracts, name) for name in alur.contracts.__all__)


def test_every_public_name_of_the_package_is_exported():
    submodules = {"contract", "dialect", "fields", "formats", "globs", "loading", "overlaps", "partitions", "routing"}
    submodules |= {"table", "annotations", "evolution"}
    public = {name for name in vars(alur.contracts) if not name.startswith("_")} - submodules
    assert public == set(alur.contracts.__all__)


def test_the_library_says_that_it_is_typed():
    assert (Path(alur.__path__[0]) / "py.typed").exists()


def test_importing_contracts_brings_in_the_standard_library_only():
    script = (
        "import sys\n"
        "from alur.contracts import load_contracts\n"
        "load_contracts(variables={'LandingBucket': 'b'})\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
