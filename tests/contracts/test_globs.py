"""Globs over S3 keys: what they mean, and that a mistake in one is named."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alur.contracts.globs import MAX_ALTERNATIVES, compile_glob, literal_prefix
from alur.errors import ContractError


def matches(glob: str, key: str) -> bool:
    return any(part.matches(key) for part in compile_glob(f"s3://bucket/{glob}"))


@pytest.mark.parametrize(
    ("glob", "key", "expected"),
    [
        # one level
        ("orders/*.csv", "orders/a.csv", True),
        ("orders/*.csv", "orders/.csv", True),
        ("orders/*.csv", "orders/a/b.csv", False),
        ("orders/*.csv", "orders/a.csv.gz", False),
        ("orders/*.csv", "archive/orders/a.csv", False),
        ("orders/*", "orders/", False),
        ("*", "a.csv", True),
        ("*", "a/b.csv", False),
        # any level
        ("orders/**/*.csv", "orders/a.csv", True),
        ("orders/**/*.csv", "orders/2026/01/a.csv", True),
        ("orders/**/*.csv", "ordersx/a.csv", False),
        ("orders/**", "orders/a/b", True),
        ("orders/**", "orders", False),
        ("**/a.csv", "a.csv", True),
        ("**/a.csv", "x/y/a.csv", True),
        ("**/a.csv", "xa.csv", False),
        ("**/2026/**/*.csv", "2026/a.csv", True),
        ("**/2026/**/*.csv", "x/2026/y/z/a.csv", True),
        ("**/**/a.csv", "a.csv", True),
        ("orders/**/**", "orders/a", True),
        # one character, and classes
        ("o?ders/a.csv", "orders/a.csv", True),
        ("o?ders/a.csv", "o/ders/a.csv", False),
        ("part-[0-9].csv", "part-7.csv", True),
        ("part-[0-9].csv", "part-x.csv", False),
        ("part-[0-9][0-9].csv", "part-7.csv", False),
        ("part-[!0-9].csv", "part-x.csv", True),
        ("part-[^0-9].csv", "part-7.csv", False),
        ("a[!x]b", "a/b", False),
        ("a[+-9]b", "a/b", False),
        ("a[+-9]b", "a,b", True),
        ("a[]]b", "a]b", True),
        ("a[!]]b", "a]b", False),
        ("a[a-]b", "a-b", True),
        ("a[-a]b", "a-b", True),
        ("a[\\]b", "a\\b", True),
        ("a[.]b", "axb", False),
        ("a[[]b[*]c[?]d[{]e[}]f", "a[b*c?d{e}f", True),
        # alternatives
        ("{orders,returns}/*.csv", "returns/a.csv", True),
        ("{orders,returns}/*.csv", "others/a.csv", False),
        ("a{b,c{1,2}}d", "ac2d", True),
        ("a{b,c{1,2}}d", "acd", False),
        ("a{,b}c", "ac", True),
        ("{x,y/z}/a", "y/z/a", True),
        ("{x,**}/a", "p/q/a", True),
        ("{a,b}{1,2}", "b1", True),
        ("{[,],x}", ",", True),
        ("{[}],x}", "}", True),
        # everything else stands for itself
        ("orders/*.csv", "orders/A.CSV", False),
        ("Orders/*.csv", "orders/a.csv", False),
        ("orders/a.csv", "orders/a_csv", False),
        ("a+b(c)|d^e$.csv", "a+b(c)|d^e$.csv", True),
        ("!a.csv", "!a.csv", True),
        ("a\\*.csv", "a\\b.csv", True),
        ("a\\b.csv", "a\\b.csv", True),
        ("a,b].csv", "a,b].csv", True),
        # a key is not a path
        ("orders/*.csv", "orders//a.csv", False),
        ("orders/a.csv", "orders//a.csv", False),
        ("orders//a.csv", "orders//a.csv", True),
        ("orders//a.csv", "orders/a.csv", False),
        ("orders/*/a.csv", "orders//a.csv", True),
        ("orders/**/*.csv", "orders//a.csv", True),
        ("orders/**/*.csv", "orders/x//a.csv", True),
        ("/a.csv", "/a.csv", True),
        ("/a.csv", "a.csv", False),
        ("orders/**/*.csv", "orders/../a.csv", True),
        ("orders/**/*.csv", "orders/./a.csv", True),
        ("orders/**/*.csv", "orders/.hidden/.a.csv", True),
        ("orders/**/*.csv", "orders/_hidden/_a.csv", True),
        ("orders/**/*.csv", "orders/a\nb.csv", True),
        ("orders/*.csv", "orders/a.csv\n", False),
        ("orders/*.csv", "orders/a[1] {b} +%20*?.csv", True),
        ("orders/*.csv", "orders/Aufträge 注文.csv", True),
        # keys that end in a slash are markers, never files
        ("orders/**", "orders/", False),
        ("orders/**", "orders/a/", False),
        ("orders/*.csv", "orders/a.csv/", False),
        ("**", "a/", False),
    ],
)
def test_a_glob_means_what_its_table_says(glob, key, expected):
    assert matches(glob, key) is expected


@pytest.mark.parametrize(
    ("glob", "remedy"),
    [
        ("orders/*.csv", "begins with s3://"),
        ("s3a://bucket/orders/*.csv", "begins with s3://"),
        ("s3://", "no bucket's name"),
        ("s3://buck*et/orders/*.csv", "one bucket in full"),
        ("s3://{a,b}/orders/*.csv", "one bucket in full"),
        ("s3://bucket", "s3://bucket/**/*.csv"),
        ("s3://bucket/", "s3://bucket/**/*.csv"),
        ("s3://bucket/orders/", "s3://bucket/orders/**"),
        ("s3://bucket/{orders/,x}", "ends in a slash"),
        ("s3://bucket/orders/**.csv", "**/*.csv"),
        ("s3://bucket/a[0-9", "write [[]"),
        ("s3://bucket/a[0/9]", "write [[]"),
        ("s3://bucket/a[]", "write [[]"),
        ("s3://bucket/a[9-0]", "write 0-9"),
        ("s3://bucket/a[[:digit:]]", "as [0-9]"),
        ("s3://bucket/{a", "write [{]"),
        ("s3://bucket/{a,{b}", "not closed"),
        ("s3://bucket/{a,{b}}", "as {a,b}"),
        ("s3://bucket/{a,{b,c}", "not closed"),
        ("s3://bucket/a}", "write [}]"),
        ("s3://bucket/{a}", "as {a,b}"),
        ("s3://bucket/{1..9}", "as {a,b}"),
        ("s3://${LandingBucket}/a.csv", "has no value yet"),
    ],
)
def test_a_glob_that_is_none_is_refused_with_its_remedy(glob, remedy):
    with pytest.raises(ContractError) as caught:
        compile_glob(glob)
    assert caught.value.contract == glob
    assert remedy in caught.value.rule


def test_braces_that_multiply_beyond_measure_are_refused():
    with pytest.raises(ContractError, match=f"more than {MAX_ALTERNATIVES} globs"):
        compile_glob("s3://bucket/" + "{a,b}" * 9)
    assert len(compile_glob("s3://bucket/" + "{a,b}" * 8)) == MAX_ALTERNATIVES


@pytest.mark.parametrize(
    ("glob", "prefix"),
    [
        ("s3://bucket/orders/**/*.csv", "orders/"),
        ("s3://bucket/orders/2026-*/a.csv", "orders/2026-"),
        ("s3://bucket/orders/{a,b}.csv", "orders/"),
        ("s3://bucket/orders/[0-9].csv", "orders/"),
        ("s3://bucket/orders/?.csv", "orders/"),
        ("s3://bucket/orders/a.csv", "orders/a.csv"),
        ("s3://bucket//orders/*", "/orders/"),
        ("s3://bucket/**", ""),
    ],
)
def test_the_literal_prefix_is_what_every_match_begins_with(glob, prefix):
    assert literal_prefix(glob) == ("bucket", prefix)


def oracle(levels: list[str], key_levels: list[str]) -> bool:
    """Say the same by recursion over the levels, with a plain matcher for one level."""
    if not levels:
        return not key_levels
    if levels[0] == "**":
        if len(levels) == 1:
            return bool(key_levels)
        return any(oracle(levels[1:], key_levels[skipped:]) for skipped in range(len(key_levels) + 1))
    return bool(key_levels) and level_oracle(levels[0], key_levels[0]) and oracle(levels[1:], key_levels[1:])


def level_oracle(level: str, text: str) -> bool:
    if not level:
        return not text
    if level[0] == "*":
        return any(level_oracle(level[1:], text[skipped:]) for skipped in range(len(text) + 1))
    return bool(text) and level[0] in ("?", text[0]) and level_oracle(level[1:], text[1:])


LEVELS = st.lists(st.one_of(st.just("**"), st.from_regex(r"(?:[ab.]|\*(?!\*)|\?){0,4}", fullmatch=True)), max_size=4)
LAST_LEVEL = st.one_of(st.just("**"), st.from_regex(r"(?:[ab.]|\*(?!\*)|\?){1,4}", fullmatch=True))
KEYS = st.lists(st.text("ab.\n*\\é", max_size=3), min_size=1, max_size=5).map("/".join).filter(bool)


@given(LEVELS, LAST_LEVEL, KEYS)
def test_a_glob_agrees_with_a_matcher_that_walks_level_by_level(levels, last, key):
    all_levels = [*levels, last]
    expected = not key.endswith("/") and oracle(all_levels, key.split("/"))
    assert matches("/".join(all_levels), key) is expected


@given(st.text(min_size=1, max_size=20).filter(lambda key: not key.endswith("/")))
def test_any_key_is_matched_by_itself_written_with_classes(key):
    glob = re.sub(r"[*?\[{}]", lambda match: f"[{match[0]}]", key)
    if "${" not in glob:
        assert matches(glob, key)
        assert matches("**", key)


@given(KEYS, st.sampled_from(["a*", "{a,b}*/**", "**/a.*", "a/?/**", "[ab]/**/*"]))
def test_whatever_matches_begins_with_the_literal_prefix(key, glob):
    if matches(glob, key):
        assert key.startswith(literal_prefix(f"s3://bucket/{glob}")[1])
