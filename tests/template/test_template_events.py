from __future__ import annotations

import pytest
from rendering import references, rendered, source, translated

LONGEST_WINDOW_SECONDS = source()["Parameters"]["BatchingWindowSeconds"]["MaxValue"]


def test_the_bucket_waits_for_the_policy_that_lets_it_send() -> None:
    assert translated()["Resources"]["LandingBucket"]["DependsOn"] == "EventQueuePolicy"


def test_the_queues_policy_does_not_refer_to_the_bucket_that_waits_for_it() -> None:
    assert "LandingBucket" not in set(references(translated()["Resources"]["EventQueuePolicy"]))


@pytest.mark.parametrize("section", ["default", "dev", "prod"])
def test_only_this_accounts_landing_bucket_may_send_to_the_queue(section: str) -> None:
    deployment = rendered(section)
    (allow,) = [
        one
        for one in deployment.properties("EventQueuePolicy")["PolicyDocument"]["Statement"]
        if one["Effect"] == "Allow"
    ]
    assert allow["Principal"] == {"Service": "s3.amazonaws.com"}
    assert allow["Action"] == "sqs:SendMessage"
    bucket = deployment.properties("LandingBucket")["BucketName"]
    assert allow["Condition"]["ArnEquals"]["aws:SourceArn"] == f"arn:aws:s3:::{bucket}"
    assert allow["Condition"]["StringEquals"]["aws:SourceAccount"] == "123456789012"


def test_every_creation_is_announced_to_the_queue() -> None:
    (notification,) = rendered("dev").properties("LandingBucket")["NotificationConfiguration"]["QueueConfigurations"]
    assert notification["Event"] == "s3:ObjectCreated:*"
    assert notification["Queue"] == "<EventQueue.Arn>"
    assert "Filter" not in notification


def test_a_prefix_limits_what_is_announced() -> None:
    deployment = rendered("dev", LandingPrefix="in/")
    (notification,) = deployment.properties("LandingBucket")["NotificationConfiguration"]["QueueConfigurations"]
    assert notification["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": "in/"}]


def test_without_event_ingestion_nothing_listens_and_nothing_is_announced() -> None:
    deployment = rendered("e2e-test")
    assert not deployment.of_type("AWS::Lambda::EventSourceMapping")
    assert "NotificationConfiguration" not in deployment.properties("LandingBucket")
    assert "LandingRule" not in deployment.resources
    allows = [
        one["Sid"]
        for name in ("EventQueuePolicy", "DeadLetterQueuePolicy")
        for one in deployment.properties(name)["PolicyDocument"]["Statement"]
        if one["Effect"] == "Allow"
    ]
    assert allows == []


