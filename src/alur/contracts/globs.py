"""Which keys a glob of `Meta.source_path` means.

| in a glob   | means                                                                    |
|-------------|--------------------------------------------------------------------------|
| `*`         | any characters but `/`, also none                                        |
| `**`        | alone between slashes: any number of levels, also none                   |
| `?`         | one character but `/`                                                    |
| `[0-9]`     | one character of these; `[!0-9]` one that is not; never `/`              |
| `{a,b}`     | either; they nest                                                        |

Everything else stands for itself, the backslash too: `[*]` is a star. Case counts, and names that begin with a dot or
an underscore are names like any other.

A key is not a path: `a//b` and `a/b` are two objects, `.` and `..` are levels like any other, and `a/` is an object of
its own. wcmatch was tried and takes keys for paths: it matches `a//b` with `a/*`, never matches a level `..`, and takes
`x.csv/` for `x.csv`. Hence this translator to regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from alur.errors import ContractError

MAX_ALTERNATIVES = 256
"""How many globs the braces of one may stand for: more is a mistake rather than a layout."""

_SCHEME = "s3://"
_SPECIAL = re.compile(r"[*?\[{]")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Glob:
    """One glob without braces, compiled.

    Args:
        bucket: the bucket.
        prefix: what every matching key begins with.
        pattern: matches the whole key.
    """

    bucket: str
    prefix: str
    pattern: re.Pattern[str]

    def matches(self, key: str) -> bool:
        """Say whether the glob means this key of its bucket; keys that end in `/` are markers, never files."""
        return key.startswith(self.prefix) and not key.endswith("/") and self.pattern.fullmatch(key) is not None


def compile_glob(glob: str) -> tuple[Glob, ...]:
    """Compile a glob: one `Glob` for each combination of the alternatives in its braces.

    Args:
        glob: `s3://bucket/…`, all variables replaced.

    Raises:
        ContractError: the glob is not one, or can match nothing; its `contract` is the glob.
    """
    bucket, key_glob = _split(glob)
    alternatives = list(dict.fromkeys(_expand(glob, key_glob)))
    return tuple(
        Glob(bucket, _literal(alternative), re.compile(_translate(glob, alternative), re.DOTALL))
        for alternative in alternatives
    )


def literal_prefix(glob: str) -> tuple[str, str]:
    """Return the bucket and what every key that the glob means begins with: where to list, or to drop a file.

    Raises:
        ContractError: the glob is not one; its `contract` is the glob.
    """
    bucket, key_glob = _split(glob)
    return bucket, _literal(key_glob)


def listing_prefixes(globs: Iterable[str]) -> list[tuple[str, str]]:
    """Return (bucket, prefix) of the listings in which every object of these globs is, none of them listed twice.

    Args:
        globs: `s3://bucket/…`, all variables replaced.

    Raises:
        ContractError: a glob is not one.
    """
    kept: list[tuple[str, str]] = []
    for bucket, prefix in sorted({literal_prefix(glob) for glob in globs}):
        # Sorted, whatever covers a prefix stands before it, and everything between the two is covered as well.
        if not kept or kept[-1][0] != bucket or not prefix.startswith(kept[-1][1]):
            kept.append((bucket, prefix))
    return kept


def _literal(key_glob: str) -> str:
    special = _SPECIAL.search(key_glob)
    return key_glob[: special.start()] if special else key_glob


def _split(glob: str) -> tuple[str, str]:
    if not glob.startswith(_SCHEME):
        raise ContractError(glob, "a glob begins with s3://, as in s3://bucket/orders/**/*.csv")
    if "${" in glob:
        raise ContractError(glob, "a variable of this glob has no value yet; load contracts with load_contracts")
    bucket, slash, key_glob = glob[len(_SCHEME) :].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ContractError(glob, f"{bucket!r} is no bucket's name; write one bucket in full, a glob for each")
    if not slash or not key_glob:
        raise ContractError(glob, f"it names a bucket and no keys; write s3://{bucket}/**/*.csv")
    if key_glob.endswith("/"):
        raise ContractError(glob, f"it ends in a slash and so means no file; write {glob}**")
    return bucket, key_glob


def _class_end(glob: str, text: str, start: int) -> int:
    """Return where the class that begins at `start` ends; `]` right after `[` or `[!` is one of its characters."""
    first = start + 1
    if text[first : first + 1] in ("!", "^"):
        first += 1
    end = text.find("]", first + 1)
    if end < 0 or "/" in text[start:end]:
        raise ContractError(glob, "a [ that is not closed before the next slash; write [[] for the character itself")
    if text.startswith("[:", first):
        raise ContractError(glob, "classes by name, as [[:digit:]], are not known; write the characters, as [0-9]")
    return end


def _expand(glob: str, text: str) -> list[str]:
    """Write out the braces of `text`, from left to right, innermost last."""
    position = 0
    while position < len(text):
        character = text[position]
        if character == "[":
            position = _class_end(glob, text, position)
        elif character == "}":
            raise ContractError(glob, "a } without its {; write [}] for the character itself")
        elif character == "{":
            options, after = _options(glob, text, position)
            heads = [text[:position] + option for option in options]
            tails = _expand(glob, text[after:])
            if len(heads) * len(tails) > MAX_ALTERNATIVES:
                raise ContractError(glob, f"its braces stand for more than {MAX_ALTERNATIVES} globs; use * or [0-9]")
            return [head + tail for head in heads for tail in tails]
        position += 1
    return [text]


def _options(glob: str, text: str, start: int) -> tuple[list[str], int]:
    """Return the alternatives of the brace at `start`, their own braces written out, and where the text goes on."""
    depth = 0
    begin = start + 1
    raw: list[str] = []
    position = start
    while position < len(text):
        character = text[position]
        if character == "[":
            position = _class_end(glob, text, position)
        elif character == "{":
            depth += 1
        elif character == "," and depth == 1:
            raw.append(text[begin:position])
            begin = position + 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                raw.append(text[begin:position])
                if len(raw) == 1:
                    raise ContractError(glob, "braces hold alternatives, as {a,b}; write [{] for the character itself")
                return [option for part in raw for option in _expand(glob, part)], position + 1
        position += 1
    raise ContractError(glob, "a { that is not closed; write [{] for the character itself")


def _translate(glob: str, key_glob: str) -> str:
    """Translate a key's glob without braces into a regular expression for the whole key."""
    levels = key_glob.split("/")
    if not levels[-1]:
        raise ContractError(glob, f"one of its alternatives, {key_glob}, ends in a slash and so means no file")
    translated: list[str] = []
    for position, level in enumerate(levels):
        last = position == len(levels) - 1
        if level == "**":
            if last:
                translated.append(".*")
            elif position == 0 or levels[position - 1] != "**":
                translated.append("(?:.*/)?")
        elif "**" in level:
            raise ContractError(glob, "** stands alone between slashes: **/*.csv for all below, *.csv for this level")
        else:
            translated.append(_translate_level(glob, level) + ("" if last else "/"))
    return "".join(translated)


def _translate_level(glob: str, level: str) -> str:
    translated: list[str] = []
    position = 0
    while position < len(level):
        character = level[position]
        if character == "*":
            translated.append("[^/]*")
        elif character == "?":
            translated.append("[^/]")
        elif character == "[":
            end = _class_end(glob, level, position)
            translated.append(_translate_class(glob, level[position + 1 : end]))
            position = end
        else:
            translated.append(re.escape(character))
        position += 1
    return "".join(translated)


def _translate_class(glob: str, members: str) -> str:
    negated = members[0] in "!^"
    if negated:
        members = members[1:]
    parts: list[str] = []
    position = 0
    while position < len(members):
        if members[position + 1 : position + 2] == "-" and position + 2 < len(members):
            first, last = members[position], members[position + 2]
            if first > last:
                raise ContractError(glob, f"the range {first}-{last} is empty; write {last}-{first}")
            parts.append(f"{re.escape(first)}-{re.escape(last)}")
            position += 3
        else:
            parts.append(re.escape(members[position]))
            position += 1
    return f"(?!/)[{'^' if negated else ''}{''.join(parts)}]"
