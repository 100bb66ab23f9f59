from __future__ import annotations

import pytest
from rendering import SECTIONS, allowed, rendered, statements

ROLES = ("DispatcherRole", "ReconcilerRole", "PublisherRole", "JobRole")
LEDGER_ACTIONS = {
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:Query",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLSelect",
    "dynamodb:PartiQLUpdate",
}
APPLICATION = "arn:aws:emr-serverless:ap-southeast-5:123456789012:/applications/<SparkApplication>"


def resources(deployment: object, role: str, action: str) -> set[str]:
    return {resource for name, resource in allowed(deployment.properties(role)) if name == action}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_function_and_the_job_have_a_role_of_their_own(section: str) -> None:
    deployment = rendered(section)
    assert set(deployment.of_type("AWS::IAM::Role")) == set(ROLES)
    functions = deployment.of_type("AWS::Lambda::Function")
    assert {name: function["Role"] for name, function in functions.items()} == {
        "DispatcherFunction": "<DispatcherRole.Arn>",
        "ReconcilerFunction": "<ReconcilerRole.Arn>",
        "PublisherFunction": "<PublisherRole.Arn>",
    }


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("key", ["", "arn:aws:kms:eu-west-1:123456789012:key/abc"])
def test_no_statement_allows_everything_of_a_service_or_everywhere(role: str, key: str) -> None:
    deployment = rendered("prod", KmsKeyArn=key)
    for action, resource in allowed(deployment.properties(role)):
        assert "*" not in action
        # A wildcard may end a name that begins with what is ours.
        assert resource not in ("*", "arn:aws:s3:::*")
        assert "*" not in resource.rstrip("*"), resource
        assert resource.rstrip("*") != "arn:aws:s3:::"


@pytest.mark.parametrize("role", ROLES)
def test_no_role_takes_a_managed_policy(role: str) -> None:
    assert "ManagedPolicyArns" not in rendered("prod").properties(role)


@pytest.mark.parametrize("role", ["DispatcherRole", "ReconcilerRole", "JobRole"])
def test_the_ledgers_calls_are_allowed_partiql_by_name(role: str) -> None:
    deployment = rendered("dev")
    for table in ("<StateTable.Arn>", "<BatchesTable.Arn>"):
        actions = {action for action, resource in allowed(deployment.properties(role)) if resource == table}
        assert actions == LEDGER_ACTIONS
    assert resources(deployment, role, "dynamodb:Query") >= {"<BatchesTable.Arn>/index/*"}


@pytest.mark.parametrize("role", ["DispatcherRole", "ReconcilerRole", "JobRole"])
def test_a_transaction_over_both_tables_is_allowed_by_its_parts_for_iam_has_no_action_of_its_own(role: str) -> None:
    deployment = rendered("dev")
    assert resources(deployment, role, "dynamodb:UpdateItem") == {"<StateTable.Arn>", "<BatchesTable.Arn>"}
    assert not any("Transact" in action for action, _ in allowed(deployment.properties(role)))


def test_only_the_reconciler_scans_and_only_the_index() -> None:
    deployment = rendered("dev")
    assert resources(deployment, "ReconcilerRole", "dynamodb:Scan") == {"<BatchesTable.Arn>/index/*"}
    for role in ("DispatcherRole", "JobRole", "PublisherRole"):
        assert resources(deployment, role, "dynamodb:Scan") == set()


@pytest.mark.parametrize("role", ["DispatcherRole", "ReconcilerRole", "JobRole"])
@pytest.mark.parametrize("existing", ["", "theirs"])
def test_a_key_that_vanished_is_answered_404(role: str, existing: str) -> None:
    deployment = rendered("dev", ExistingLandingBucket=existing)
    bucket = existing or deployment.properties("LandingBucket")["BucketName"]
    assert f"arn:aws:s3:::{bucket}" in resources(deployment, role, "s3:ListBucket")
    (listing,) = [one for one in statements(deployment.properties(role)) if one.get("Sid") == "ListLanding"]
    # A condition on s3:prefix does not hold in a HEAD, and the answer would be 403 again.
    assert "Condition" not in listing


@pytest.mark.parametrize("role", ["DispatcherRole", "ReconcilerRole", "JobRole"])
def test_landing_is_read_only_and_below_its_prefix_only(role: str) -> None:
    deployment = rendered("dev", ExistingLandingBucket="theirs", LandingPrefix="in/")
    on_landing = {
        (action, resource) for action, resource in allowed(deployment.properties(role)) if ":theirs" in resource
    }
    assert on_landing == {
        ("s3:GetObject", "arn:aws:s3:::theirs/in/*"),
        ("s3:ListBucket", "arn:aws:s3:::theirs"),
    }


@pytest.mark.parametrize("role", ["DispatcherRole", "ReconcilerRole"])
def test_the_job_role_is_passed_to_emr_serverless_only(role: str) -> None:
    deployment = rendered("dev")
    (passing,) = [one for one in statements(deployment.properties(role)) if one["Action"] == "iam:PassRole"]
    assert passing["Resource"] == "<JobRole.Arn>"
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "emr-serverless.amazonaws.com"}}


