from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rendering import ROOT, SECTIONS, TEMPLATE, rendered

# The linter asks nobody; the SAM CLI only wants to find a Region and credentials.
ENVIRONMENT = {
    **os.environ,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "SAM_CLI_TELEMETRY": "0",
}
BIN = Path(sys.executable).parent


def test_cfn_lint_finds_nothing_in_the_template() -> None:
    found = subprocess.run(
        [BIN / "cfn-lint", "--regions", "us-east-1", "ap-southeast-5", "--", TEMPLATE],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    assert found.stdout + found.stderr == ""
    assert found.returncode == 0


@pytest.mark.parametrize("section", ["default", "e2e-test"])
def test_sam_validate_with_lint_accepts_the_template(section: str) -> None:
    found = subprocess.run(
        [BIN / "sam", "validate", "--lint", "--config-env", section],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "is a valid SAM Template" in found.stdout + found.stderr


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"EventIngestion": "off"},
        {"EventIngestion": "on", "LandingPrefix": "in/"},
        {"EventIngestion": "on", "ExistingLandingBucket": "theirs"},
        {"EventIngestion": "on", "ExistingLandingBucket": "theirs", "LandingPrefix": "in/"},
        {"EventIngestion": "off", "ExistingLandingBucket": "theirs"},
        {"KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/abc"},
        {"DeletionProtection": "on"},
        {"AlarmEmail": "data@example.com"},
    ],
)
def test_no_combination_of_parameters_refers_to_a_resource_that_it_does_not_make(
    section: str, more: dict[str, str]
) -> None:
    rendered(section, **more)
