"""Somebody hears of it: the topic, its alarms, and that what they watch is what the functions say."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from rendering import ROOT, SECTIONS, Rendered, rendered, source

KEY = "arn:aws:kms:eu-west-1:123456789012:key/abc"
ALARMS = {
    "DeadLettersAlarm",
    "EventsWaitAlarm",
    "FilesFailedAlarm",
    "FilesUnroutedAlarm",
    "OldestProcessingAlarm",
    "RunsFailingAlarm",
    "ReconcilerAlarm",
}
# What counts files: that no further one fails mends nothing, so nobody is told that all is well.
WITHOUT_ALL_CLEAR = {"FilesFailedAlarm", "FilesUnroutedAlarm"}
OUR_NAMESPACE = source()["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
SOURCES = sorted((ROOT / "functions").glob("*/app.py"))


def alarms(deployment: Rendered) -> dict[str, dict[str, Any]]:
    return deployment.of_type("AWS::CloudWatch::Alarm")


def our_alarms(deployment: Rendered) -> dict[str, dict[str, Any]]:
    return {name: alarm for name, alarm in alarms(deployment).items() if alarm["Namespace"] == OUR_NAMESPACE}


def dimensions(alarm: dict[str, Any]) -> dict[str, str]:
    return {one["Name"]: one["Value"] for one in alarm["Dimensions"]}


def emitted(file: Path) -> set[str]:
    """The metrics that a function's source names: given to `add_metric`, or keys of a mapping that is walked for it."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_metric":
            candidates = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "name")]
        elif isinstance(node, ast.Dict):
            candidates = [key for key in node.keys if key is not None]
        else:
            continue
        found |= {one.value for one in candidates if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found


@pytest.mark.parametrize("section", ["default", "dev", "prod"])
def test_the_list_of_alarms_is_short_and_whole(section: str) -> None:
    assert set(alarms(rendered(section))) == ALARMS


def test_where_no_events_are_taken_none_can_wait() -> None:
    assert set(alarms(rendered("e2e-test"))) == ALARMS - {"EventsWaitAlarm"}


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_every_alarm_goes_to_the_topic(name: str) -> None:
    alarm = rendered("dev").properties(name)
    assert alarm["AlarmActions"] == ["<AlarmTopic>"]
    assert alarm.get("OKActions", []) == ([] if name in WITHOUT_ALL_CLEAR else ["<AlarmTopic>"])
    assert "InsufficientDataActions" not in alarm
    assert alarm.get("ActionsEnabled", True) is True


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_every_alarm_says_what_it_means_and_where_to_read_on(name: str) -> None:
    description = rendered("dev").properties(name)["AlarmDescription"]
    assert 80 < len(description) <= 1024
    assert "${" not in description
    assert description.endswith(f"docs/operating.md, {name}.")
    assert f"\n## {name}\n" in (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "metric", "statistic", "comparison", "threshold", "missing"),
    [
        ("DeadLettersAlarm", "ApproximateNumberOfMessagesVisible", "Maximum", ">", 0, "notBreaching"),
        ("EventsWaitAlarm", "ApproximateAgeOfOldestMessage", "Maximum", ">", 1800, "notBreaching"),
        ("FilesFailedAlarm", "FilesFailed", "Sum", ">", 0, "notBreaching"),
        ("FilesUnroutedAlarm", "FilesUnrouted", "Sum", ">", 0, "notBreaching"),
        ("OldestProcessingAlarm", "OldestProcessingMinutes", "Maximum", ">", 120, "ignore"),
        ("RunsFailingAlarm", "RunsFailedInARow", "Maximum", ">=", 3, "ignore"),
        ("ReconcilerAlarm", "Errors", "Sum", ">", 0, "breaching"),
    ],
)
def test_an_alarm_is_raised_by_its_metric_and_by_silence_only_where_silence_is_a_fault(
    name: str, metric: str, statistic: str, comparison: str, threshold: int, missing: str
) -> None:
    alarm = rendered("dev").properties(name)
    operators = {">": "GreaterThanThreshold", ">=": "GreaterThanOrEqualToThreshold"}
    assert (alarm["MetricName"], alarm["Statistic"]) == (metric, statistic)
    assert alarm["ComparisonOperator"] == operators[comparison]
    assert alarm["Threshold"] == threshold
    assert alarm["TreatMissingData"] == missing
    # With a unit an alarm sees only what was sent with that unit.
    assert "Unit" not in alarm


def test_the_two_limits_are_parameters_and_the_mail_says_them() -> None:
    deployment = rendered("dev", AlarmOldestProcessingMinutes="45", AlarmRunsFailedInARow="7")
    oldest, failing = (deployment.properties(name) for name in ("OldestProcessingAlarm", "RunsFailingAlarm"))
    assert (oldest["Threshold"], failing["Threshold"]) == ("45", "7")
    assert "45 minutes" in oldest["AlarmDescription"]
    assert "last 7 or more runs" in failing["AlarmDescription"]


@pytest.mark.parametrize(
    "name", ["FilesFailedAlarm", "FilesUnroutedAlarm", "OldestProcessingAlarm", "RunsFailingAlarm"]
)
def test_an_alarm_of_ours_watches_a_metric_that_a_function_emits(name: str) -> None:
    metric = rendered("dev").properties(name)["MetricName"]
    names = {file.parent.name: emitted(file) for file in SOURCES}
    assert [function for function, its in names.items() if metric in its] != [], names


