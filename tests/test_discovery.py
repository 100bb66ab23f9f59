from __future__ import annotations

from types import ModuleType

import pytest

from alur.discovery import import_all, import_each
from alur.errors import ContractError


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def make(files):
        for name, source in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)

    return make


def failed(name, error):
    return ContractError(name, repr(error))


def test_every_module_is_imported_although_one_before_it_fails(package):
    package({"each_a/__init__.py": "", "each_a/a.py": "1/0", "each_a/b.py": "", "each_a/deep/c.py": ""})
    found = dict(import_each("each_a", failed))
    assert list(found) == ["each_a", "each_a.a", "each_a.b", "each_a.deep", "each_a.deep.c"]
    assert isinstance(found["each_a.a"], ContractError)
    assert all(isinstance(module, ModuleType) for name, module in found.items() if name != "each_a.a")


def test_below_a_package_that_fails_nothing_is_imported(package):
    package({"each_b/__init__.py": "", "each_b/deep/__init__.py": "1/0", "each_b/deep/c.py": ""})
    assert [name for name, _ in import_each("each_b", failed)] == ["each_b", "each_b.deep"]


def test_import_all_stops_at_the_first_that_fails(package):
    package({"each_c/__init__.py": "", "each_c/a.py": "1/0", "each_c/b.py": "1/0"})
    with pytest.raises(ContractError, match=r"each_c\.a"):
        list(import_all("each_c", failed))
