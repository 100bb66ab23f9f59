from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from alur.aws.code_archive import pack
from alur.errors import DeployError


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    return write(
        tmp_path / "layer", {"alur/__init__.py": "", "alur/a.py": "A = 1\n", "contracts/öre.py": "", "six.py": ""}
    )


@pytest.fixture
def entry_point(tmp_path: Path) -> Path:
    return write(tmp_path / "app", {"main.py": "print('hello')\n"}) / "main.py"


def names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return tar.getnames()


def test_the_layers_content_is_at_the_archives_top_in_order(layer: Path, entry_point: Path) -> None:
    code = pack(layer, entry_point)
    assert names(code.archive) == ["alur/__init__.py", "alur/a.py", "contracts/öre.py", "six.py"]
    assert code.entry_point == b"print('hello')\n"


def test_times_modes_and_the_order_of_writing_change_no_byte(layer: Path, entry_point: Path, tmp_path: Path) -> None:
    first = pack(layer, entry_point)
    other = tmp_path / "other"
    for path in sorted((path for path in layer.rglob("*") if path.is_file()), reverse=True):
        copy = other / path.relative_to(layer)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o600)
        os.utime(copy, (1_000_000_000, 1_000_000_000))
    assert pack(other, entry_point) == first


def test_nothing_in_the_archive_tells_when_or_by_whom_it_was_made(layer: Path, entry_point: Path) -> None:
    archive = pack(layer, entry_point).archive
    assert archive[4:8] == b"\0\0\0\0"
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for entry in tar:
            assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, 0, "", "")
            assert entry.mode == 0o644


def test_compiled_caches_are_left_out(layer: Path, entry_point: Path) -> None:
    before = pack(layer, entry_point)
    write(layer, {"alur/__pycache__/a.cpython-311.pyc": "x", "alur/old.pyc": "x", "alur/__pycache__/note.txt": "x"})
    assert pack(layer, entry_point) == before


@pytest.mark.parametrize("changed", ["alur/a.py", "contracts/new.py"])
def test_the_digest_follows_the_librarys_content(layer: Path, entry_point: Path, changed: str) -> None:
    before = pack(layer, entry_point).digest
    write(layer, {changed: "B = 2\n"})
    assert pack(layer, entry_point).digest != before


def test_the_digest_follows_the_entry_points_content(layer: Path, entry_point: Path) -> None:
    before = pack(layer, entry_point).digest
    entry_point.write_text("print('other')\n", encoding="utf-8")
    assert pack(layer, entry_point).digest != before


def test_the_digest_does_not_depend_on_how_zlib_compresses(
    layer: Path, entry_point: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pack(layer, entry_point)
    compress = gzip.compress
    monkeypatch.setattr(gzip, "compress", lambda data, **_: compress(data, compresslevel=0, mtime=0))
    after = pack(layer, entry_point)
    assert after.archive != before.archive
    assert after.digest == before.digest


@pytest.mark.parametrize("name", ["fast/_native.so", "fast/native.pyd", "fast/libx.dylib"])
def test_a_file_compiled_for_one_processor_fails_the_deploy_by_name(layer: Path, entry_point: Path, name: str) -> None:
    write(layer, {name: "x"})
    with pytest.raises(DeployError, match=name):
        pack(layer, entry_point)


def test_a_layer_that_is_not_attached_is_said_to_be_missing(tmp_path: Path, entry_point: Path) -> None:
    with pytest.raises(DeployError, match="is the code's layer attached"):
        pack(tmp_path / "nowhere", entry_point)


def test_an_entry_point_that_is_not_attached_is_said_to_be_missing(layer: Path, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="is the entry point's layer attached"):
        pack(layer, tmp_path / "main.py")
