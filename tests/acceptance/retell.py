"""Run `docs/guide.md` from top to bottom in a stack of its own, and write down what its commands print.

    PYTHONPATH=tests .venv/bin/python tests/acceptance/retell.py

Every bash and Python block is run; a `text` block that comes next holds what it printed. Of a long output the text
holds as many lines as there were before its line `…`. The shell and the Python session last from the first block to the
last, as a reader's do.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from acceptance import commands
from acceptance.notebook import open_notebook
from acceptance.project import lay_out, open_shell
from acceptance.world import World
from alur.local.paths import find_paths

_BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_CUT = "…"

# On a terminal the AWS CLI writes over these.
_PROGRESS = re.compile("Completed .* remaining")

# The harness has done these by the time that it can run any other.
_DONE = {line for command in (commands.LAY_OUT, commands.START, commands.TELL) for line in command.strip().splitlines()}


def retell(text: str, directory: Path) -> str:
    """Return the text with what its blocks print now.

    Args:
        text: Markdown.
        directory: an empty one, to work in.
    """
    paths = find_paths()
    project = directory / "project"
    project.mkdir()
    with open_shell(paths, lay_out(paths, project)) as terminal, open_notebook(terminal, directory) as notebook:
        World(terminal.variables).create_buckets()

        def run(language: str, code: str) -> str:
            sys.stderr.write(f"{code}\n")
            if language == "python":
                return notebook.does(code).printed
            left = "\n".join(line for line in code.splitlines() if line not in _DONE)
            # What a terminal shows: both streams, in the order of writing.
            return terminal.type(f"exec 2>&1\n{left}").stdout if left.strip() else ""

        def tell(found: re.Match[str]) -> str:
            language, code, told = found[1], found[2], found[3]
            printed = run(language, code).replace(str(project), "")
            if told is None:
                return found[0]
            lines = [
                line.rstrip() for line in re.split("[\r\n]", printed) if line.strip() and not _PROGRESS.match(line)
            ]
            if _CUT in told.splitlines():
                lines = [*lines[: told.splitlines().index(_CUT)], _CUT]
            return f"```{language}\n{code}```\n\n```text\n" + "\n".join(lines) + "\n```\n"

        return _BLOCK.sub(tell, text)


def main() -> None:
    """Rewrite docs/guide.md."""
    file = find_paths().root / "docs" / "guide.md"
    with tempfile.TemporaryDirectory() as directory:
        file.write_text(retell(file.read_text(), Path(directory)))


if __name__ == "__main__":
    main()
