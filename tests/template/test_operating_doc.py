"""docs/operating.md is read by somebody in a hurry: its commands must be ones that AWS takes."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess

import boto3
import pytest
from rendering import ROOT, source

TEXT = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
BASH = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
# Of the CLI's own, for every operation.
OF_THE_CLI = {"query", "output", "max-items"}


def commands() -> list[list[str]]:
    """Every `aws …` of the page, as words: of its blocks and of its running text."""
    inline = re.findall(r"`(aws [a-z-]+ [a-z-]+ --[^`]*)`", TEXT)
    joined = "\n".join([*BASH, *inline]).replace("\\\n", " ")
    # What the shell puts in is one word, whatever it is.
    flat = re.sub(r"\$\(output [\"$\w]+\)|\$\(\( .*? \)\)|\$\{?\w+(:-\d+)?\}?", "VALUE", joined)
    return [
        shlex.split(found.rstrip(")"))
        for found in re.findall(r"aws (?:.|\n(?=  ))*", flat)
        if not found.startswith("aws s3 cp")
    ]


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words[1:3]))
def test_a_command_is_an_operation_of_aws_with_parameters_that_it_has(words: list[str]) -> None:
    _, service, operation, *rest = words
    model = boto3.client(service, region_name="us-east-1").meta.service_model
    assert camel(operation) in model.operation_names
    shape = model.operation_model(camel(operation)).input_shape
    members = {name.lower(): name for name in shape.members}
    given = [word.removeprefix("--") for word in rest if word.startswith("--")]
    for name in set(given) - OF_THE_CLI - {"consistent-read"}:
        assert name.replace("-", "") in members, f"{operation} has no --{name}"
    assert {name.lower() for name in shape.required_members} <= {name.replace("-", "") for name in given}


def test_there_are_commands_and_each_block_is_valid_bash() -> None:
    assert len(commands()) >= 15
    for block in BASH:
        found = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr


def test_the_outputs_that_it_reads_are_outputs() -> None:
    read = set(re.findall(r"\$\(output (\w+)\)", TEXT)) | set(re.findall(r"^logs (\w+)", TEXT, re.MULTILINE))
    assert read >= {"StateTable", "DeadLetterQueueArn", "EventQueueArn", "DispatcherLogGroup", "ReconcilerLogGroup"}
    assert read <= set(source()["Outputs"])


def test_every_parameter_and_alarm_that_it_names_is_one() -> None:
    named = set(re.findall(r"`((?:Alarm|Max|Min|Landing|Kms)\w+|\w+Alarm)`", TEXT))
    assert named <= set(source()["Parameters"]) | set(source()["Resources"])


def test_its_links_lead_to_headings() -> None:
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.+)$", TEXT, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors
    deploying = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    for anchor in re.findall(r"\]\(deploying\.md#([\w-]+)\)", TEXT):
        assert f"\n## {anchor.capitalize()}\n" in deploying


def test_the_move_by_hand_is_valid_python() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    ast.parse(block)


def test_what_it_looks_for_in_the_dispatchers_log_is_what_the_dispatcher_logs() -> None:
    code = (ROOT / "src" / "alur" / "dispatch" / "dispatcher.py").read_text(encoding="utf-8")
    for phrase in ("no contract claims", "files come back", "malformed record"):
        assert f'"{phrase}"' in TEXT
        assert phrase in code
