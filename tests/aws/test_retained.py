"""What stubs show that moto does not: refusals inside of answers, logs that come late, more than a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from alur.aws.deployment import Deployment
from alur.aws.retained import Kept, Kind, Retained
from alur.aws.stacks import StackResource
from alur.errors import DeployError


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"says {code}"}}, "Operation")


@dataclass
class S3:
    """A bucket with many objects, into which somebody may write while it is emptied."""

    objects: int = 0
    late: int = 0
    refuses: str = ""
    exists: bool = True
    deletes: list[int] = field(default_factory=list)

    def list_object_versions(self, Bucket: str, MaxKeys: int) -> dict[str, Any]:
        if not self.exists:
            raise refusal("NoSuchBucket")
        return {"Versions": [{"Key": str(n), "VersionId": "null"} for n in range(min(MaxKeys, self.objects))]}

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        if self.refuses:
            return {"Errors": [{"Key": "kept", "Code": self.refuses}]}
        self.deletes.append(len(Delete["Objects"]))
        self.objects -= len(Delete["Objects"])
        return {}

    def delete_bucket(self, Bucket: str) -> None:
        if self.late:
            self.late -= 1
            self.objects += 1
            raise refusal("BucketNotEmpty")
        self.exists = False


class Refusing:
    """A service that refuses everything."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            raise refusal(self.code)

        return refuse


def retained(slept: list[float] | None = None, **clients: Any) -> Retained:
    made = {"s3": S3(), "dynamodb": Refusing("AccessDeniedException"), "glue": Refusing("AccessDeniedException")}
    deployment = Deployment(
        region="us-east-1", variables={}, make_client=lambda service, _: {**made, **clients}[service]
    )
    return Retained(deployment, sleep=(slept if slept is not None else []).append)


BUCKET = Kept(Kind.BUCKET, "LakeBucket", "lake", "objects")


def test_a_bucket_is_emptied_a_thousand_objects_a_call():
    s3, told = S3(objects=2500), []
    retained(s3=s3).delete(BUCKET, told.append)
    assert s3.deletes == [1000, 1000, 500]
    assert not s3.exists
    assert told[-1] == "lake: 2,500 objects deleted"


def test_what_is_written_while_it_is_emptied_is_deleted_too():
    s3, slept = S3(objects=1, late=2), []
    retained(slept, s3=s3).delete(BUCKET, lambda _: None)
    assert not s3.exists
    assert len(slept) == 2


def test_somebody_who_writes_on_and_on_ends_it_with_a_reason():
    with pytest.raises(DeployError, match="BucketNotEmpty"):
        retained(s3=S3(late=100)).delete(BUCKET, lambda _: None)


def test_an_object_that_s3_does_not_delete_is_an_error_although_the_call_succeeds():
    with pytest.raises(DeployError, match="kept: AccessDenied"):
        retained(s3=S3(objects=1, refuses="AccessDenied")).delete(BUCKET, lambda _: None)


def test_a_bucket_that_is_gone_is_no_error():
    retained(s3=S3(exists=False)).delete(BUCKET, lambda _: None)


@pytest.mark.parametrize(
    ("kind", "clients"),
    [
        (Kind.TABLE, {"dynamodb": Refusing("ResourceNotFoundException")}),
        (Kind.DATABASE, {"glue": Refusing("EntityNotFoundException")}),
    ],
)
def test_a_table_and_a_database_that_are_gone_are_no_error(kind, clients):
    retained(**clients).delete(Kept(kind, "X", "name", ""), lambda _: None)


@pytest.mark.parametrize("kind", [Kind.TABLE, Kind.DATABASE])
def test_a_refusal_names_the_thing(kind):
    with pytest.raises(DeployError, match="name: AccessDeniedException"):
        retained().delete(Kept(kind, "X", "name", ""), lambda _: None)


def test_a_survey_says_what_it_could_not_see_and_leaves_out_what_holds_no_data():
    kept = retained(s3=Refusing("AccessDenied")).survey(
        [
            StackResource("LakeBucket", "lake", "AWS::S3::Bucket", True),
            StackResource("StateTable", "state", "AWS::DynamoDB::Table", True),
            StackResource("BronzeDatabase", "bronze", "AWS::Glue::Database", True),
            StackResource("TemporaryBucket", "temporary", "AWS::S3::Bucket", False),
            StackResource("JobRole", "role", "AWS::IAM::Role", True),
        ]
    )
    assert [(one.name, one.holds) for one in kept] == [
        ("lake", "not known (AccessDenied)"),
        ("state", "not known (AccessDeniedException)"),
        ("bronze", "not known (AccessDeniedException)"),
    ]
