from __future__ import annotations

import re
from pathlib import Path

import pytest
from sam_build import ROOT, Build

COMPILED = {".so", ".pyd", ".dylib", ".dll", ".a", ".o", ".pyc", ".pyo", ".exe"}
MOST_BYTES = 60 * 1024 * 1024


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_build_says_nothing_that_one_would_have_to_look_at(build: Build) -> None:
    expected = re.compile(
        r"Building (layer|codeuri:)|\s*Running PythonPipBuilder:|Build Succeeded|Built (Artifacts|Template)"
        r"|Commands you can use next|=+$|\[\*\]|\s*$|SAM_CLI_TELEMETRY|Starting Build"
    )
    unexpected = [line for line in build.output.splitlines() if not expected.match(line)]
    assert unexpected == []


def test_the_layer_holds_the_library_the_contracts_and_what_they_need(build: Build) -> None:
    found = {path.name for path in build.layer.iterdir()}
    assert found >= {"alur", "contracts", "boto3", "botocore", "aws_lambda_powertools"}
    assert (build.layer / "alur" / "errors.py").is_file()


def test_the_layer_holds_every_source_file_of_ours_unchanged(build: Build) -> None:
    for package in ("alur", "contracts"):
        for path in (ROOT / "src" / package).rglob("*.py"):
            copy = build.layer / path.relative_to(ROOT / "src")
            assert copy.read_bytes() == path.read_bytes(), path


def test_the_layer_holds_the_pinned_version_of_each_package_and_no_other_package(build: Build) -> None:
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", (ROOT / "src/requirements.txt").read_text(), re.MULTILINE))
    found = dict(path.name.removesuffix(".dist-info").rsplit("-", 1) for path in build.layer.glob("*.dist-info"))
    assert {name.replace("_", "-").lower(): version for name, version in found.items()} == pinned


@pytest.mark.parametrize("kind", sorted(COMPILED))
def test_no_file_of_the_layer_is_compiled(build: Build, kind: str) -> None:
    assert [path for path in files(build.layer) if path.suffix == kind or kind in path.suffixes] == []


def test_no_file_of_the_layer_begins_as_a_program_for_one_processor(build: Build) -> None:
    magic = (b"\x7fELF", b"MZ\x90\x00", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
    found = []
    for path in files(build.layer):
        with path.open("rb") as opened:
            if opened.read(4) in magic:
                found.append(path)
    assert found == []


def test_every_package_of_the_layer_is_for_any_processor(build: Build) -> None:
    wheels = list(build.layer.glob("*.dist-info/WHEEL"))
    assert wheels
    for wheel in wheels:
        tags = re.findall(r"^Tag: (.+)$", wheel.read_text(), re.MULTILINE)
        assert tags
        assert all(tag.endswith("-none-any") for tag in tags), wheel


def test_the_layer_holds_no_trace_of_an_editable_install_or_of_caches(build: Build) -> None:
    names = {path.name for path in build.layer.rglob("*")}
    assert "__pycache__" not in names
    assert not {name for name in names if name.endswith((".egg-info", ".pth"))}


def test_the_layer_stays_below_sixty_megabytes(build: Build) -> None:
    assert sum(path.stat().st_size for path in files(build.layer)) < MOST_BYTES


def test_a_function_is_its_handler_and_nothing_else(build: Build) -> None:
    for name in ("DispatcherFunction", "ReconcilerFunction", "PublisherFunction"):
        assert {path.name for path in files(build.directory / name)} == {"app.py", "requirements.txt"}
