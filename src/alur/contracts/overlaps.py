"""Whether two globs mean a common key, and which.

Both are automata: a glob's regular expression is read step by step, and all pairs of places in the two are walked
through, the shortest way first. What is found is a key that both match; where no pair is left, there is none. What
is walked through are the expressions that match keys in earnest (`alur.contracts.globs` writes them, in a few forms),
not a reading of the glob that is merely like them. A form that is not known here is said to be undecided.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache

from alur.contracts.globs import Glob

MAX_PAIRS = 100_000
"""How many pairs of places are walked through. Two ordinary globs have some hundreds."""

_Ranges = tuple[tuple[int, int], ...]
"""A set of characters: ranges of code points, both ends in them, sorted and apart."""

# Keys are UTF-8, which has no surrogates.
_ANY: _Ranges = ((0, 0xD7FF), (0xE000, 0x10FFFF))
_SLASH: _Ranges = ((ord("/"), ord("/")),)
# What a key is made of where any of several characters would do: people read it.
_READABLE = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_-."

_ANY_FOLDERS, _ANYTHING, _ANY_NAME, _ANY_CHARACTER, _CLASS = "(?:.*/)?", ".*", "[^/]*", "[^/]", "(?!/)["
_UNKNOWN = frozenset("^$*+?{}[]|().")


@dataclass(frozen=True, slots=True)
class Overlap:
    """What is known of two globs.

    Attributes:
        key: a key that both mean, one of the shortest; None: there is none, or none was found.
        is_decided: a key was found, or it is certain that there is none.
    """

    key: str | None
    is_decided: bool = True


@dataclass(frozen=True, slots=True)
class _Step:
    """A place of an automaton.

    Attributes:
        takes: the characters that it takes.
        repeats: it takes any number of them, also none; else exactly one.
        skips: how many places may be left out, this one among them; such a place takes nothing itself.
    """

    takes: _Ranges = ()
    repeats: bool = False
    skips: int = 0


class _UnknownForm(Exception):
    """A regular expression that `alur.contracts.globs` did not write in any form that is known here."""


def find_overlap(first: Glob, second: Glob, max_pairs: int = MAX_PAIRS) -> Overlap:
    """Find a key that both globs mean. Their buckets are not looked at.

    Args:
        first: a glob.
        second: another one.
        max_pairs: how many pairs of places to walk through before giving up.
    """
    if not (first.prefix.startswith(second.prefix) or second.prefix.startswith(first.prefix)):
        return Overlap(None)
    try:
        automata = _automaton(first.pattern.pattern), _automaton(second.pattern.pattern)
    except _UnknownForm:
        return Overlap(None, is_decided=False)
    found = _walk(*automata, max_pairs)
    if found.key is not None and not (first.matches(found.key) and second.matches(found.key)):
        # The expressions have the last word: were they ever read wrongly here, nobody shall be told a falsehood.
        return Overlap(None, is_decided=False)
    return found


@dataclass(frozen=True, slots=True)
class _Automaton:
    """A glob's places, and where one gets from them.

    Attributes:
        steps: the places.
        start: the places at which it begins.
        after: by place, those at which it goes on once the place has taken a character.
    """

    steps: tuple[_Step, ...]
    start: tuple[int, ...]
    after: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=4096)
def _automaton(expression: str) -> _Automaton:
    steps = _steps(expression)
    after = tuple(_ahead(steps, place if step.repeats else place + 1) for place, step in enumerate(steps))
    return _Automaton(steps, _ahead(steps, 0), after)


def _walk(first: _Automaton, second: _Automaton, max_pairs: int) -> Overlap:
    # The third part is whether the key so far is one that a file may have: not empty, and not ending in a slash.
    Pair = tuple[int, int, bool]
    came_from: dict[Pair, tuple[Pair, str] | None] = {(i, j, False): None for i in first.start for j in second.start}
    waiting: deque[Pair] = deque(came_from)
    end = len(first.steps), len(second.steps), True
    while waiting:
        if len(came_from) > max_pairs:
            return Overlap(None, is_decided=False)
        pair = waiting.popleft()
        if pair == end:
            return Overlap(_spell(came_from, pair))
        i, j, _ = pair
        if i == end[0] or j == end[1]:
            continue
        for taken, may_end in _common(first.steps[i].takes, second.steps[j].takes):
            for place in first.after[i]:
                for other in second.after[j]:
                    reached = place, other, may_end
                    if reached not in came_from:
                        came_from[reached] = pair, taken
                        waiting.append(reached)
    return Overlap(None)


@lru_cache(maxsize=4096)
def _common(left: _Ranges, right: _Ranges) -> tuple[tuple[str, bool], ...]:
    """Return the characters that two places both take, one for all: a part of a name, and the slash."""
    both = _both(left, right)
    parts = ((_both(both, _without(_SLASH)), True), (_both(both, _SLASH), False))
    return tuple((_readable(members), is_name) for members, is_name in parts if members)


def _ahead(steps: tuple[_Step, ...], place: int) -> tuple[int, ...]:
    """Return the places that take a character and can be reached from here without one; the end is one of them."""
    reached: list[int] = []
    waiting = [place]
    while waiting:
        here = waiting.pop()
        if here in reached:
            continue
        if here == len(steps):
            reached.append(here)
            continue
        step = steps[here]
        if step.skips:
            waiting += [here + 1, here + step.skips]
            continue
        reached.append(here)
        if step.repeats:
            waiting.append(here + 1)
    return tuple(reached)


def _spell(
    came_from: dict[tuple[int, int, bool], tuple[tuple[int, int, bool], str] | None], end: tuple[int, int, bool]
) -> str:
    characters: list[str] = []
    origin = came_from[end]
    while origin is not None:
        characters.append(origin[1])
        origin = came_from[origin[0]]
    return "".join(reversed(characters))


def _steps(text: str) -> tuple[_Step, ...]:
    """Read a glob's regular expression."""
    steps: list[_Step] = []
    position = 0
    while position < len(text):
        if text.startswith(_ANY_FOLDERS, position):
            # Left out as a whole, or anything and then a slash.
            steps += [_Step(skips=3), _Step(_ANY, repeats=True), _Step(_SLASH)]
            position += len(_ANY_FOLDERS)
        elif text.startswith(_ANYTHING, position):
            steps.append(_Step(_ANY, repeats=True))
            position += len(_ANYTHING)
        elif text.startswith(_ANY_NAME, position):
            steps.append(_Step(_without(_SLASH), repeats=True))
            position += len(_ANY_NAME)
        elif text.startswith(_ANY_CHARACTER, position):
            steps.append(_Step(_without(_SLASH)))
            position += len(_ANY_CHARACTER)
        elif text.startswith(_CLASS, position):
            members, position = _class(text, position + len(_CLASS))
            steps.append(_Step(_both(members, _without(_SLASH))))
        else:
            code, position = _literal(text, position, _UNKNOWN)
            steps.append(_Step(((code, code),)))
    return tuple(steps)


