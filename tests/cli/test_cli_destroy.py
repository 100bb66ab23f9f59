from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace

import pytest
from botocore.exceptions import ClientError

from alur.aws.clients import client
from alur.aws.stacks import StackResource, Stacks
from project_support import call, forget_project, make_project, table
from sam_support import install_sam
from stack_support import create_stack, write_samconfig

KEYS = {
    "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@dataclass
class Deployed:
    """A deployment with data, and a sam that deletes its stack."""

    stack: str
    buckets: list[str]
    tables: list[str]
    database: str
    sam: object

    def protect(self) -> None:
        client("dynamodb").update_table(TableName=self.tables[0], DeletionProtectionEnabled=True)

    @property
    def has_stack(self) -> bool:
        return Stacks(client("cloudformation")).find(self.stack) is not None

    @property
    def data_left(self) -> set[str]:
        """The names of what holds data and still exists."""
        s3, dynamodb, glue = client("s3"), client("dynamodb"), client("glue")
        there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} & set(self.buckets)
        pages = dynamodb.get_paginator("list_tables").paginate()
        there |= {name for page in pages for name in page["TableNames"]} & set(self.tables)
        return there | ({d["Name"] for d in glue.get_databases()["DatabaseList"]} & {self.database})

    @property
    def data(self) -> set[str]:
        return {*self.buckets, *self.tables, self.database}


@pytest.fixture
def deployed(tmp_path, monkeypatch, aws_servers):
    project = make_project(
        tmp_path, monkeypatch, {"contracts/orders.py": table("Orders", "s3://${LandingBucket}/orders/*.csv")}
    )
    name = uuid.uuid4().hex[:8]
    buckets = [f"{kind}-{name}" for kind in ("landing", "lake", "artifacts")]
    tables = [f"state-{name}", f"batches-{name}"]
    resources = {
        logical_id: {
            "Type": "AWS::S3::Bucket",
            # moto knows no RetainExceptOnCreate.
            "DeletionPolicy": "Retain",
            "Properties": {"BucketName": bucket},
        }
        for logical_id, bucket in zip(("LandingBucket", "LakeBucket", "ArtifactsBucket"), buckets, strict=True)
    }
    for logical_id, one in zip(("StateTable", "BatchesTable"), tables, strict=True):
        properties = {"TableName": one, **KEYS}
        resources[logical_id] = {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "Properties": properties}
        # CloudFormation makes moto's own; the commands ask DynamoDB Local.
        client("dynamodb").create_table(TableName=one, **KEYS)
    resources["EventQueue"] = {"Type": "AWS::SQS::Queue"}
    create_stack(
        f"stack-{name}",
        outputs={"LandingBucket": buckets[0]},
        parameters={"ExistingLandingBucket": ""},
        resources=resources,
    )
    glue = client("glue")
    glue.create_database(DatabaseInput={"Name": f"bronze_{name}"})
    for one in ("orders", "flights"):
        glue.create_table(DatabaseName=f"bronze_{name}", TableInput={"Name": one})
    _add_resource(monkeypatch, StackResource("BronzeDatabase", f"bronze_{name}", "AWS::Glue::Database", True))
    s3 = client("s3")
    s3.put_bucket_versioning(Bucket=buckets[1], VersioningConfiguration={"Status": "Enabled"})
    for bucket in buckets[:2]:
        for _ in range(2):
            s3.put_object(Bucket=bucket, Key="a/b.csv", Body=b"x")
    s3.delete_object(Bucket=buckets[1], Key="a/b.csv")
    write_samconfig(project, "dev", f"stack-{name}")
    sam = install_sam(project, monkeypatch)
    sam.told(delete={"stack": f"stack-{name}"})
    yield Deployed(f"stack-{name}", buckets, tables, f"bronze_{name}", sam)
    forget_project()


def _add_resource(monkeypatch, resource):
    # moto's CloudFormation knows no Glue.
    ours = Stacks.resources
    monkeypatch.setattr(Stacks, "resources", lambda self, name: (*ours(self, name), resource))


def test_a_dry_run_says_what_goes_and_what_stays_and_does_nothing(deployed):
    answer = call("destroy", "--env", "dev", "--dry-run")
    assert answer.exit_code == 0
    destroyed, kept = answer.stdout.split("kept:\n")
    assert "1 AWS::SQS::Queue: EventQueue" in destroyed
    assert kept.splitlines() == [
        f"  bucket {deployed.buckets[0]} (LandingBucket): objects",
        f"  bucket {deployed.buckets[1]} (LakeBucket): objects",
        f"  bucket {deployed.buckets[2]} (ArtifactsBucket): nothing",
        f"  DynamoDB table {deployed.tables[0]} (StateTable): about 0 items",
        f"  DynamoDB table {deployed.tables[1]} (BatchesTable): about 0 items",
        f"  Glue database {deployed.database} (BronzeDatabase): 2 tables",
    ]
    assert deployed.sam.calls == []
    assert deployed.has_stack


