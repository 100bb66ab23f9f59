from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from project_support import call

ALUR = Path(sys.executable).with_name("alur")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_that_asks_alur_itself(shell):
    answer = call("completion", shell)
    assert answer.exit_code == 0
    assert f"_ALUR_COMPLETE={shell}_complete" in answer.stdout


def test_another_shell_is_wrong_usage():
    assert call("completion", "powershell").exit_code == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("alur dep", "plain,deploy\n"),
        ("alur deploy --dry", "plain,--dry-run\n"),
        ("alur completion f", "plain,fish\n"),
    ],
)
def test_what_the_script_asks_is_answered(words, expected):
    variables = {
        **os.environ,
        "_ALUR_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run([ALUR], env=variables, capture_output=True, text=True, check=False)
    assert done.stdout == expected
