from __future__ import annotations

import re

import pytest
from rendering import SECTIONS, parameters_of, samconfig, source


def test_there_is_a_section_for_each_environment() -> None:
    assert {name for name in samconfig() if name != "version"} == set(SECTIONS)
    assert samconfig()["version"] == 0.1


@pytest.mark.parametrize("section", SECTIONS)
def test_a_deploy_needs_no_question_to_be_answered(section: str) -> None:
    deploy = samconfig()[section]["deploy"]["parameters"]
    assert deploy["resolve_s3"] is True
    assert deploy["capabilities"] == "CAPABILITY_IAM"
    assert samconfig()[section]["delete"]["parameters"]["stack_name"] == deploy["stack_name"]
    assert samconfig()[section]["validate"]["parameters"]["lint"] is True


def test_every_environment_is_a_stack_of_its_own() -> None:
    names = [samconfig()[section]["deploy"]["parameters"]["stack_name"] for section in SECTIONS]
    assert len(set(names)) == len(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_no_section_tags_the_stack(section: str) -> None:
    assert "tags" not in samconfig()[section]["deploy"]["parameters"]


@pytest.mark.parametrize("section", SECTIONS)
def test_the_parameters_are_ones_that_the_template_takes(section: str) -> None:
    for name, value in parameters_of(section).items():
        declared = source()["Parameters"][name]
        assert value in declared.get("AllowedValues", [value])
        assert re.search(declared.get("AllowedPattern", ""), value)
        assert len(value) <= declared.get("MaxLength", len(value))


def test_the_guides_environment_waits_for_run_in_the_guides_region() -> None:
    assert samconfig()["e2e-test"]["deploy"]["parameters"]["region"] == "ap-southeast-5"
    assert parameters_of("e2e-test")["EventIngestion"] == "off"
