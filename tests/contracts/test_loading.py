"""Finding a package's contracts."""

from __future__ import annotations

import importlib
import itertools
import sys

import pytest

from alur.contracts import load_contracts
from alur.errors import ContractError

VARIABLES = {"LandingBucket": "alur-landing-local"}

TABLE = """
from alur.contracts import BronzeTable, LongField

class {name}(BronzeTable):
    id = LongField()

    class Meta:
        source_path = "{glob}"
        source_system = "test"
"""


def table(name: str, glob: str = "s3://${LandingBucket}/t/*.csv") -> str:
    return TABLE.format(name=name, glob=glob)


@pytest.fixture
def make_package(tmp_path, monkeypatch):
    """Writes files into a package of a fresh name, importable until the test ends."""
    numbers = itertools.count()
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def make(files: dict[str, str]) -> str:
        name = f"{tmp_path.name.replace('-', '_')}_package_{next(numbers)}"
        for path, text in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        importlib.invalidate_caches()
        return name

    yield make
    for name in set(sys.modules) - before:
        if "_package_" in name:
            del sys.modules[name]


def test_every_table_of_every_module_is_found_sorted_by_key(make_package):
    package = make_package(
        {
            "__init__.py": table("ZuluBronze"),
            "b.py": table("BetaBronze") + table("AlphaBronze"),
            "sales/__init__.py": "",
            "sales/orders.py": table("OrdersBronze"),
        }
    )
    found = load_contracts(package, variables=VARIABLES)
    assert [contract.ingestion_key for contract in found] == ["alpha", "beta", "orders", "zulu"]


def test_a_table_in_a_folder_without_init_is_found(make_package):
    package = make_package({"sales/eu/orders.py": table("OrdersBronze")})
    assert [contract.ingestion_key for contract in load_contracts(package, variables=VARIABLES)] == ["orders"]


def test_a_folder_that_holds_no_module_does_no_harm(make_package):
    package = make_package(
        {"a.py": "", "notes/README.md": "text", "__pycache__/x.py": "raise SystemExit", ".x/y.py": ""}
    )
    assert load_contracts(package, variables=VARIABLES) == ()


def test_a_table_that_is_only_imported_or_named_twice_is_found_once(make_package):
    package = make_package({"a.py": table("OrdersBronze") + "\nAlias = OrdersBronze\n"})
    other = make_package({"b.py": f"from {package}.a import OrdersBronze\n"})
    assert load_contracts(other, variables=VARIABLES) == ()
    assert len(load_contracts(package, variables=VARIABLES)) == 1


def test_abstract_bases_are_not_tables(make_package):
    package = make_package(
        {
            "base.py": "from alur.contracts import *\nclass Base(BronzeTable):\n    id = LongField()\n",
        }
    )
    assert load_contracts(package, variables=VARIABLES) == ()


def test_variables_in_globs_are_replaced(make_package):
    package = make_package({"a.py": table("OrdersBronze", "s3://${LandingBucket}/${Prefix}/*.csv")})
    (contract,) = load_contracts(package, variables={**VARIABLES, "Prefix": "in"})
    assert contract.source_paths == ("s3://alur-landing-local/in/*.csv",)


@pytest.mark.parametrize("variables", [{}, {"LandingBucket": ""}, {"Landing": "x"}])
def test_a_variable_without_a_value_is_named(make_package, variables):
    package = make_package({"a.py": table("OrdersBronze")})
    with pytest.raises(ContractError, match=r"OrdersBronze: .*\$\{LandingBucket\}"):
        load_contracts(package, variables=variables)


def test_a_variable_whose_value_is_a_glob_is_refused(make_package):
    package = make_package({"a.py": table("OrdersBronze")})
    with pytest.raises(ContractError, match=r"\$\{LandingBucket\}, 'a\*', is no name but a glob"):
        load_contracts(package, variables={"LandingBucket": "a*"})


def test_two_tables_with_one_key_are_refused_by_both_their_places(make_package):
    package = make_package({"a.py": table("OrderItemsBronze"), "b.py": table("Order_ItemsBronze")})
    with pytest.raises(ContractError) as caught:
        load_contracts(package, variables=VARIABLES)
    assert caught.value.contract == f"{package}.b.Order_ItemsBronze"
    assert f"{package}.a.OrderItemsBronze" in caught.value.rule
    assert "order_items" in caught.value.rule


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("class :", "SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_its_cause(make_package, text, cause):
    package = make_package({"good.py": table("OrdersBronze"), "sub/bad.py": text})
    with pytest.raises(ContractError) as caught:
        load_contracts(package, variables=VARIABLES)
    assert caught.value.contract == f"{package}.sub.bad"
    assert cause in caught.value.rule


def test_a_package_that_is_not_there_is_named():
    with pytest.raises(ContractError, match="no_such_contracts: the module cannot be imported"):
        load_contracts("no_such_contracts", variables=VARIABLES)


def test_a_contract_that_breaks_a_rule_says_which(make_package):
    package = make_package({"a.py": table("Orders")})
    with pytest.raises(ContractError, match="Orders: the name of a table's class ends in Bronze"):
        load_contracts(package, variables=VARIABLES)


def test_loading_twice_gives_the_same_contracts(make_package):
    package = make_package({"a.py": table("OrdersBronze")})
    assert load_contracts(package, variables=VARIABLES) == load_contracts(package, variables=VARIABLES)
