"""`@pipeline`: what is declared is found by its name, and a mistake is told where it is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alur import decorators, pipeline
from alur.contracts import BronzeTable, LongField
from alur.decorators import find_pipeline, load_pipelines, pipeline_on_event
from alur.errors import ContractError, PipelineError

ROOT = Path(__file__).parents[1]


class ThingsBronze(BronzeTable):
    id = LongField()

    class Meta:
        source_path = "s3://b/things/*.csv"
        source_system = "suite"


class OthersBronze(ThingsBronze):
    class Meta:
        source_path = "s3://b/others/*.csv"


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    monkeypatch.setattr(decorators, "_registered", {})


def packaged(tmp_path, monkeypatch, name, **modules):
    """A package of pipelines, and its name."""
    folder = tmp_path / name
    for module, text in modules.items():
        file = folder / Path(*module.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def declared(name, *, table="ThingsBronze", on_event=False):
    return (
        "from alur import pipeline\n"
        f"from test_decorators import {table}\n"
        f"@pipeline(sources={{}}, target={table}, on_event={on_event})\n"
        f"def {name}():\n    return None\n"
    )


def test_a_declared_function_stays_as_it_is_and_is_found_by_its_name() -> None:
    @pipeline(sources={"things": ThingsBronze}, target=OthersBronze)
    def copy_things(things):
        return things

    assert copy_things("rows") == "rows"
    found = find_pipeline("copy_things", "no_such_package")
    assert (found.target, found.sources, found.on_event) == (OthersBronze, {"things": ThingsBronze}, False)
    assert found.contract.ingestion_key == "others"


def test_pipelines_of_a_package_and_the_folders_below_it_are_found(tmp_path, monkeypatch) -> None:
    package = packaged(tmp_path, monkeypatch, "suite_pipelines_a", one=declared("one"), deep__two=declared("two"))
    assert [found.name for found in load_pipelines(package)] == ["one", "two"]


def test_a_cell_of_a_notebook_may_declare_its_pipeline_again() -> None:
    for _ in range(2):

        @pipeline(sources={}, target=ThingsBronze)
        def again():
            return None

    assert [found.name for found in load_pipelines("no_such_package")] == ["again"]


def test_two_functions_of_one_name_are_refused(tmp_path, monkeypatch) -> None:
    package = packaged(tmp_path, monkeypatch, "suite_pipelines_b", one=declared("same"), two=declared("same"))
    with pytest.raises(PipelineError, match=r"two\.same and .*one\.same have one name"):
        load_pipelines(package)


def test_arguments_that_do_not_fit_the_sources_are_refused() -> None:
    with pytest.raises(PipelineError, match="its arguments are none, and sources names things"):

        @pipeline(sources={"things": ThingsBronze}, target=OthersBronze)
        def wrong():
            return None


@pytest.mark.parametrize("target", [None, "orders", dict, ThingsBronze()])
def test_a_target_that_is_no_table_is_refused(target) -> None:
    with pytest.raises(PipelineError, match="target is"):

        @pipeline(sources={}, target=target)
        def wrong():
            return None


def test_an_abstract_target_is_refused() -> None:
    class Base(BronzeTable):
        id = LongField()

    with pytest.raises(ContractError, match="an abstract base"):

        @pipeline(sources={}, target=Base)
        def wrong():
            return None


def test_one_pipeline_of_a_table_may_run_on_event(tmp_path, monkeypatch) -> None:
    package = packaged(
        tmp_path,
        monkeypatch,
        "suite_pipelines_c",
        one=declared("one", on_event=True),
        two=declared("two"),
        three=declared("three", table="OthersBronze", on_event=True),
    )
    assert [
        pipeline_on_event(key, package) and pipeline_on_event(key, package).name for key in ("things", "others")
    ] == [
        "one",
        "three",
    ]
    assert pipeline_on_event("orders", package) is None


def test_two_pipelines_of_a_table_on_event_are_refused(tmp_path, monkeypatch) -> None:
    package = packaged(
        tmp_path,
        monkeypatch,
        "suite_pipelines_d",
        one=declared("one", on_event=True),
        two=declared("two", on_event=True),
    )
    with pytest.raises(PipelineError, match="one of a table may"):
        load_pipelines(package)


def test_a_module_that_cannot_be_imported_is_named(tmp_path, monkeypatch) -> None:
    package = packaged(tmp_path, monkeypatch, "suite_pipelines_e", broken="import nothing_of_this_name\n")
    with pytest.raises(PipelineError, match=r"suite_pipelines_e\.broken: the module cannot be imported"):
        load_pipelines(package)


def test_an_unknown_name_is_told_which_there_are() -> None:
    @pipeline(sources={}, target=ThingsBronze)
    def ingest_things():
        return None

    with pytest.raises(PipelineError, match="declares ingest_things"):
        find_pipeline("ingest_thing", "no_such_package")


def test_the_projects_pipelines_are_found_without_spark_and_without_boto3() -> None:
    code = (
        "import sys; from alur.decorators import load_pipelines\n"
        "print(*[found.name for found in load_pipelines()])\n"
        "print(sorted(name for name in ('pyspark', 'boto3') if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["ingest_orders", "[]"]
