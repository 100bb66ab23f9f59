"""Overlaps of globs: exact, because a table that takes another's files does so without a word."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alur.contracts.globs import Glob, compile_glob
from alur.contracts.overlaps import Overlap, find_overlap

ALPHABET = "ab/"
KEYS = ["".join(letters) for length in range(1, 7) for letters in itertools.product(ALPHABET, repeat=length)]


def one(glob: str) -> Glob:
    (compiled,) = compile_glob(f"s3://bucket/{glob}")
    return compiled


def literally(key: str) -> str:
    """A glob that means this key alone."""
    return "".join(f"[{character}]" if character in "*?[]{}" else character for character in key)


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        ("orders/*.csv", "orders/**", "orders/.csv"),
        ("orders/**/*.csv", "**/2026/*", "orders/2026/.csv"),
        ("a/*b", "a/b*", "a/b"),
        ("a/**/b", "a/b", "a/b"),
        ("a/**/b", "a/x/b", "a/x/b"),
        ("[a-c]", "[c-e]", "c"),
        ("[!a]", "[!b]", "c"),
        ("?", "é", "é"),
        ("x-[0-9].csv", "x?[5-7]*", "x-5.csv"),
        ("**", "a/b", "a/b"),
        ("a+b(c)|d^e$.csv", "a*", "a+b(c)|d^e$.csv"),
        ("[]]", "]", "]"),
        ("[a-]", "-", "-"),
        ("[\\]", "\\", "\\"),
        ("a b&~#.csv", "a*", "a b&~#.csv"),
    ],
)
def test_a_key_that_both_mean_is_found(first, second, key):
    assert find_overlap(one(first), one(second)) == Overlap(key)
    assert find_overlap(one(second), one(first)) == Overlap(key)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("orders/*.csv", "returns/*.csv"),
        ("orders/*.csv", "orders/*.json"),
        ("orders/*.csv", "orders/*/*.csv"),
        ("orders/**/*.csv", "orders/**/*.csv.gz"),
        ("[a-c]", "[d-f]"),
        ("[!a]", "a"),
        ("?", "??"),
        ("a/?", "a/*/*"),
        ("orders/2025/**", "orders/2026/**"),
        ("*", "a/b"),
        ("Orders/*", "orders/*"),
        ("a?b", "a/b"),
        ("a[+-9]b", "a/b"),
    ],
)
def test_globs_without_a_common_key_are_told_apart(first, second):
    assert find_overlap(one(first), one(second)) == Overlap(None)


def test_a_marker_of_a_folder_is_no_common_key():
    # Both expressions match `a/`, and neither glob means it.
    assert find_overlap(one("a/**"), one("?*")) == Overlap(None)


def test_what_takes_too_long_is_undecided():
    wide = one("*a" * 60)
    assert find_overlap(wide, one("*b" * 60), max_pairs=1000) == Overlap(None, is_decided=False)


def test_an_expression_in_a_form_that_is_not_known_is_undecided():
    odd = replace(one("a*"), pattern=re.compile("a|b"), prefix="")
    assert find_overlap(odd, one("*")) == Overlap(None, is_decided=False)
    odd = replace(one("a*"), pattern=re.compile(r"\d"), prefix="")
    assert find_overlap(odd, one("*")) == Overlap(None, is_decided=False)


LEVELS = st.one_of(
    st.just("**"),
    st.lists(
        st.sampled_from(["a", "b", "*", "?", "[a]", "[!a]", "[ab]", "[^b]", "[a-b]", "ab"]), min_size=1, max_size=4
    ).map(lambda parts: re.sub(r"\*+", "*", "".join(parts))),
)
GLOBS = st.lists(LEVELS, min_size=1, max_size=4).map("/".join)


@given(GLOBS, GLOBS)
@settings(max_examples=400, deadline=None)
def test_an_overlap_is_found_exactly_where_there_is_one(first, second):
    left, right = one(first), one(second)
    found = find_overlap(left, right)
    assert found.is_decided
    if found.key is None:
        assert [key for key in KEYS if left.matches(key) and right.matches(key)] == []
    else:
        assert left.matches(found.key)
        assert right.matches(found.key)
        shared = [key for key in KEYS if left.matches(key) and right.matches(key)]
        assert all(len(found.key) <= len(key) for key in shared)


@given(GLOBS, st.text(alphabet="ab/é*-]", min_size=1, max_size=6))
@settings(max_examples=400, deadline=None)
def test_a_glob_overlaps_a_key_exactly_where_it_matches_it(glob, key):
    compiled = one(glob)
    if key.endswith("/"):
        return
    alone = one(literally(key))
    assert alone.matches(key)
    assert (find_overlap(compiled, alone).key == key) is compiled.matches(key)
