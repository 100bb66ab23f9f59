from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Build:
    """What `sam build` made, and what it said."""

    directory: Path
    output: str

    @property
    def layer(self) -> Path:
        return self.directory / "CodeLayer" / "python"


def sam_build(directory: Path) -> Build:
    """Run `sam build` on the checkout, into another directory."""
    tools = Path(sys.executable).parent
    done = subprocess.run(
        [tools / "sam", "build", "--build-dir", directory],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "SAM_CLI_TELEMETRY": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return Build(directory, output)
