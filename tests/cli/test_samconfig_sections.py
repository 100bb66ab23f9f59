from __future__ import annotations

from pathlib import Path

import pytest

from alur.aws.deployment import read_section
from alur.cli.samconfig import overrides_of, read_deploy_parameters, section_problems, template_parameters

GOOD = {"resolve_s3": True, "capabilities": "CAPABILITY_IAM", "parameter_overrides": ["Environment=dev"]}
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("environment", ["default", "dev", "e2e-test", "prod"])
def test_the_projects_own_sections_are_in_order(environment):
    known = template_parameters(ROOT / "template.yaml")
    parameters = read_deploy_parameters(read_section(environment, ROOT))
    assert section_problems(parameters, known) == []
    assert overrides_of(parameters)["Environment"] == environment


def test_the_templates_parameters_are_read_and_nothing_else():
    known = template_parameters(ROOT / "template.yaml")
    assert {"Environment", "DeletionProtection", "MaxVcpu"} <= known
    assert not {"Default", "UsesKms", "LandingBucket"} & known


def test_a_template_that_is_not_there_has_no_parameters_and_rules_nothing_out(tmp_path):
    assert template_parameters(tmp_path / "template.yaml") == frozenset()
    assert section_problems({**GOOD, "parameter_overrides": ["Odd=1"]}, frozenset()) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"resolve_s3": False}, "resolve_s3"),
        ({"capabilities": []}, "CAPABILITY_IAM"),
        ({"parameter_overrides": ["MaxVcpus=4"]}, "MaxVcpus"),
    ],
)
def test_what_sam_would_stop_at_is_named(change, problem):
    (found,) = section_problems({**GOOD, **change}, frozenset({"Environment", "MaxVcpu"}))
    assert problem in found


def test_a_bucket_of_ones_own_and_a_list_of_capabilities_do_too():
    own = {"s3_bucket": "mine", "capabilities": ["CAPABILITY_NAMED_IAM"]}
    assert section_problems(own, frozenset()) == []


def test_overrides_may_be_one_text():
    assert overrides_of({"parameter_overrides": 'A=1 B="two words"'}) == {"A": "1", "B": "two words"}
