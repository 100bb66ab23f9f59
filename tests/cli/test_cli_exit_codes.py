"""What the exit codes are, and what is said with them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from alur.aws.clients import client
from alur.cli import main
from alur.cli.output import confirm, errors_to_exit_codes
from alur.errors import (
    ContractError,
    DeploymentUnknown,
    LedgerRefused,
    LedgerUnavailable,
    QueueRefused,
    StorageRefused,
    StorageUnavailable,
    SubmitRefused,
)
from alur.local.environment import Endpoints
from cli_support import Place
from ledger_support import unique


def run(error):
    @click.command()
    def command():
        with errors_to_exit_codes():
            raise error

    return CliRunner(mix_stderr=False).invoke(command)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DeploymentUnknown("StateTable", "nothing says which"), 3),
        (LedgerRefused("Query", "ResourceNotFoundException", "no table"), 3),
        (LedgerRefused("Query", "AccessDeniedException", "no"), 3),
        (LedgerRefused("Query", "UnrecognizedClientException", "who"), 3),
        (LedgerUnavailable("Query", "NoCredentialsError", "none"), 3),
        (LedgerUnavailable("Query", "ExpiredTokenException", "old"), 3),
        (LedgerUnavailable("Query", "EndpointConnectionError", "nobody"), 3),
        (StorageRefused("ListObjectsV2", "s3://b/", "NoSuchBucket"), 3),
        (StorageRefused("HeadObject", "s3://b/k", "403"), 3),
        (StorageUnavailable("HeadObject", "s3://b/k", "NoCredentialsError"), 3),
        (QueueRefused("url", "AWS.SimpleQueueService.NonExistentQueue", "no"), 3),
        (SubmitRefused("app", "AccessDeniedException", "no"), 3),
        (LedgerRefused("Query", "ValidationException", "bad"), 1),
        (LedgerUnavailable("Query", "ThrottlingException", "slow"), 1),
        (StorageUnavailable("HeadObject", "s3://b/k", "SlowDown"), 1),
        (ContractError("OrdersBronze", "a rule"), 1),
    ],
)
def test_3_means_nothing_there_or_no_access_and_1_any_other_error(error, code):
    result = run(error)
    assert result.exit_code == code
    assert result.stdout == ""
    assert str(error) in result.stderr


def test_no_access_comes_with_what_to_do():
    assert "sts get-caller-identity" in run(LedgerRefused("Query", "AccessDeniedException", "no")).stderr
    assert "sign in" in run(LedgerUnavailable("Query", "NoCredentialsError", "none")).stderr
    assert "Region" in run(LedgerRefused("Query", "ResourceNotFoundException", "no")).stderr


def test_an_interrupt_is_130_and_one_line():
    result = run(KeyboardInterrupt())
    assert result.exit_code == 130
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_error_that_is_no_ones_of_ours_is_not_hidden():
    assert isinstance(run(RuntimeError("a bug")).exception, RuntimeError)


def test_help_says_what_the_codes_mean():
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for code in ("0    done", "2    wrong usage", "3    nothing is deployed", "130  interrupted"):
        assert code in result.output


@pytest.mark.parametrize("command", ["status", "files", "show", "retry", "reprocess", "state", "backfill"])
def test_every_command_has_its_help(command):
    assert command in CliRunner().invoke(main, ["--help"]).output
    assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


@pytest.fixture
def nowhere(aws_servers: Endpoints, monkeypatch, tmp_path):
    """AWS without anything of ours, and a directory without samconfig.toml."""
    for name in ("ALUR_ENV", "ALUR_STATE_TABLE", "ALUR_LANDING_BUCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


COMMANDS = [
    ["status"],
    ["files", "orders"],
    ["show", "s3://b/k"],
    ["retry", "orders", "--all-failed"],
    ["reprocess", "s3://b/k"],
    ["state", "clear", "orders", "--yes"],
    ["state", "purge", "orders", "--older-than", "90d"],
    ["backfill", "orders", "--source", "s3://b/*"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_without_a_deployment_the_exit_code_is_3(nowhere, command):
    result = CliRunner(mix_stderr=False).invoke(main, command)
    assert result.exit_code == 3
    assert "ALUR_ENV" in result.stderr


def test_an_environment_that_is_not_deployed_is_3_with_the_command_that_deploys_it(nowhere, tmp_path):
    (tmp_path / "samconfig.toml").write_text('[dev.deploy.parameters]\nstack_name = "nothing-here"\n')
    result = CliRunner(mix_stderr=False).invoke(main, ["status", "--env", "dev"])
    assert result.exit_code == 3
    assert "alur deploy --env dev" in result.stderr
    result = CliRunner(mix_stderr=False).invoke(main, ["status", "--env", "prod"])
    assert result.exit_code == 3
    assert "no section prod" in result.stderr


def test_a_table_of_the_ledger_that_is_not_there_is_3(place: Place, monkeypatch):
    monkeypatch.setenv("ALUR_STATE_TABLE", unique("nothing"))
    result = place.call("status", "orders")
    assert result.exit_code == 3
    assert "ResourceNotFoundException" in result.stderr


def test_without_credentials_it_is_3(place: Place, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    # It keeps the credentials that it has found once.
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    client.cache_clear()
    result = place.call("status", "orders")
    assert result.exit_code == 3
    assert "sign in" in result.stderr


def test_without_a_region_it_is_3(place: Place, monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    client.cache_clear()
    result = place.call("status", "orders")
    assert result.exit_code == 3
    assert "AWS_REGION" in result.stderr


@pytest.mark.parametrize(
    "command", [["status", "nothing"], ["files", "nothing"], ["retry", "nothing", "--all-failed"]], ids=" ".join
)
def test_a_table_that_no_contract_declares_is_wrong_usage(place: Place, command):
    result = place.call(*command)
    assert result.exit_code == 2
    assert "orders (OrdersBronze)" in result.stderr


def asking(answer):
    @click.command()
    def command():
        confirm("Really?")
        click.echo("did it")

    return CliRunner(mix_stderr=False).invoke(command, input=answer)


def test_only_a_yes_goes_on():
    assert asking("y\n").stdout.endswith("did it\n")
    refused = asking("n\n")
    assert refused.exit_code == 1
    assert "did it" not in refused.stdout


@pytest.mark.parametrize(("error", "code", "words"), [(EOFError, 1, "--yes"), (KeyboardInterrupt, 130, "interrupted")])
def test_no_answer_is_told_of_yes_and_an_interrupt_is_130(monkeypatch, error, code, words):
    @click.command()
    def command():
        # Only now: the runner has put its own in this place.
        monkeypatch.setattr("click.termui.visible_prompt_func", raising)
        confirm("Really?")

    def raising(*_, **__):
        raise error

    result = CliRunner(mix_stderr=False).invoke(command)
    assert result.exit_code == code
    assert words in result.stderr
