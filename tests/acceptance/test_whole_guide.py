"""Nothing of the guide is left out, and `docs/guide.md` tells nothing that is not run here."""

from __future__ import annotations

import hashlib
import importlib
import os
from pathlib import Path

import pytest

from acceptance import commands
from acceptance.guide import GUIDE, RUN, Block, parse

HERE = Path(__file__).parent
SHA256 = "56b299aa033da5cf863790f26b17f15801ac71279c150d6ec862686df83d2eae"
OURS = parse((HERE.parents[1] / "docs" / "guide.md").read_text())


@pytest.fixture(scope="module", autouse=True)
def _scenarios():
    for module in sorted(HERE.glob("test_*.py")):
        importlib.import_module(f"acceptance.{module.stem}")


@pytest.fixture
def everything_ran(request):
    """The session holds every test of this folder; else what has not run says nothing."""
    config = request.config
    missing = set(HERE.glob("test_*.py")) - {item.path for item in request.session.items}
    shared = "PYTEST_XDIST_WORKER" in os.environ
    if (
        shared
        or missing
        or config.option.keyword
        or config.option.markexpr
        or any("::" in argument for argument in config.args)
    ):
        pytest.skip("only some scenarios were selected")


def known_commands():
    """The commands of the guide, and those that the scenarios type beside them."""
    texts = [text for name, text in vars(commands).items() if name.isupper()]
    blocks = [block for block in GUIDE.blocks if block.language == "bash"]
    return {line for block in [*blocks, *(Block("", "bash", text) for text in texts)] for line in block.commands}


def test_the_guide_is_the_one_that_was_written_letter_by_letter():
    # Formatters like to mend what stands in Markdown.
    assert hashlib.sha256((HERE / "guide.md").read_bytes()).hexdigest() == SHA256


def test_every_block_of_the_guide_that_can_be_run_belongs_to_one_scenario():
    assert len(GUIDE.blocks) == 19
    assert {block.language for block in GUIDE.blocks} == set(RUN)
    assert [block.heading for block in GUIDE.blocks if GUIDE.scenario_of(block) is None] == []


def test_every_command_of_our_telling_is_one_that_the_scenarios_type():
    told = {line for block in OURS if block.language == "bash" for line in block.commands}
    assert told - known_commands() == set()


def test_our_telling_has_every_command_of_the_guide_but_the_path_that_is_not_there():
    told = {line for block in OURS if block.language == "bash" for line in block.commands}
    left_out = {line for block in GUIDE.blocks if block.language == "bash" for line in block.commands} - told
    assert [line for line in left_out if "s3://bucket/file.csv" not in line] == []


def test_every_block_of_the_guide_was_run_by_its_scenario_alone(everything_ran):
    assert [(block.heading, block.ran_in) for block in GUIDE.blocks] == [
        (block.heading, {GUIDE.scenario_of(block)}) for block in GUIDE.blocks
    ]


def test_every_command_that_is_known_was_typed(everything_ran, terminal):
    # Its last word is not spoken yet.
    assert known_commands() - terminal.typed == {commands.STOP}
