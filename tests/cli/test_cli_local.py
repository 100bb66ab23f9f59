from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from alur.cli import main
from alur.cli.demo import Delivery, mismatches, percentile
from alur.local.environment import Endpoints
from alur.local.landing import Entry
from alur.local.state import StackState, hold, read_state, without_names, write_state
from alur.local.warehouse import TableContent


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "src" / "alur").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stack(checkout):
    """A stack as the other commands see it: a held lock and a state file."""
    directory = checkout / ".alur" / "local"
    with hold(directory):
        endpoints = Endpoints("http://127.0.0.1:1", "http://127.0.0.1:2", "ap-southeast-5")
        write_state(
            directory, StackState(os.getpid(), endpoints, OUTPUTS, {}, "logs", "now", "dev", "alur-dev", "conf")
        )
        yield directory


OUTPUTS = {
    "LandingBucket": "landing",
    "LakeBucket": "lake",
    "StateTable": "state",
    "BatchesTable": "batches",
    "Database": "bronze",
    "ArtifactsBucket": "artifacts",
    "ApplicationId": "application",
    "JobRoleArn": "role",
    "ArchiveUri": "s3://artifacts/alur.tar.gz",
    "EntryPointUri": "s3://artifacts/main.py",
}


def call(*arguments):
    return CliRunner().invoke(main, list(arguments))


def test_help_lists_the_groups():
    answer = call("--help")
    assert answer.exit_code == 0
    assert "local" in answer.output


@pytest.mark.parametrize("command", [["status"], ["env"], ["drop", "pyproject.toml", "--table", "orders"]])
def test_without_a_stack_the_exit_code_is_3(checkout, command):
    answer = call("local", *command)
    assert answer.exit_code == 3
    assert "alur local up" in answer.output


def test_a_wrong_usage_has_the_exit_code_2(checkout):
    assert call("local", "drop").exit_code == 2
    assert call("local", "nonsense").exit_code == 2
    assert call("nonsense").exit_code == 2


def test_down_without_a_stack_is_no_failure(checkout):
    answer = call("local", "down")
    assert (answer.exit_code, answer.output) == (0, "nothing runs\n")


def test_env_prints_export_lines_and_nothing_else(stack):
    answer = call("local", "env")
    assert answer.exit_code == 0
    lines = answer.output.splitlines()
    assert all(line.startswith("export ") for line in lines)
    exported = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    wanted = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "ap-southeast-5",
        "AWS_DEFAULT_REGION": "ap-southeast-5",
        "ALUR_ENV": "dev",
        "ALUR_LANDING_BUCKET": "landing",
        "ALUR_ARTIFACTS_BUCKET": "artifacts",
        "ALUR_APPLICATION_ID": "application",
        "ALUR_JOB_ROLE_ARN": "role",
        "ALUR_ARCHIVE_URI": "s3://artifacts/alur.tar.gz",
        "ALUR_ENTRY_POINT_URI": "s3://artifacts/main.py",
        "SPARK_CONF_DIR": "conf",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    assert wanted.items() <= exported.items()


def test_the_next_stack_hears_nothing_of_what_was_exported_of_an_earlier_one(stack):
    state = read_state(stack)
    user = {"PATH": "/bin", "ALUR_FAULTS": "/faults"}
    left = without_names({**user, **state.names, "SPARK_CONF_DIR": state.spark_conf})
    assert left == user


def test_a_stack_of_another_section_is_not_passed_off_as_the_one_that_was_asked_for(stack):
    answer = call("local", "up", "--section", "e2e-test")
    assert answer.exit_code == 1
    assert "dev" in answer.output
    assert call("local", "up", "--section", "dev").exit_code == 0
    assert call("local", "up").exit_code == 0


def test_status_says_which_environment_it_is(stack):
    assert "alur-dev in ap-southeast-5" in call("local", "status").output


def test_status_gives_json_when_asked(stack):
    shown = json.loads(call("local", "status", "--json").output)
    assert shown["outputs"] == OUTPUTS
    assert (shown["section"], shown["stack_name"]) == ("dev", "alur-dev")
    assert shown["variables"]["AWS_ENDPOINT_URL_DYNAMODB"] == "http://127.0.0.1:2"


def test_a_state_file_of_a_dead_stack_counts_nothing(checkout):
    directory = checkout / ".alur" / "local"
    directory.mkdir(parents=True)
    (directory / "stack.json").write_text("{}")
    assert call("local", "status").exit_code == 3


def test_the_percentile_is_by_nearest_rank():
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile(list(range(1, 101)), 95) == 95
    assert percentile([7.0], 95) == 7.0


class TestWhatTheDemoCompares:
    delivery = Delivery("t", {}, {"s3://b/one": 2, "s3://b/two": 3})

    def entry(self, path, rows, status="completed"):
        return Entry(path, status, rows, "why", 1.0)

    def compare(self, one, two, table_rows):
        return mismatches([self.delivery], {"t": [one, two]}, {"t": TableContent(table_rows, 1, "1")})

    def test_the_same_numbers_are_no_mismatch(self):
        assert self.compare(self.entry("s3://b/one", 2), self.entry("s3://b/two", 3), 5) == []

    def test_a_wrong_table_a_wrong_file_and_a_failed_file_are_each_named(self):
        assert len(self.compare(self.entry("s3://b/one", 2), self.entry("s3://b/two", 3), 6)) == 1
        assert "says 1" in self.compare(self.entry("s3://b/one", 1), self.entry("s3://b/two", 3), 5)[0]
        assert "why" in self.compare(self.entry("s3://b/one", 2, "failed"), self.entry("s3://b/two", 3), 5)[0]
