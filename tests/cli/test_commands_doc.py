"""`docs/commands.md` has every command with every option, and no document names one that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from alur.cli import main
from alur.local.paths import find_paths
from alur.local.serve import main as serve

ROOT = find_paths().root
DOC = ROOT / "docs" / "commands.md"
# What it says of commands is also said of those of another program.
OTHERS = frozenset({"alur-framework.md"})
DOCUMENTS = [ROOT / "README.md", *(file for file in sorted((ROOT / "docs").glob("*.md")) if file.name not in OTHERS)]

_HEADING = re.compile(r"^#{2,3} `(alur [a-z ]+)`$", re.MULTILINE)
_ROW = re.compile(r"^\| (`--.*?) \| ", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# In a line of its own of a block of code, or between backticks. What comes behind it in a shell is another command.
_TYPED = re.compile(r"(?:^(?:\$ )?|`(?:eval \"\$\()?)(?:\.venv/bin/)?(alur(?: [^`\n|;&)]+)?)", re.MULTILINE)


def commands() -> dict[str, click.Command]:
    """Every command and group below `alur`, by its words."""
    found: dict[str, click.Command] = {}

    def add(words: str, command: click.Command, ctx: click.Context) -> None:
        found[words] = command
        if isinstance(command, click.Group):
            for name in command.list_commands(ctx):
                child = command.get_command(ctx, name)
                assert child is not None
                add(f"{words} {name}", child, click.Context(child, parent=ctx, info_name=name))

    add("alur", main, click.Context(main, info_name="alur"))
    # It hands its options on.
    found["alur local serve"] = serve
    return found


def options(command: click.Command) -> set[str]:
    """The long names of a command's options, without --help."""
    return {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    } - {"--help", "--version"}


COMMANDS = commands()
# `up` takes what `serve` does.
ACCEPTED = {
    words: options(command) | (options(serve) if words == "alur local up" else set())
    for words, command in COMMANDS.items()
}


def sections(text: str) -> dict[str, str]:
    """The text of each command's section, by the command."""
    parts = _HEADING.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def typed(text: str) -> Iterator[str]:
    """Every call of `alur` that a document has."""
    # Several of them side by side are columns.
    calls = (call for match in _TYPED.finditer(text) for call in re.split(r"\s{2,}", match[1].strip()))
    return (call for call in calls if call.split()[0] == "alur")


def command_of(call: str) -> str:
    """The longest command that a call begins with."""
    words = call.split()
    return max((" ".join(words[:number]) for number in range(1, 4) if " ".join(words[:number]) in COMMANDS), key=len)


def test_every_command_has_a_section_and_every_section_a_command():
    assert set(sections(DOC.read_text())) == set(COMMANDS) - {"alur"}


@pytest.mark.parametrize("words", sorted(set(COMMANDS) - {"alur"}))
def test_a_section_has_exactly_the_options_of_its_command(words: str):
    rows = " ".join(_ROW.findall(sections(DOC.read_text())[words]))
    assert set(_OPTION.findall(rows)) == options(COMMANDS[words])


@pytest.mark.parametrize("words", sorted(word for word, one in COMMANDS.items() if not isinstance(one, click.Group)))
def test_a_section_has_an_example_of_its_own_command(words: str):
    calls = re.findall(r"^\$ (?:eval \"\$\()?(alur [^\n)]+)", sections(DOC.read_text())[words], re.MULTILINE)
    assert words in {command_of(call) for call in calls}


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_a_document_names_only_commands_and_options_that_are_there(file: Path):
    unknown = []
    for call in typed(file.read_text()):
        command = command_of(call)
        rest = call.removeprefix(command).split(" -- ")[0]
        is_group = isinstance(COMMANDS[command], click.Group)
        first = rest.split()[:1]
        # Behind a group comes one of its commands, or nothing that looks like one.
        if is_group and first and re.fullmatch(r"[a-z][a-z-]+", first[0]):
            unknown.append(call)
        if set(_OPTION.findall(rest)) - ACCEPTED[command] - {"--help", "--version"}:
            unknown.append(call)
    assert unknown == []
