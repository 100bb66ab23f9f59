"""Which cell is which column's, and how a header that does not fit is told."""

from __future__ import annotations

import pytest

from alur.contracts import LongField, StringField
from alur.delimited import Layout, match_header, positional
from alur.errors import HeaderMismatch
from delimited_support import PATH, contract

FIELDS = {
    "id": LongField(nullable=False),
    "customer_id": LongField(source_name="Customer No."),
    "note": StringField(),
}


def match(*found: str, **meta: object) -> Layout:
    return match_header(PATH, contract(FIELDS, **meta), found)


def refusal(*found: str, fields=FIELDS, **meta: object) -> HeaderMismatch:
    with pytest.raises(HeaderMismatch) as caught:
        match_header(PATH, contract(fields, **meta), found)
    return caught.value


def test_the_order_and_blanks_and_the_letters_case_mean_nothing():
    assert match(" NOTE", "customer no. ", "Id") == Layout((2, 1, 0), (), 3)


def test_the_letters_case_means_something_where_the_contract_says_so():
    assert match("id", "Customer No.", "NOTE", header_case="sensitive") == Layout((0, 1, None), ((2, "NOTE"),), 3)
    assert refusal("ID", "note", header_case="sensitive").suggestions == ("ID: did you mean id?",)


def test_a_column_that_may_be_null_may_be_missing():
    assert match("id") == Layout((0, None, None), (), 1)


def test_other_columns_are_named_and_an_empty_name_by_its_place():
    layout = match("x", "", "id", " ", "note", "", "")
    assert layout == Layout((2, None, 4), ((0, "x"), (1, "_c1"), (3, "_c3")), 7)
    assert layout.named == 5


def test_without_a_header_the_cells_are_the_fields():
    assert positional(contract(FIELDS)) == Layout((0, 1, 2), (), 3)


def test_a_required_column_that_is_missing_is_told_with_what_may_have_been_meant():
    error = refusal("idd", "custmer no.", "note")
    assert (error.missing, error.extra) == (("id",), ("idd", "custmer no."))
    assert error.suggestions == ("idd: did you mean id?", "custmer no.: did you mean Customer No.?")
    assert error.expected == ("id", "Customer No.", "note")
    assert error.found == ("idd", "custmer no.", "note")
    assert str(error) == (
        f"{PATH}: the header breaks the contract (missing id; not in the contract idd, custmer no.; "
        "idd: did you mean id?; custmer no.: did you mean Customer No.?); "
        "expected id,Customer No.,note; found idd,custmer no.,note; change the file or the contract"
    )


def test_a_name_that_stands_twice_is_refused():
    assert refusal("id", "note", "NOTE").repeated == ("NOTE",)
    assert refusal("id", "x", "x").repeated == ("x",)
    assert "more than once x" in str(refusal("id", "x", "x"))
    assert match("id", "", "", "note").positions == (0, None, 3)


def test_other_columns_are_refused_where_the_contract_says_so():
    error = refusal("id", "x", "", "note", extra_columns="refuse")
    assert error.extra == ("x", "_c2")
    assert error.missing == ()
    assert match("id", "note", "", extra_columns="refuse").width == 3


def test_a_header_that_has_nothing_of_the_contract_is_refused_though_all_columns_may_be_null():
    fields = {"a": StringField(), "b": StringField()}
    assert refusal("x", "y", fields=fields).missing == ("a", "b")
    assert refusal("", "", fields=fields).found == ()


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_wrong_delimiter_is_guessed(delimiter):
    (sentence,) = refusal(delimiter.join(["id", "Customer No.", "note"])).suggestions
    assert sentence == f"the header is one cell that holds {delimiter!r}: is that Meta.delimiter?"


def test_a_message_lists_thirty_names_of_many():
    error = refusal(*[f"x{number}" for number in range(5000)])
    assert len(error.extra) == 5000
    assert "x29 and 4970 more" in str(error)
    assert "x30" not in str(error)