@pytest.mark.parametrize("section", SECTIONS)
def test_the_alarms_have_the_dimension_that_the_functions_metrics_have(section: str) -> None:
    deployment = rendered(section)
    services = {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for function in deployment.of_type("AWS::Lambda::Function").values()
    }
    (service,) = services
    assert {json.dumps(dimensions(alarm)) for alarm in our_alarms(deployment).values()} == {
        json.dumps({"service": service})
    }


def test_two_stacks_of_an_account_share_no_metric_and_so_no_alarm() -> None:
    variables = source()["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
    for name, resource in source()["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            own = resource["Properties"].get("Environment", {}).get("Variables", {})
            assert not [variable for variable in own if variable.startswith("POWERTOOLS_")], name


def test_powertools_makes_of_the_services_name_the_only_dimension(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = rendered("dev").properties("ReconcilerFunction")["Environment"]["Variables"]
    for name, value in variables.items():
        if name.startswith("POWERTOOLS_"):
            monkeypatch.setenv(name, value)
    provider = AmazonCloudWatchEMFProvider(metric_set={}, dimension_set={}, metadata_set={}, default_dimensions={})
    provider.add_metric(name="FilesFailed", unit=MetricUnit.Count, value=1)
    provider.flush_metrics()
    document = json.loads(capsys.readouterr().out)
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    watched = rendered("dev").properties("FilesFailedAlarm")
    assert directive["Namespace"] == watched["Namespace"]
    assert directive["Dimensions"] == [["service"]]
    assert document["service"] == dimensions(watched)["service"]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.parent.name)
def test_no_function_gives_its_metrics_another_dimension(file: Path) -> None:
    # A metric with a further dimension is another metric to CloudWatch, which no alarm watches.
    text = file.read_text(encoding="utf-8")
    for further in ("add_dimension", "set_default_dimensions", "single_metric", "default_dimensions"):
        assert further not in text
    assert re.findall(r"\bMetrics\((.*)\)", text) in ([], [""])


@pytest.mark.parametrize(
    ("name", "queue"), [("DeadLettersAlarm", "DeadLetterQueue"), ("EventsWaitAlarm", "EventQueue")]
)
def test_an_alarm_of_a_queue_names_the_queue(name: str, queue: str) -> None:
    alarm = rendered("dev").properties(name)
    assert alarm["Namespace"] == "AWS/SQS"
    assert dimensions(alarm) == {"QueueName": f"<{queue}.QueueName>"}


def test_an_event_that_failed_once_raises_no_alarm_and_one_that_fails_again_does() -> None:
    deployment = rendered("dev")
    hidden = deployment.properties("EventQueue")["VisibilityTimeout"]
    window = source()["Parameters"]["BatchingWindowSeconds"]["MaxValue"]
    threshold = deployment.properties("EventsWaitAlarm")["Threshold"]
    assert hidden + window < threshold < 2 * hidden


def test_the_reconcilers_alarm_bears_a_sweep_that_failed_and_not_ten_minutes_without_one() -> None:
    alarm = rendered("dev").properties("ReconcilerAlarm")
    assert (alarm["Namespace"], dimensions(alarm)) == ("AWS/Lambda", {"FunctionName": "<ReconcilerFunction>"})
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (60, 10)
    assert 3 <= alarm["DatapointsToAlarm"] <= 10


@pytest.mark.parametrize("key", ["", KEY])
def test_only_the_alarms_of_this_account_may_publish_and_only_over_tls(key: str) -> None:
    deployment = rendered("dev", KmsKeyArn=key)
    policy = deployment.properties("AlarmTopicPolicy")
    assert policy["Topics"] == ["<AlarmTopic>"]
    statements = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
    assert statements == {
        "TlsOnly": {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sns:Publish",
            "Resource": "<AlarmTopic>",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        "AlarmsPublish": {
            "Sid": "AlarmsPublish",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": "<AlarmTopic>",
            "Condition": {
                "ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:ap-southeast-5:123456789012:alarm:*"},
                "StringEquals": {"aws:SourceAccount": "123456789012"},
            },
        },
    }


def test_the_topic_is_encrypted_with_a_key_of_ones_own_or_not_at_all() -> None:
    assert rendered("dev", KmsKeyArn=KEY).properties("AlarmTopic")["KmsMasterKeyId"] == KEY
    # CloudWatch may not use the key that AWS manages for SNS.
    assert "KmsMasterKeyId" not in rendered("dev").properties("AlarmTopic")


def test_without_an_address_there_is_a_topic_and_no_subscription() -> None:
    assert rendered("dev").of_type("AWS::SNS::Subscription") == {}
    assert set(rendered("dev").of_type("AWS::SNS::Topic")) == {"AlarmTopic"}


def test_an_address_subscribes_to_the_topic() -> None:
    (subscription,) = rendered("dev", AlarmEmail="data@example.com").of_type("AWS::SNS::Subscription").values()
    assert subscription == {"TopicArn": "<AlarmTopic>", "Protocol": "email", "Endpoint": "data@example.com"}


PATTERN = source()["Parameters"]["AlarmEmail"]["AllowedPattern"]


@pytest.mark.parametrize("address", ["", "data@example.com", "first.last+alur@mail.example.co.uk", "o'neil@a-b.org"])
def test_an_address_or_nothing_is_taken(address: str) -> None:
    assert re.search(PATTERN, address)


@pytest.mark.parametrize(
    "address",
    ["data", "data@", "@example.com", "data@example", "a@b.org, c@d.org", "a b@c.org", "a@b..org", "a@b.org\nx"],
)
def test_what_is_no_address_is_refused_at_deploy(address: str) -> None:
    assert not re.search(PATTERN, address)


def test_the_outputs_have_the_topics_arn() -> None:
    assert rendered("dev").outputs["AlarmTopicArn"]["Value"] == "<AlarmTopic>"
