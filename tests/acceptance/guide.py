"""The guide's blocks of code, by the heading that they stand under."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

RUN = ("bash", "python")
"""The languages of blocks that a reader runs."""

_HEADING = re.compile(r"^#{1,6} +(.*?) *$")
_BOLD_HEADING = re.compile(r"^\*\*(Solution [0-9]+: .*?)\*\*$")
_FENCE = re.compile(r"^```([a-z]*)$")


@dataclass(slots=True, eq=False)
class Block:
    """A block of code.

    Attributes:
        heading: the nearest heading above it.
        language: as its fence says.
        text: what is in it.
        ran_in: the scenarios that have run it.
    """

    heading: str
    language: str
    text: str
    ran_in: set[str] = field(default_factory=set)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands of a bash block, each on one line, without comments."""
        joined = self.text.replace("\\\n", " ")
        lines = (" ".join(line.split()) for line in joined.splitlines())
        return tuple(line for line in lines if line and not line.startswith("#"))


def parse(text: str) -> tuple[Block, ...]:
    """Return the blocks of a text in Markdown, in its order.

    Args:
        text: its lines. A bold line `**Solution 1: …**` counts as a heading.
    """
    blocks: list[Block] = []
    heading, language = "", None
    inside: list[str] = []
    for line in text.splitlines():
        fence = _FENCE.match(line)
        if language is not None:
            if fence:
                blocks.append(Block(heading, language, "\n".join(inside) + "\n"))
                language, inside = None, []
            else:
                inside.append(line)
        elif fence:
            language = fence[1]
        elif found := _HEADING.match(line) or _BOLD_HEADING.match(line):
            heading = found[1]
    return tuple(blocks)


class Guide:
    """A text whose blocks are handed out to scenarios, each block once.

    Args:
        text: Markdown.
    """

    def __init__(self, text: str) -> None:
        self.blocks = parse(text)
        self._taken: dict[str, str] = {}

    def take(self, heading: str, scenario: str) -> Sequence[Block]:
        """Hand out the blocks under a heading.

        Args:
            heading: as it stands in the text, or its beginning.
            scenario: who runs them.
        """
        found = [block for block in self.blocks if block.heading.startswith(heading)]
        headings = {block.heading for block in found}
        assert len(headings) == 1, f"{heading!r} is the beginning of {sorted(headings)}"
        (whole,) = headings
        earlier = self._taken.setdefault(whole, scenario)
        assert earlier == scenario, f"{whole!r} is run by {earlier} already"
        return found

    def scenario_of(self, block: Block) -> str | None:
        """Return who has taken a block; None: nobody has."""
        return self._taken.get(block.heading)


GUIDE = Guide((Path(__file__).parent / "guide.md").read_text())
"""The guide."""
