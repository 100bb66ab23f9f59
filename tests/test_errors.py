"""The tree that is drawn in `alur.errors` is the tree of classes."""

from __future__ import annotations

import inspect
import re

import pytest

from alur import errors
from alur.errors import AlurError, Excused, Outside, Permanent, Transient, visible

_LINE = re.compile(r"^    (?P<bars>[│├└─ ]*)(?P<name>[A-Z]\w+)(?P<rest>.*)$")
_INDENT_CHARACTERS = 4

# Their message is made at the place that raises, and what can help depends on it.
UNDECIDED_LEAVES = {"LocalStackError"}


def drawn() -> dict[str, tuple[str | None, str | None]]:
    """Each drawn name with the one it hangs from, and the word at its line's end that says whether to try again."""
    assert errors.__doc__ is not None
    found: dict[str, tuple[str | None, str | None]] = {}
    branch: list[str] = []
    for line in errors.__doc__.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        depth = len(match["bars"]) // _INDENT_CHARACTERS
        branch[depth:] = [match["name"]]
        word = re.search(r"\b(Transient|Permanent|Excused|Outside)$", match["rest"].rstrip())
        found[match["name"]] = (branch[depth - 1] if depth else None, word[1] if word else None)
    return found


def classes() -> dict[str, type[AlurError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, AlurError) and kind.__module__ == errors.__name__
    }


def leaves() -> list[str]:
    return sorted(name for name, kind in classes().items() if not kind.__subclasses__())


def test_the_drawing_names_every_class_and_no_other() -> None:
    assert set(drawn()) == set(classes())


@pytest.mark.parametrize("name", sorted(classes()))
def test_a_class_hangs_where_it_is_drawn(name: str) -> None:
    parents = [base.__name__ for base in classes()[name].__bases__ if issubclass(base, AlurError)]
    parent = drawn()[name][0]
    assert parents == ([] if parent is None else [parent])


@pytest.mark.parametrize("name", leaves())
def test_a_leaf_says_once_whether_trying_again_can_help(name: str) -> None:
    kinds = [mixin for mixin in (Transient, Permanent) if issubclass(classes()[name], mixin)]
    assert len(kinds) == (0 if name in UNDECIDED_LEAVES else 1)


@pytest.mark.parametrize("name", sorted(classes()))
def test_the_word_at_a_lines_end_is_the_narrowest_that_the_class_is(name: str) -> None:
    narrowest_first = (Excused, Outside, Transient, Permanent)
    is_one = [mixin.__name__ for mixin in narrowest_first if issubclass(classes()[name], mixin)]
    word = drawn()[name][1]
    # The first three need none: nobody tries again what was declared, set or sent wrongly.
    if word is not None or issubclass(classes()[name], errors.FileError):
        assert word == (is_one[0] if is_one else None)


def test_excused_is_transient_and_outside_is_permanent() -> None:
    assert (Excused.__bases__, Outside.__bases__) == ((Transient,), (Permanent,))
    assert not issubclass(Transient, AlurError)
    assert not issubclass(Permanent, AlurError)


def test_only_a_files_failure_is_ever_excused_or_outside() -> None:
    kinds = [kind for kind in classes().values() if issubclass(kind, (Excused, Outside))]
    assert kinds
    assert all(issubclass(kind, errors.FileError) for kind in kinds)


def test_no_exception_of_this_module_is_left_out_of_the_tree() -> None:
    mixins = {Transient, Excused, Permanent, Outside}
    raised = {
        kind
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, BaseException) and kind.__module__ == errors.__name__
    }
    assert raised - mixins == set(classes().values())


def test_branches_leave_the_decision_to_their_leaves() -> None:
    for name, kind in classes().items():
        if kind.__subclasses__():
            assert not issubclass(kind, (Transient, Permanent)), name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe 1", "größe 1"),
        ("\ufefforder_id", "\\ufefforder_id"),
        ("1\u00a0000", "1\\u00a0000"),
        ("a\nb\x00", "a\\nb\\u0000"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text, shown):
    assert visible(text) == shown