def test_an_existing_bucket_is_not_made_and_its_events_come_by_a_rule() -> None:
    deployment = rendered("dev", ExistingLandingBucket="theirs")
    assert "LandingBucket" not in deployment.resources
    assert "LandingBucketPolicy" not in deployment.resources
    rule = deployment.properties("LandingRule")
    assert rule["EventPattern"]["source"] == ["aws.s3"]
    assert rule["EventPattern"]["detail-type"] == ["Object Created"]
    assert rule["EventPattern"]["detail"] == {"bucket": {"name": ["theirs"]}}
    (target,) = rule["Targets"]
    assert target["Arn"] == "<EventQueue.Arn>"
    for name in ("EventQueuePolicy", "DeadLetterQueuePolicy"):
        (allow,) = [
            one for one in deployment.properties(name)["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"
        ]
        assert allow["Principal"] == {"Service": "events.amazonaws.com"}
        assert allow["Condition"]["ArnEquals"]["aws:SourceArn"] == "<LandingRule.Arn>"
    for function in ("DispatcherFunction", "ReconcilerFunction"):
        assert deployment.properties(function)["Environment"]["Variables"]["ALUR_LANDING_BUCKET"] == "theirs"


def test_a_prefix_limits_the_rule_of_an_existing_bucket_too() -> None:
    deployment = rendered("dev", ExistingLandingBucket="theirs", LandingPrefix="in/")
    detail = deployment.properties("LandingRule")["EventPattern"]["detail"]
    assert detail["object"] == {"key": [{"prefix": "in/"}]}


def test_the_queue_encrypts_with_a_key_that_s3_and_eventbridge_may_use() -> None:
    for queue in rendered("dev").of_type("AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] is True
        assert "KmsMasterKeyId" not in queue


def test_a_message_is_hidden_for_six_timeouts_and_the_longest_window() -> None:
    deployment = rendered("dev")
    timeout = deployment.properties("DispatcherFunction")["Timeout"]
    assert deployment.properties("EventQueue")["VisibilityTimeout"] >= 6 * timeout + LONGEST_WINDOW_SECONDS


def test_a_message_has_five_tries_before_the_dead_letter_queue() -> None:
    redrive = rendered("dev").properties("EventQueue")["RedrivePolicy"]
    assert redrive["maxReceiveCount"] >= 5
    assert redrive["deadLetterTargetArn"] == "<DeadLetterQueue.Arn>"


def test_the_dead_letter_queue_takes_dead_letters_of_the_event_queue_alone() -> None:
    deployment = rendered("dev")
    name = deployment.properties("EventQueue")["QueueName"]
    assert deployment.properties("DeadLetterQueue")["RedriveAllowPolicy"] == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [f"arn:aws:sqs:ap-southeast-5:123456789012:{name}"],
    }


def test_the_two_queues_do_not_refer_to_each_other_in_a_circle() -> None:
    resources = translated()["Resources"]
    assert "DeadLetterQueue" in set(references(resources["EventQueue"]))
    assert "EventQueue" not in set(references(resources["DeadLetterQueue"]))


@pytest.mark.parametrize("section", ["dev", "e2e-test"])
def test_the_outputs_name_both_queues_for_a_redrive(section: str) -> None:
    outputs = rendered(section).outputs
    assert outputs["DeadLetterQueueArn"]["Value"] == "<DeadLetterQueue.Arn>"
    assert outputs["EventQueueArn"]["Value"] == "<EventQueue.Arn>"


def test_the_queues_take_the_largest_event_record() -> None:
    for queue in rendered("dev").of_type("AWS::SQS::Queue").values():
        assert queue["MaximumMessageSize"] >= 64 * 1024


def test_a_dead_letter_lives_longer_than_it_may_have_waited_before() -> None:
    deployment = rendered("dev")
    waited = deployment.properties("EventQueue")["MessageRetentionPeriod"]
    assert deployment.properties("DeadLetterQueue")["MessageRetentionPeriod"] > waited


def test_the_mapping_gathers_a_burst_and_reports_each_message() -> None:
    (mapping,) = rendered("dev").of_type("AWS::Lambda::EventSourceMapping").values()
    assert mapping["EventSourceArn"] == "<EventQueue.Arn>"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert mapping["BatchSize"] == 1000
    assert mapping["MaximumBatchingWindowInSeconds"] == 60


def test_the_window_is_never_zero_since_large_batches_need_one() -> None:
    assert source()["Parameters"]["BatchingWindowSeconds"]["MinValue"] >= 1


def test_the_reconciler_is_called_by_ended_runs_of_this_application_and_every_minute() -> None:
    rules = rendered("dev").of_type("AWS::Events::Rule")
    patterns = [rule["EventPattern"] for rule in rules.values() if "EventPattern" in rule]
    assert patterns == [
        {
            "source": ["aws.emr-serverless"],
            "detail-type": ["EMR Serverless Job Run State Change"],
            "detail": {"applicationId": ["<SparkApplication>"], "state": ["SUCCESS", "FAILED", "CANCELLED"]},
        }
    ]
    assert [rule["ScheduleExpression"] for rule in rules.values() if "ScheduleExpression" in rule] == ["rate(1 minute)"]
    assert all(rule["Targets"][0]["Arn"] == "<ReconcilerFunction.Arn>" for rule in rules.values())


def test_a_sweep_that_failed_is_made_up_for_by_the_next_and_never_repeated() -> None:
    (config,) = rendered("dev").of_type("AWS::Lambda::EventInvokeConfig").values()
    assert config["FunctionName"] == "<ReconcilerFunction>"
    assert config["MaximumRetryAttempts"] == 0
    assert 60 <= config["MaximumEventAgeInSeconds"] <= 300
    assert not config.get("DestinationConfig")


def test_the_reconciler_sweeps_even_when_no_events_are_taken() -> None:
    rules = rendered("e2e-test").of_type("AWS::Events::Rule").values()
    assert [rule["ScheduleExpression"] for rule in rules if "ScheduleExpression" in rule] == ["rate(1 minute)"]
