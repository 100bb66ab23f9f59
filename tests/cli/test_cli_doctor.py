from __future__ import annotations

import json
import uuid

import pytest

from alur.aws.clients import client
from project_support import call, forget_credentials, forget_project, make_project, table
from sam_support import install_sam, without
from stack_support import create_stack, write_samconfig

FILES = {"contracts/orders.py": table("Orders", "s3://${LandingBucket}/orders/**/*.csv")}


@pytest.fixture
def project(tmp_path, monkeypatch):
    directory = make_project(tmp_path, monkeypatch, FILES)
    install_sam(directory, monkeypatch)
    yield directory
    forget_project()


@pytest.fixture
def stack(project):
    name = f"stack-{uuid.uuid4().hex[:8]}"
    write_samconfig(project, "dev", name)
    return name


def outcomes(answer):
    return {check["name"]: check["outcome"] for check in json.loads(answer.stdout)}


def deploy(name):
    """Make what a stack makes, as far as moto and DynamoDB Local do."""
    s3, dynamodb, emr = client("s3"), client("dynamodb"), client("emr-serverless")
    outputs = {}
    for kind in ("Landing", "Lake", "Artifacts"):
        outputs[f"{kind}Bucket"] = f"{kind.lower()}-{name}"
        s3.create_bucket(Bucket=outputs[f"{kind}Bucket"])
    for kind in ("State", "Batches"):
        outputs[f"{kind}Table"] = f"{kind.lower()}-{name}"
        dynamodb.create_table(
            TableName=outputs[f"{kind}Table"],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    made = emr.create_application(name=name, releaseLabel="emr-7.1.0", type="SPARK", clientToken=name)
    outputs["ApplicationId"] = made["applicationId"]
    create_stack(name, outputs=outputs, parameters={"MaxVcpu": "16"})
    return outputs


@pytest.mark.usefixtures("aws_servers")
class TestOnMoto:
    def test_a_deployment_in_order_has_nothing_that_failed_and_what_moto_does_not_know_is_unknown(self, stack):
        deploy(stack)
        answer = call("doctor", "--env", "dev", "--json")
        assert answer.exit_code == 0
        assert outcomes(answer) == {
            "sam": "ok",
            "python3.11": "ok",
            "samconfig": "ok",
            "credentials": "ok",
            "Region": "ok",
            "permissions": "unknown",
            "stack": "ok",
            "contracts": "ok",
            "vCPU quota": "unknown",
            "Lake Formation": "ok",
            "LandingBucket": "ok",
            "LakeBucket": "ok",
            "ArtifactsBucket": "ok",
            "StateTable": "ok",
            "BatchesTable": "ok",
            "ApplicationId": "ok",
        }

    def test_people_get_a_line_a_check_with_its_remedy_and_a_count(self, stack, project, monkeypatch):
        without("sam", project, monkeypatch)
        answer = call("doctor", "--env", "dev")
        assert answer.exit_code == 1
        lines = answer.stdout.splitlines()
        assert lines[0].startswith("FAILED   sam")
        assert "-> `make setup`" in lines[1]
        assert lines[-1].endswith("1 failed, 2 unknown")

    def test_what_is_gone_fails(self, stack):
        outputs = deploy(stack)
        client("s3").delete_bucket(Bucket=outputs["LakeBucket"])
        client("dynamodb").delete_table(TableName=outputs["StateTable"])
        answer = call("doctor", "--env", "dev", "--json")
        assert answer.exit_code == 1
        found = outcomes(answer)
        assert (found["LakeBucket"], found["StateTable"], found["BatchesTable"]) == ("failed", "failed", "ok")

    def test_what_is_declared_wrongly_fails(self, stack, project):
        (project / "src" / "contracts" / "broken.py").write_text("1/0\n")
        answer = call("doctor", "--env", "dev", "--json")
        assert answer.exit_code == 1
        (contracts,) = [check for check in json.loads(answer.stdout) if check["name"] == "contracts"]
        assert contracts["outcome"] == "failed"
        assert "contracts.broken" in contracts["what"]
        assert "alur validate" in contracts["remedy"]

    def test_before_the_first_deploy_nothing_of_a_stack_is_looked_for(self, stack):
        answer = call("doctor", "--env", "dev", "--json")
        assert answer.exit_code == 0
        found = outcomes(answer)
        assert found["stack"] == "warning"
        assert "LakeBucket" not in found

    def test_a_section_that_is_not_there_fails_and_the_rest_of_the_machine_is_still_looked_at(self, stack):
        answer = call("doctor", "--env", "prod", "--json")
        assert answer.exit_code == 1
        assert outcomes(answer) == {"sam": "ok", "python3.11": "ok", "samconfig": "failed", "contracts": "ok"}

    def test_a_section_that_sam_would_stop_at_fails(self, stack, project):
        file = project / "samconfig.toml"
        file.write_text(file.read_text().replace("resolve_s3 = true\n", ""))
        answer = call("doctor", "--env", "dev", "--json")
        assert (answer.exit_code, outcomes(answer)["samconfig"]) == (1, "failed")


def test_without_credentials_the_exit_code_is_3_and_the_machine_is_still_looked_at(stack, monkeypatch):
    forget_credentials(monkeypatch)
    answer = call("doctor", "--env", "dev", "--json")
    client.cache_clear()
    assert answer.exit_code == 3
    assert outcomes(answer) == {
        "sam": "ok",
        "python3.11": "ok",
        "samconfig": "ok",
        "credentials": "failed",
        "contracts": "ok",
    }