def _class(text: str, position: int) -> tuple[_Ranges, int]:
    negated = text.startswith("^", position)
    position += negated
    ranges: list[tuple[int, int]] = []
    while not text.startswith("]", position):
        first, position = _literal(text, position, frozenset("[]-^"))
        last = first
        if text.startswith("-", position):
            last, position = _literal(text, position + 1, frozenset("[]-^"))
        ranges.append((first, last))
    members = _merged(ranges)
    return (_without(members) if negated else members), position + 1


def _literal(text: str, position: int, unknown: frozenset[str]) -> tuple[int, int]:
    """Read a character that stands for itself, as `re.escape` writes it, and return it and where the text goes on."""
    if text.startswith("\\", position) and position + 1 < len(text) and not text[position + 1].isalnum():
        return ord(text[position + 1]), position + 2
    if position >= len(text) or text[position] in unknown or text[position] == "\\":
        raise _UnknownForm(text)
    return ord(text[position]), position + 1


def _merged(ranges: list[tuple[int, int]]) -> _Ranges:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _both(left: _Ranges, right: _Ranges) -> _Ranges:
    common = ((max(a, c), min(b, d)) for a, b in left for c, d in right)
    return tuple((first, last) for first, last in common if first <= last)


def _without(members: _Ranges) -> _Ranges:
    gaps: list[tuple[int, int]] = []
    begin = 0
    for first, last in members:
        gaps.append((begin, first - 1))
        begin = last + 1
    gaps.append((begin, _ANY[-1][1]))
    return _both(_ANY, tuple((first, last) for first, last in gaps if first <= last))


def _readable(members: _Ranges) -> str:
    for character in _READABLE:
        if _both(((ord(character), ord(character)),), members):
            return character
    return chr(members[0][0])
