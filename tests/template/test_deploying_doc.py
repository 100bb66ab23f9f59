from __future__ import annotations

import re

import pytest
from rendering import ROOT, as_list, source
from samtranslator.yaml_helper import yaml_parse

TEXT = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", TEXT, re.MULTILINE))


@pytest.mark.parametrize("name", sorted(source()["Parameters"]))
def test_the_table_of_parameters_has_each_with_its_default(name: str) -> None:
    assert ROWS[name] == str(source()["Parameters"][name].get("Default", ""))


def test_the_table_of_parameters_has_no_other() -> None:
    assert set(ROWS) == set(source()["Parameters"])


def test_what_is_imported_has_the_templates_logical_ids_types_and_keys() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    imported = yaml_parse(block)["Resources"]
    retained = {
        name
        for name, resource in source()["Resources"].items()
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate"
    }
    assert set(imported) == retained
    for name, resource in imported.items():
        written = source()["Resources"][name]
        assert resource["Type"] == written["Type"]
        assert resource["DeletionPolicy"] == "Retain"
        for what in ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode"):
            assert resource["Properties"].get(what) == written["Properties"].get(what)


def test_what_the_text_calls_an_output_is_one() -> None:
    for name in (
        "AlarmTopicArn",
        "Database",
        "DeadLetterQueueArn",
        "DeadLetterQueueUrl",
        "EventQueueArn",
        "EventQueueUrl",
        "JobRoleArn",
    ):
        assert f"`{name}`" in TEXT
        assert name in source()["Outputs"]


def test_every_resource_that_stays_is_said_to_stay() -> None:
    for line in TEXT.splitlines():
        if line.startswith("| ") and line.rstrip(" |").endswith(("stays", "stay")):
            for name in re.findall(r"`(\w+)`", line.split("|")[2]):
                if name != "ExistingLandingBucket":
                    assert as_list(source()["Resources"][name]["DeletionPolicy"])[0].startswith("Retain")
