from __future__ import annotations

import pytest

from alur.errors import LocalStackError
from alur.local.jars import SETS, differences, jar_paths, link_native_libraries, parse_lock, render_lock
from alur.local.java import find_java, parse_version
from alur.local.paths import Paths


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "21"', 21),
        ("", None),
    ],
)
def test_the_version_is_read_from_what_java_prints(text, version):
    assert parse_version(text) == version


def test_a_machine_without_java_is_told_how_to_get_it():
    with pytest.raises(LocalStackError, match="17 or newer"):
        find_java({"PATH": "/nowhere"})


def test_a_java_home_without_java_is_named():
    with pytest.raises(LocalStackError, match="JAVA_HOME=/nowhere"):
        find_java({"JAVA_HOME": "/nowhere", "PATH": ""})


def test_the_lock_survives_a_round_trip():
    entries = {"spark/b.jar": "22", "dynamodb/a.jar": "11"}
    assert parse_lock(render_lock(entries)) == entries


def test_every_difference_from_the_lock_is_named():
    wanted = {"spark/a.jar": "1", "spark/b.jar": "2"}
    found = {"spark/b.jar": "3", "spark/c.jar": "4"}
    assert [line.split(":")[0] for line in differences(wanted, found)] == ["spark/a.jar", "spark/c.jar", "spark/b.jar"]
    assert differences(wanted, wanted) == []


def test_jars_that_are_not_there_ask_for_make_setup(tmp_path):
    with pytest.raises(LocalStackError, match="make setup"):
        jar_paths(Paths(tmp_path), "spark")


def test_the_lock_covers_exactly_what_lies_there(paths: Paths):
    lock = parse_lock((paths.ivy / "jars.lock").read_text())
    for name in SETS:
        there = {f"{name}/{jar.name}" for jar in jar_paths(paths, name)}
        assert there == {file for file in lock if file.startswith(f"{name}/") and file.endswith(".jar")}
    assert not [file for file in lock if "sources" in file or "javadoc" in file or "/bundle-" in file]


@pytest.mark.parametrize(
    ("system", "machine", "library"),
    [
        ("Linux", "x86_64", "libsqlite4java-linux-amd64-1.0.392.so"),
        ("Darwin", "arm64", "libsqlite4java-osx-aarch64-1.0.392.dylib"),
        ("Darwin", "x86_64", "libsqlite4java-osx-1.0.392.dylib"),
    ],
)
def test_the_native_library_is_that_of_the_machine(tmp_path, system, machine, library):
    for name in ("linux-amd64-1.0.392.so", "linux-i386-1.0.392.so", "osx-1.0.392.dylib", "osx-aarch64-1.0.392.dylib"):
        (tmp_path / f"libsqlite4java-{name}").touch()
    link_native_libraries(tmp_path, system, machine)
    links = {link.name: link.readlink().name for link in tmp_path.iterdir() if link.is_symlink()}
    assert links[f"libsqlite4java{tmp_path.joinpath(library).suffix}"] == library
