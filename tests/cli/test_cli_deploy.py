from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pytest

from alur.aws.clients import client
from alur.aws.stacks import Stacks
from catalog_support import create_iceberg_table
from project_support import call, forget_credentials, forget_project, make_project, table
from sam_support import install_sam, without
from stack_support import create_stack, write_samconfig

FILES = {"contracts/orders.py": table("Orders", "s3://${LandingBucket}/orders/**/*.csv")}
OUTPUTS = {"LandingBucket": "landing-1", "StateTable": "state-1", "Database": "bronze_1", "MaxVcpu": "4"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    yield make_project(tmp_path, monkeypatch, FILES)
    forget_project()


@pytest.fixture
def stack(project):
    name = f"stack-{uuid.uuid4().hex[:8]}"
    write_samconfig(project, "dev", name)
    return name


@pytest.fixture
def sam(project, monkeypatch):
    return install_sam(project, monkeypatch)


def database_of(stack):
    return stack.replace("-", "_")


@pytest.fixture
def no_credentials(monkeypatch):
    forget_credentials(monkeypatch)
    yield
    client.cache_clear()


class TestWithoutAWS:
    def test_a_dry_run_says_what_would_be_run_and_runs_nothing(self, stack, sam, project):
        answer = call("deploy", "--env", "dev", "--dry-run", "--", "--no-execute-changeset")
        assert answer.exit_code == 0
        program = str(project / "bin" / "sam")
        assert answer.stdout.splitlines() == [
            f"in {project}, for the stack {stack}, these would be run:",
            f"  {program} build --config-env dev",
            f"  {program} deploy --config-env dev --region us-east-1 --no-execute-changeset",
        ]
        assert sam.calls == []

    def test_a_dry_run_gives_json_when_asked(self, stack, sam, project):
        shown = json.loads(call("deploy", "--env", "dev", "--dry-run", "--json").stdout)
        assert (shown["directory"], shown["stack"]) == (str(project), stack)
        assert [command[1] for command in shown["commands"]] == ["build", "deploy"]

    def test_what_is_declared_wrongly_is_not_built(self, stack, sam, project):
        (project / "src" / "contracts" / "broken.py").write_text("1/0\n")
        answer = call("deploy", "--env", "dev")
        assert answer.exit_code == 1
        assert "error: contracts.broken" in answer.stderr
        assert sam.calls == []

    def test_a_machine_without_sam_is_told_where_to_get_it(self, stack, sam, project, monkeypatch):
        without("sam", project, monkeypatch)
        answer = call("deploy", "--env", "dev")
        assert answer.exit_code == 1
        assert "make setup" in answer.stderr

    def test_a_machine_without_the_functions_python_is_told_so_before_the_build(self, stack, sam, project, monkeypatch):
        without("python3.11", project, monkeypatch)
        answer = call("deploy", "--env", "dev")
        assert answer.exit_code == 1
        assert "python3.11" in answer.stderr
        assert sam.calls == []

    def test_an_environment_that_no_section_describes_has_the_exit_code_3(self, stack, sam):
        answer = call("deploy", "--env", "prod")
        assert answer.exit_code == 3
        assert "it has dev" in answer.stderr

    @pytest.mark.parametrize("option", [["--region", "eu-west-1"], ["--stack-name=other"]])
    def test_options_that_deploy_elsewhere_are_wrong_usage(self, stack, sam, option):
        assert call("deploy", "--env", "dev", "--", *option).exit_code == 2

    def test_the_environment_must_be_named(self, stack, monkeypatch):
        monkeypatch.setenv("ALUR_ENV", "dev")
        assert call("deploy").exit_code == 2


@pytest.mark.usefixtures("aws_servers")
class TestOnMoto:
    def test_it_builds_and_deploys_in_the_projects_folder_and_shows_what_one_needs(
        self, stack, sam, project, monkeypatch
    ):
        sam.told(deploy={"stack": stack, "outputs": OUTPUTS})
        monkeypatch.chdir(project / "src")
        answer = call("deploy", "--env", "dev", "--", "--no-progressbar")
        assert answer.exit_code == 0
        assert sam.commands == [
            ["build", "--config-env", "dev"],
            ["deploy", "--config-env", "dev", "--region", "us-east-1", "--no-progressbar"],
        ]
        for one in sam.calls:
            assert one["cwd"] == str(project)
            assert one["env"]["PATH"].startswith(f"{project / 'bin'}:")
            assert one["env"]["SAM_CLI_TELEMETRY"] == "0"
        for value in ("landing-1", "state-1", "bronze_1"):
            assert value in answer.stdout
        assert "MaxVcpu" not in answer.stdout

    def test_what_sam_says_passes_through(self, stack, sam, capfd):
        sam.told(deploy={"stack": stack, "outputs": OUTPUTS})
        call("deploy", "--env", "dev")
        assert capfd.readouterr().out == "sam says build\nsam says deploy\n"

    def test_with_json_stdout_has_the_outputs_alone(self, stack, sam, capfd):
        sam.told(deploy={"stack": stack, "outputs": OUTPUTS})
        assert json.loads(call("deploy", "--env", "dev", "--json").stdout) == OUTPUTS
        captured = capfd.readouterr()
        assert captured.out == ""
        assert "sam says deploy" in captured.err

    @pytest.mark.parametrize(("step", "calls"), [("build", 1), ("deploy", 2)])
    def test_a_step_that_fails_ends_it_with_1(self, stack, sam, step, calls):
        sam.told(**{step: {"exit": 7}})
        answer = call("deploy", "--env", "dev")
        assert answer.exit_code == 1
        assert f"sam {step}" in answer.stderr
        assert "ended with 7" in answer.stderr
        assert len(sam.calls) == calls

    def test_a_shell_that_points_elsewhere_is_told_so(self, stack, sam, aws_servers):
        sam.told(deploy={"stack": stack, "outputs": OUTPUTS})
        assert f"this goes to {aws_servers.aws}, not to AWS" in call("deploy", "--env", "dev").stderr

    def test_an_application_on_which_nothing_runs_is_stopped_for_changes_of_it(self, stack, sam):
        emr = client("emr-serverless")
        application = emr.create_application(name="a", releaseLabel="emr-7.1.0", type="SPARK", clientToken="t")
        create_stack(stack, outputs={**OUTPUTS, "ApplicationId": application["applicationId"]})
        # moto says of an application without any run that it is not there.
        run = emr.start_job_run(
            applicationId=application["applicationId"],
            executionRoleArn="arn:aws:iam::123456789012:role/of-a-job",
            clientToken="t",
        )
        assert run
        assert call("deploy", "--env", "dev").exit_code == 0
        state = emr.get_application(applicationId=application["applicationId"])["application"]["state"]
        assert state == "STOPPED"

    def test_an_application_that_cannot_be_stopped_stops_no_deploy(self, stack, sam):
        emr = client("emr-serverless")
        application = emr.create_application(name="a", releaseLabel="emr-7.1.0", type="SPARK", clientToken="t")
        create_stack(stack, outputs={**OUTPUTS, "ApplicationId": application["applicationId"]})
        answer = call("deploy", "--env", "dev")
        assert answer.exit_code == 0
        assert "would be refused" in answer.stderr
        assert len(sam.calls) == 2

    def test_a_stack_that_takes_no_deploy_is_not_built_for(self, stack, sam, monkeypatch):
        find = Stacks.find
        create_stack(stack, outputs=OUTPUTS)
        monkeypatch.setattr(Stacks, "find", lambda self, name: replace(find(self, name), status="ROLLBACK_COMPLETE"))
        answer = call("deploy", "--env", "dev")
        assert answer.exit_code == 1
        assert "ROLLBACK_COMPLETE" in answer.stderr
        assert "alur destroy --env dev" in answer.stderr
        assert sam.calls == []

    def test_a_contract_that_narrows_a_deployed_table_is_not_built(self, stack, sam):
        create_stack(stack, outputs={**OUTPUTS, "Database": database_of(stack)})
        columns = {"id": "bigint", "price": "string", "note": "date"}
        create_iceberg_table(database_of(stack), "orders", columns, bucket=f"lake-{stack}")
        answer = call("deploy", "--env", "dev")
        assert answer.exit_code == 1
        assert "error: contracts.orders.OrdersBronze: column price is string in the table" in answer.stderr
        assert "error: contracts.orders.OrdersBronze: column note is date in the table" in answer.stderr
        assert "nothing was built or deployed" in answer.stderr
        assert sam.calls == []

    def test_a_contract_that_widens_a_deployed_table_is_deployed_and_that_is_said(self, stack, sam):
        create_stack(stack, outputs={**OUTPUTS, "Database": database_of(stack)})
        create_iceberg_table(database_of(stack), "orders", {"id": "int"}, bucket=f"lake-{stack}")
        answer = call("deploy", "--env", "dev")
        assert answer.exit_code == 0
        assert "info: contracts.orders.OrdersBronze: the next run widens column id from int to bigint" in answer.stderr
        assert len(sam.calls) == 2

    def test_outputs_that_cannot_be_read_do_not_undo_a_deploy(self, stack, sam):
        answer = call("deploy", "--env", "dev")
        assert answer.exit_code == 0
        assert "its outputs cannot be shown" in answer.stderr


def test_without_credentials_the_exit_code_is_3_and_nothing_is_built(stack, sam, no_credentials):
    answer = call("deploy", "--env", "dev")
    assert answer.exit_code == 3
    assert "NoCredentialsError" in answer.stderr
    assert sam.calls == []
