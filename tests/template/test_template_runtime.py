from __future__ import annotations

import pytest
from rendering import SECTIONS, parameters_of, references, rendered, source, translated

from alur.aws.capacity_share import divide_capacity
from alur.aws.code_publisher import SUPERSEDED
from alur.aws.settings import Settings

FUNCTIONS = ("DispatcherFunction", "ReconcilerFunction", "PublisherFunction")


def test_both_tables_are_paid_by_request_and_recoverable() -> None:
    for table in rendered("dev").of_type("AWS::DynamoDB::Table").values():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["SSESpecification"]["SSEEnabled"] is True


def test_the_tables_have_the_keys_that_the_ledger_uses() -> None:
    deployment = rendered("dev")

    def keys(description: dict[str, object]) -> list[str]:
        return [key["AttributeName"] for key in description["KeySchema"]]

    assert keys(deployment.properties("StateTable")) == ["ingestion_key", "file_path"]
    batches = deployment.properties("BatchesTable")
    assert keys(batches) == ["ingestion_key", "batch_id"]
    (index,) = batches["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "open"
    assert keys(index) == ["open_key", "batch_id"]
    assert index["Projection"] == {"ProjectionType": "ALL"}


def test_the_application_is_spark_of_a_known_release_and_counts_no_disk() -> None:
    application = rendered("dev").properties("SparkApplication")
    assert application["Type"] == "SPARK"
    assert application["ReleaseLabel"] == "emr-spark-8.1.0"
    assert application["Architecture"] == "X86_64"
    assert application["MaximumCapacity"] == {"Cpu": "16 vCPU", "Memory": "64 GB"}
    assert application["AutoStartConfiguration"]["Enabled"] is True
    assert application["AutoStopConfiguration"]["Enabled"] is True
    assert "InitialCapacity" not in application
    assert source()["Parameters"]["ReleaseLabel"]["AllowedValues"] == ["emr-spark-8.1.0", "emr-spark-8.0.0"]
    assert source()["Parameters"]["Architecture"]["AllowedValues"] == ["X86_64", "ARM64"]


def test_the_application_has_no_tags_since_it_refuses_their_change_while_it_is_started() -> None:
    assert "Tags" not in rendered("dev").properties("SparkApplication")


@pytest.mark.parametrize("section", SECTIONS)
def test_as_many_runs_as_may_go_at_once_fit_into_the_capacity(section: str) -> None:
    deployment = rendered(section)
    application = deployment.properties("SparkApplication")
    vcpu, memory_gb = (int(application["MaximumCapacity"][what].split()[0]) for what in ("Cpu", "Memory"))
    runs = int(application["SchedulerConfiguration"]["MaxConcurrentRuns"])
    share = divide_capacity(vcpu, memory_gb, runs)
    assert runs <= vcpu // share.vcpu
    assert runs <= memory_gb // share.memory_gb


def test_a_run_is_sized_by_its_share_and_not_by_the_whole_capacity() -> None:
    for name in ("DispatcherFunction", "ReconcilerFunction"):
        variables = rendered("dev").properties(name)["Environment"]["Variables"]
        assert variables["ALUR_MAX_VCPU"] == "<JobCode.RunVcpu>"
        assert variables["ALUR_MAX_MEMORY_GB"] == "<JobCode.RunMemoryGb>"


def test_the_jobs_logs_go_to_the_artifacts_bucket() -> None:
    deployment = rendered("dev")
    bucket = deployment.properties("ArtifactsBucket")["BucketName"]
    monitoring = deployment.properties("SparkApplication")["MonitoringConfiguration"]
    assert monitoring["S3MonitoringConfiguration"]["LogUri"] == f"s3://{bucket}/logs/"


def test_glue_lets_iam_alone_decide_about_the_tables() -> None:
    (permission,) = rendered("dev").properties("BronzeDatabase")["DatabaseInput"]["CreateTableDefaultPermissions"]
    assert permission["Permissions"] == ["ALL"]
    assert permission["Principal"]["DataLakePrincipalIdentifier"] == "IAM_ALLOWED_PRINCIPALS"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_log_group_has_no_name_of_its_own_and_an_end(name: str) -> None:
    deployment = rendered("dev", LogRetentionDays="7")
    group = deployment.properties(name)["LoggingConfig"]["LogGroup"].strip("<>")
    properties = deployment.properties(group)
    assert "LogGroupName" not in properties
    assert properties["RetentionInDays"] == "7"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_reserves_concurrency_or_is_called_through_an_alias(name: str) -> None:
    function = rendered("dev").properties(name)
    assert "ReservedConcurrentExecutions" not in function
    assert function["Runtime"] == "python3.11"
    kinds = {resource["Type"] for resource in translated()["Resources"].values()}
    assert not kinds & {"AWS::Lambda::Alias", "AWS::Lambda::Version"}


def test_the_code_is_one_layer_for_all_and_the_entry_point_is_for_the_publisher_alone() -> None:
    resources = translated()["Resources"]
    layers = {name: found for name, found in resources.items() if found["Type"] == "AWS::Lambda::LayerVersion"}
    code = next(name for name in layers if name.startswith("CodeLayer"))
    entry_point = next(name for name in layers if name.startswith("SparkAppLayer"))
    # The translator puts the content's hash behind a layer's name: new content is a new resource.
    assert code != "CodeLayer"
    assert entry_point != "SparkAppLayer"
    used = {name: list(references(resources[name]["Properties"]["Layers"])) for name in FUNCTIONS}
    assert used == {
        "DispatcherFunction": [code],
        "ReconcilerFunction": [code],
        "PublisherFunction": [code, entry_point],
    }
    assert source()["Resources"]["CodeLayer"]["Metadata"] == {"BuildMethod": "python3.11"}
    assert "Metadata" not in source()["Resources"]["SparkAppLayer"]


def test_the_publisher_is_called_when_either_layer_changes() -> None:
    properties = translated()["Resources"]["JobCode"]["Properties"]
    named = set(references(properties))
    assert any(name.startswith("CodeLayer") and name != "CodeLayer" for name in named)
    assert any(name.startswith("SparkAppLayer") and name != "SparkAppLayer" for name in named)
    assert properties["ServiceToken"] == {"Fn::GetAtt": ["PublisherFunction", "Arn"]}


def test_cloudformation_stops_waiting_after_the_publisher_has() -> None:
    deployment = rendered("dev")
    assert deployment.properties("JobCode")["ServiceTimeout"] == 300
    assert deployment.properties("PublisherFunction")["Timeout"] < 300


def test_a_delete_stops_the_submitters_first_then_the_application_and_then_deletes_it() -> None:
    resources = translated()["Resources"]
    # CloudFormation deletes what refers before what is referred to.
    for name in ("DispatcherFunction", "ReconcilerFunction"):
        assert "JobCode" in set(references(resources[name]))
    assert {"SparkApplication", "PublisherFunction"} <= set(references(resources["JobCode"]))
    assert "PublisherRole" in set(references(resources["PublisherFunction"]))


def test_the_publisher_needs_nothing_that_only_the_publisher_makes() -> None:
    assert "JobCode" not in set(references(translated()["Resources"]["PublisherFunction"]))


def test_code_expires_when_it_was_superseded_and_never_by_age_alone() -> None:
    rules = rendered("dev").properties("ArtifactsBucket")["LifecycleConfiguration"]["Rules"]
    (code,) = [rule for rule in rules if rule.get("Prefix") == "code/"]
    assert code["TagFilters"] == [{"Key": SUPERSEDED, "Value": "true"}]
    assert all("ExpirationInDays" not in rule for rule in rules if not rule.get("Prefix"))


def test_what_was_staged_expires_and_the_records_never_do() -> None:
    rules = rendered("dev").properties("LakeBucket")["LifecycleConfiguration"]["Rules"]
    assert {rule["Prefix"] for rule in rules if "ExpirationInDays" in rule} == {"staging/"}


def test_landing_keeps_no_versions_and_expires_no_file() -> None:
    landing = rendered("dev").properties("LandingBucket")
    assert "VersioningConfiguration" not in landing
    assert all("ExpirationInDays" not in rule for rule in landing["LifecycleConfiguration"]["Rules"])


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("name", ["DispatcherFunction", "ReconcilerFunction"])
def test_the_functions_have_every_setting_that_the_library_reads(section: str, name: str) -> None:
    variables = rendered(section).properties(name)["Environment"]["Variables"]
    numbers = {"ALUR_MAX_VCPU": "4", "ALUR_MAX_MEMORY_GB": "16"}
    settings = Settings.from_env(
        {**{key: str(value) for key, value in variables.items()}, **numbers, "AWS_REGION": "ap-southeast-5"}
    )
    assert settings.environment == parameters_of(section)["Environment"]
    assert settings.lake_bucket == rendered(section).properties("LakeBucket")["BucketName"]


@pytest.mark.parametrize("name", ["DispatcherFunction", "ReconcilerFunction"])
def test_a_function_that_is_alive_keeps_its_lease_and_the_place_that_it_took(name: str) -> None:
    function = rendered("dev").properties(name)
    for limit in ("ALUR_LEASE_SECONDS", "ALUR_UNSUBMITTED_SECONDS"):
        assert int(function["Environment"]["Variables"][limit]) > function["Timeout"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_told_how_often_and_after_how_long_a_file_is_tried_again(name: str) -> None:
    variables = rendered("dev", MaxAttempts="5").properties(name)["Environment"]["Variables"]
    assert variables["ALUR_MAX_ATTEMPTS"] == "5"
    assert variables["ALUR_BACKOFF_SECONDS"] == "60"
    assert source()["Parameters"]["MaxAttempts"].items() >= {"Default": 3, "MinValue": 1, "MaxValue": 10}.items()


@pytest.mark.parametrize("section", SECTIONS)
def test_the_outputs_name_what_a_user_or_the_command_needs(section: str) -> None:
    deployment = rendered(section)
    assert deployment.outputs["LandingBucket"]["Value"] == deployment.properties("LandingBucket")["BucketName"]
    assert set(deployment.outputs) >= {
        "LakeBucket",
        "ArtifactsBucket",
        "StateTable",
        "BatchesTable",
        "Database",
        "ApplicationId",
        "EventQueueUrl",
        "DeadLetterQueueUrl",
        "DispatcherFunction",
        "DispatcherLogGroup",
        "ReconcilerFunction",
        "ReconcilerLogGroup",
        "PublisherFunction",
    }
