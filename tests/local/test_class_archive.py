"""Spark's loaded classes are taken where `make` keeps them, and are not missed where it does not."""

from __future__ import annotations

from pathlib import Path

from alur.local.class_archive import find_class_archive
from alur.local.paths import Paths


def test_there_is_one_only_where_the_file_is(tmp_path: Path):
    assert find_class_archive(Paths(tmp_path)) is None
    (tmp_path / ".alur").mkdir()
    (tmp_path / ".alur" / "spark.jsa").write_bytes(b"")
    assert find_class_archive(Paths(tmp_path)) == tmp_path / ".alur" / "spark.jsa"
