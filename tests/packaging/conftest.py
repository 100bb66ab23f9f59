from __future__ import annotations

import pytest
from sam_build import Build, sam_build


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """`sam build` of the checkout, made once."""
    return sam_build(tmp_path_factory.mktemp("sam") / "build")
