"""What imports what: a Lambda has no Spark, and `import alur` costs nothing."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import alur

ROOT = Path(__file__).parents[1]
ROOMS_OF_A_LAMBDA = ("alur.contracts", "alur.ledger", "alur.dispatch", "alur.reconcile", "alur.aws", "contracts")
HANDLERS = sorted(ROOT.glob("functions/*/app.py"))

BANNING = """
import importlib, importlib.abc, importlib.util, json, sys

class Ban(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pyspark", "py4j"}:
            raise ImportError(f"{name} is banned here")
        return None

sys.meta_path.insert(0, Ban())
"""


def run(code: str, *arguments: str) -> str:
    """Run code in a fresh interpreter that has the sources on its path, and return what it printed."""
    command = [sys.executable, "-c", code, *arguments]
    environment = {
        "PYTHONPATH": str(ROOT / "src"),
        "PATH": "/usr/bin:/bin",
        "POWERTOOLS_SERVICE_NAME": "alur",
        "POWERTOOLS_METRICS_NAMESPACE": "Alur",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules_of(package: str) -> list[str]:
    found = importlib.import_module(package)
    return [package, *(module.name for module in pkgutil.walk_packages(found.__path__, f"{package}."))]


def test_every_module_of_a_lambdas_rooms_imports_with_spark_banned() -> None:
    names = [name for room in ROOMS_OF_A_LAMBDA for name in modules_of(room)]
    assert {"alur.dispatch.dispatcher", "alur.reconcile.reconciler", "alur.aws.dynamodb"} <= set(names)
    code = f"{BANNING}\nfor name in sys.argv[1:]: importlib.import_module(name)"
    run(code, "alur.errors", "alur.clock", *names)


@pytest.mark.parametrize("app", HANDLERS, ids=lambda path: path.parent.name)
def test_a_function_imports_with_spark_banned(app: Path) -> None:
    code = (
        f"{BANNING}\nspecification = importlib.util.spec_from_file_location('app', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(specification)\n"
        "specification.loader.exec_module(module)\n"
        "print(callable(module.handler))"
    )
    assert run(code, str(app)).strip() == "True"


def test_the_ban_bans() -> None:
    code = f"{BANNING}\ntry: import pyspark\nexcept ImportError as error: print(error)"
    assert run(code).strip() == "pyspark is banned here"


def test_importing_alur_imports_neither_spark_nor_boto3() -> None:
    code = "import json, sys, alur; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    loaded = set(json.loads(run(code)))
    assert loaded.isdisjoint({"pyspark", "py4j", "boto3", "botocore", "aws_lambda_powertools"})


@pytest.mark.parametrize("room", ["alur.contracts", "alur.ledger"])
def test_the_pure_rooms_bring_in_no_boto3(room: str) -> None:
    code = (
        "import importlib, json, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    loaded = {name.partition(".")[0] for name in json.loads(run(code, *modules_of(room)))}
    assert loaded.isdisjoint({"boto3", "botocore", "pyspark", "py4j"})


def test_every_list_of_public_names_is_true() -> None:
    checked = 0
    for name in modules_of(alur.__name__):
        if name.startswith(("alur.engine", "alur.ingestion")):
            continue  # they need Spark, and have no such list
        public = getattr(importlib.import_module(name), "__all__", None)
        if public is None:
            continue
        checked += 1
        module = importlib.import_module(name)
        assert len(set(public)) == len(public), name
        assert [one for one in public if not hasattr(module, one)] == [], name
    assert checked
