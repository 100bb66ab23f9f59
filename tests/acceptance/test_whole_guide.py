"""Nothing of the guide is left out, and nothing is told in `docs/guide.md` that is not run here."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from acceptance.guide import GUIDE, RUN

HERE = Path(__file__).parent
OURS = Path(__file__).parents[2] / "docs" / "guide.md"


@pytest.fixture(scope="module", autouse=True)
def _scenarios():
    for module in sorted(HERE.glob("test_*.py")):
        importlib.import_module(f"acceptance.{module.stem}")


def test_every_block_of_the_guide_that_can_be_run_belongs_to_one_scenario():
    assert {block.language for block in GUIDE.blocks} == set(RUN)
    assert [block.heading for block in GUIDE.blocks if GUIDE.scenario_of(block) is None] == []
    assert len(GUIDE.blocks) == 19


def test_every_block_of_the_guide_was_run_by_its_scenario_alone(request):
    selected = {item.path for item in request.session.items}
    if not set(HERE.glob("test_*.py")) <= selected or len(request.session.items) < len(selected):
        pytest.skip("only some scenarios were selected")
    assert {block.heading: block.ran_in for block in GUIDE.blocks} == {
        block.heading: {GUIDE.scenario_of(block)} for block in GUIDE.blocks
    }