def test_a_dry_run_gives_json_when_asked(deployed):
    shown = json.loads(call("destroy", "--env", "dev", "--dry-run", "--json").stdout)
    assert shown["stack"] == deployed.stack
    assert [one["logical_id"] for one in shown["destroyed"]] == ["EventQueue"]
    assert {one["name"] for one in shown["data"]} == deployed.data
    assert (shown["deletes_data"], shown["never_touched"]) == (False, [])


def test_typing_the_stacks_name_deletes_the_stack_and_keeps_the_data(deployed):
    answer = call("destroy", "--env", "dev", answer=f"{deployed.stack}\n")
    assert answer.exit_code == 0
    assert deployed.sam.commands == [
        ["delete", "--config-env", "dev", "--stack-name", deployed.stack, "--region", "us-east-1", "--no-prompts"]
    ]
    assert not deployed.has_stack
    assert deployed.data_left == deployed.data


@pytest.mark.parametrize("typed", ["yes\n", "\n", None, "stack\n"])
def test_any_other_answer_destroys_nothing(deployed, typed):
    answer = call("destroy", "--env", "dev", answer=typed)
    assert answer.exit_code == 1
    assert "nothing was destroyed" in answer.stderr
    assert deployed.sam.calls == []


def test_the_data_goes_only_after_a_second_answer(deployed):
    answer = call("destroy", "--env", "dev", "--delete-data", answer=f"{deployed.stack}\nno\n")
    assert answer.exit_code == 1
    assert deployed.sam.calls == []
    assert deployed.has_stack
    assert deployed.data_left == deployed.data


def test_two_answers_delete_stack_and_data_with_every_version(deployed):
    answer = call("destroy", "--env", "dev", "--delete-data", answer=f"{deployed.stack}\n{deployed.stack}\n")
    assert answer.exit_code == 0
    assert "destroyed with all that it holds" in answer.stdout
    assert not deployed.has_stack
    assert deployed.data_left == set()


def test_yes_asks_nothing(deployed):
    assert call("destroy", "--env", "dev", "--yes", "--delete-data").exit_code == 0
    assert deployed.data_left == set()


def test_protected_tables_are_refused_before_anything_is_destroyed(deployed):
    deployed.protect()
    answer = call("destroy", "--env", "dev", "--yes", "--delete-data")
    assert answer.exit_code == 1
    assert "DeletionProtection=off" in answer.stderr
    assert deployed.tables[0] in answer.stderr
    assert deployed.sam.calls == []
    assert deployed.data_left == deployed.data


def test_protected_tables_do_not_hinder_a_delete_that_keeps_them(deployed):
    deployed.protect()
    assert call("destroy", "--env", "dev", "--yes").exit_code == 0
    assert not deployed.has_stack


def test_a_landing_bucket_that_the_stack_was_given_is_never_touched(deployed, monkeypatch):
    find = Stacks.find

    def given(self, name):
        found = find(self, name)
        return found and replace(found, parameters={"ExistingLandingBucket": deployed.buckets[0]})

    monkeypatch.setattr(Stacks, "find", given)
    answer = call("destroy", "--env", "dev", "--yes", "--delete-data")
    assert answer.exit_code == 0
    assert f"never touched:\n  bucket {deployed.buckets[0]}" in answer.stdout
    assert deployed.data_left == {deployed.buckets[0]}


def test_a_sam_that_fails_leaves_the_data_alone(deployed):
    deployed.sam.told(delete={"exit": 1})
    answer = call("destroy", "--env", "dev", "--yes", "--delete-data")
    assert answer.exit_code == 1
    assert "sam delete" in answer.stderr
    assert deployed.data_left == deployed.data


def test_a_sam_that_only_says_it_deleted_leaves_the_data_alone(deployed):
    deployed.sam.told()
    answer = call("destroy", "--env", "dev", "--yes", "--delete-data")
    assert answer.exit_code == 1
    assert "still there" in answer.stderr
    assert deployed.data_left == deployed.data


def test_a_stack_whose_termination_is_protected_is_refused_with_the_remedy(deployed, monkeypatch):
    find = Stacks.find
    monkeypatch.setattr(Stacks, "find", lambda self, name: replace(find(self, name), is_protected=True))
    answer = call("destroy", "--env", "dev", "--yes")
    assert answer.exit_code == 1
    assert "update-termination-protection" in answer.stderr
    assert deployed.sam.calls == []


def test_data_that_cannot_be_deleted_is_named_with_what_to_do_by_hand(deployed, monkeypatch):
    dynamodb = client("dynamodb", "us-east-1")

    def refuse(**_):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DeleteTable")

    monkeypatch.setattr(dynamodb, "delete_table", refuse)
    answer = call("destroy", "--env", "dev", "--yes", "--delete-data")
    assert answer.exit_code == 1
    assert "AccessDeniedException" in answer.stderr
    assert f"aws dynamodb delete-table --table-name {deployed.tables[0]}" in answer.stderr
    assert f"aws glue delete-database --name {deployed.database}" in answer.stderr
    assert f"rb s3://{deployed.buckets[0]}" not in answer.stderr


def test_where_there_is_no_stack_the_exit_code_is_3(deployed):
    client("cloudformation").delete_stack(StackName=deployed.stack)
    answer = call("destroy", "--env", "dev", "--yes")
    assert answer.exit_code == 3
    assert deployed.stack in answer.stderr