def test_runs_are_started_on_the_application_and_followed_as_job_runs() -> None:
    deployment = rendered("dev")
    for role in ("DispatcherRole", "ReconcilerRole"):
        assert resources(deployment, role, "emr-serverless:StartJobRun") == {APPLICATION}
    for action in ("emr-serverless:GetJobRun", "emr-serverless:CancelJobRun"):
        assert resources(deployment, "ReconcilerRole", action) == {f"{APPLICATION}/jobruns/*"}


def test_the_publisher_may_stop_the_application_and_never_delete_code() -> None:
    deployment = rendered("dev")
    for action in ("GetApplication", "ListJobRuns", "StopApplication"):
        assert resources(deployment, "PublisherRole", f"emr-serverless:{action}") == {APPLICATION}
    assert resources(deployment, "PublisherRole", "emr-serverless:CancelJobRun") == {f"{APPLICATION}/jobruns/*"}
    assert resources(deployment, "PublisherRole", "s3:DeleteObject") == set()


def test_the_job_trusts_emr_serverless_for_this_account_only() -> None:
    (trust,) = rendered("dev").properties("JobRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "emr-serverless.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_the_job_keeps_the_lake_reads_code_and_writes_logs() -> None:
    deployment = rendered("dev")
    lake = deployment.properties("LakeBucket")["BucketName"]
    artifacts = deployment.properties("ArtifactsBucket")["BucketName"]
    for action in ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "ListMultipartUploadParts"):
        assert f"arn:aws:s3:::{lake}/*" in resources(deployment, "JobRole", f"s3:{action}")
    assert f"arn:aws:s3:::{artifacts}/code/*" in resources(deployment, "JobRole", "s3:GetObject")
    assert f"arn:aws:s3:::{artifacts}/logs/*" in resources(deployment, "JobRole", "s3:PutObject")
    assert not any(
        artifacts in resource and action == "s3:DeleteObject"
        for action, resource in allowed(deployment.properties("JobRole"))
    )


def test_the_job_makes_and_commits_tables_of_its_database_and_no_other() -> None:
    deployment = rendered("dev")
    database = deployment.properties("BronzeDatabase")["DatabaseInput"]["Name"]
    glue = {
        (action, resource)
        for action, resource in allowed(deployment.properties("JobRole"))
        if action.startswith("glue:")
    }
    prefix = "arn:aws:glue:ap-southeast-5:123456789012:"
    assert {resource for _, resource in glue} == {
        f"{prefix}catalog",
        f"{prefix}database/{database}",
        f"{prefix}table/{database}/*",
    }
    assert {action.removeprefix("glue:") for action, _ in glue} == {
        "GetDatabase",
        "GetDatabases",
        "GetTable",
        "GetTables",
        "CreateTable",
        "UpdateTable",
    }


def test_no_function_may_create_log_groups_and_each_writes_its_own() -> None:
    deployment = rendered("dev")
    for name in ("Dispatcher", "Reconciler", "Publisher"):
        role = f"{name}Role"
        assert resources(deployment, role, "logs:CreateLogGroup") == set()
        assert resources(deployment, role, "logs:PutLogEvents") == {f"<{name}LogGroup.Arn>"}


def test_the_key_is_allowed_to_all_when_there_is_one() -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/abc"
    with_key, without = rendered("dev", KmsKeyArn=key), rendered("dev")
    for role in ROLES:
        assert {"kms:Decrypt", "kms:GenerateDataKey"} <= {
            action for action, resource in allowed(with_key.properties(role)) if resource == key
        }
        assert not any(action.startswith("kms:") for action, _ in allowed(without.properties(role)))


@pytest.mark.parametrize("existing", ["", "theirs"])
def test_every_bucket_of_ours_is_private_encrypted_and_tls_only(existing: str) -> None:
    deployment = rendered("dev", ExistingLandingBucket=existing)
    buckets = deployment.of_type("AWS::S3::Bucket")
    policies = {
        policy["Bucket"]: policy["PolicyDocument"] for policy in deployment.of_type("AWS::S3::BucketPolicy").values()
    }
    for bucket in buckets.values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        (deny,) = policies[bucket["BucketName"]]["Statement"]
        assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert deny["Resource"] == [f"arn:aws:s3:::{bucket['BucketName']}", f"arn:aws:s3:::{bucket['BucketName']}/*"]


def test_a_key_of_ones_own_encrypts_buckets_and_tables() -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/abc"
    deployment = rendered("dev", KmsKeyArn=key)
    for bucket in deployment.of_type("AWS::S3::Bucket").values():
        (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        assert encryption["BucketKeyEnabled"] is True
    for table in deployment.of_type("AWS::DynamoDB::Table").values():
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
