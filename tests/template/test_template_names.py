from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
from rendering import SECTIONS, Rendered, parameters_of, rendered, source, translated

# Whatever CloudFormation takes as a name of its own for a resource that a Region or an account holds once.
NAMES = {
    "AWS::CloudWatch::Alarm": ("AlarmName",),
    "AWS::DynamoDB::Table": ("TableName",),
    "AWS::EMRServerless::Application": ("Name",),
    "AWS::Events::Rule": ("Name",),
    "AWS::IAM::Role": ("RoleName",),
    "AWS::Lambda::EventInvokeConfig": (),
    "AWS::Lambda::EventSourceMapping": (),
    "AWS::Lambda::Function": ("FunctionName",),
    "AWS::Lambda::LayerVersion": (),
    "AWS::Lambda::Permission": (),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::S3::Bucket": ("BucketName",),
    "AWS::S3::BucketPolicy": (),
    "AWS::SNS::Subscription": (),
    "AWS::SNS::Topic": ("TopicName",),
    "AWS::SNS::TopicPolicy": (),
    "AWS::SQS::Queue": ("QueueName",),
    "AWS::SQS::QueuePolicy": (),
    "Custom::JobCode": (),
}


def names(deployment: Rendered) -> Iterator[str]:
    for resource in deployment.resources.values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Glue::Database":
            yield properties["DatabaseInput"]["Name"]
            continue
        for name in NAMES[resource["Type"]]:
            if name in properties:
                yield properties[name]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(SECTIONS, 2)))
def test_two_environments_have_no_name_in_common(one: str, other: str) -> None:
    # The same part of a stack's id on purpose: the environment alone must keep them apart.
    first, second = set(names(rendered(one))), set(names(rendered(other)))
    assert len(first) >= 7
    assert not first & second


@pytest.mark.parametrize("section", SECTIONS)
def test_a_second_stack_of_the_same_environment_shares_no_derived_name(section: str) -> None:
    given = set(parameters_of(section).values())
    first = set(names(Rendered(parameters_of(section), stack_part="aaaaaaaa"))) - given
    second = set(names(Rendered(parameters_of(section), stack_part="bbbbbbbb"))) - given
    # An application's name need not be unique.
    assert first & second == {f"alur-{parameters_of(section)['Environment']}"}


def test_the_environment_of_the_guide_has_the_names_of_the_guide() -> None:
    guide = rendered("e2e-test")
    assert guide.properties("StateTable")["TableName"] == "alur-ingestion-state"
    assert guide.properties("LandingBucket")["BucketName"] == "alur-landing-e2e-20260122-114314"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_name_keeps_the_rules_of_its_service(section: str) -> None:
    longest = rendered(section, Environment="e" * 20)
    for properties in longest.of_type("AWS::S3::Bucket").values():
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", properties["BucketName"])
    for properties in longest.of_type("AWS::DynamoDB::Table").values():
        assert re.fullmatch(r"[a-zA-Z0-9_.-]{3,255}", properties["TableName"])
    for properties in longest.of_type("AWS::SQS::Queue").values():
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,80}", properties["QueueName"])


@pytest.mark.parametrize("environment", ["dev", "e2e-test", "a-b-c-9"])
def test_the_databases_name_is_one_that_iceberg_takes(environment: str) -> None:
    database = Rendered({"Environment": environment}).properties("BronzeDatabase")["DatabaseInput"]
    assert re.fullmatch(r"[a-z0-9_]{1,252}", database["Name"])
    assert database["LocationUri"].endswith(f"/warehouse/{database['Name']}")


@pytest.mark.parametrize("name", ["my-db", "Sales", "a.b"])
def test_a_database_name_that_iceberg_refuses_is_refused_at_deploy(name: str) -> None:
    assert not re.search(source()["Parameters"]["DatabaseName"]["AllowedPattern"], name)


@pytest.mark.parametrize("logical_id", ["StateTable", "BatchesTable", "LandingBucket", "LakeBucket", "BronzeDatabase"])
def test_what_holds_data_outlives_the_stack_but_not_a_first_create_that_failed(logical_id: str) -> None:
    resource = translated()["Resources"][logical_id]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"


def test_the_artifacts_bucket_is_retained_always_since_a_roll_back_cannot_delete_what_is_filled() -> None:
    resource = translated()["Resources"]["ArtifactsBucket"]
    assert resource["DeletionPolicy"] == "Retain"
    assert resource["UpdateReplacePolicy"] == "Retain"


def test_deletion_protection_is_a_parameter_and_off_until_asked_for() -> None:
    for asked, wanted in (("off", False), ("on", True)):
        deployment = rendered("prod", DeletionProtection=asked)
        for table in deployment.of_type("AWS::DynamoDB::Table").values():
            assert table["DeletionProtectionEnabled"] is wanted
    assert source()["Parameters"]["DeletionProtection"]["Default"] == "off"
