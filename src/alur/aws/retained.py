"""What a deleted stack leaves behind: buckets, DynamoDB tables and a Glue database, how full they are, and their end.

Nothing here asks anybody whether it is meant: `alur destroy` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from alur.aws.asking import Refusal, ask
from alur.aws.deployment import Deployment
from alur.aws.stacks import StackResource
from alur.errors import DeployError

_OBJECTS_A_CALL = 1000
_TABLES_A_CALL = 100
_BUCKET_ATTEMPTS = 5
_BUCKET_PAUSE_SECONDS = 3.0


class Kind(StrEnum):
    """What is kept."""

    BUCKET = "bucket"
    TABLE = "DynamoDB table"
    DATABASE = "Glue database"


_KINDS = {"AWS::S3::Bucket": Kind.BUCKET, "AWS::DynamoDB::Table": Kind.TABLE, "AWS::Glue::Database": Kind.DATABASE}


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that stays when its stack goes.

    Attributes:
        kind: what it is.
        logical_id: its name in the template.
        name: its name in AWS.
        holds: what is in it, as far as that is cheap to know, in words.
        is_protected: AWS refuses to delete it.
    """

    kind: Kind
    logical_id: str
    name: str
    holds: str
    is_protected: bool = False


class Retained:
    """The data of a deployment, over boto3 clients.

    Args:
        deployment: whose.
        sleep: waits for so many seconds.
    """

    def __init__(self, deployment: Deployment, sleep: Callable[[float], None] = time.sleep) -> None:
        self._s3 = deployment.client("s3")
        self._dynamodb = deployment.client("dynamodb")
        self._glue = deployment.client("glue")
        self._sleep = sleep

    def survey(self, resources: Iterable[StackResource]) -> tuple[Kept, ...]:
        """Return what holds data among a stack's retained resources, and how much it holds.

        Args:
            resources: all that the stack holds.
        """
        return tuple(
            self._look(_KINDS[resource.type], resource)
            for resource in resources
            if resource.is_retained and resource.type in _KINDS
        )

    def delete(self, kept: Kept, say: Callable[[str], None]) -> None:
        """Delete one of these with all that it holds. What is gone already is no error.

        Args:
            kept: which.
            say: told now and then how far it is.

        Raises:
            DeployError: AWS refuses, or cannot be asked.
        """
        if kept.kind is Kind.BUCKET:
            self._delete_bucket(kept.name, say)
        elif kept.kind is Kind.TABLE:
            self._delete_table(kept.name)
        else:
            self._delete_database(kept.name, say)

    def _look(self, kind: Kind, resource: StackResource) -> Kept:
        name = resource.physical_id
        if kind is Kind.BUCKET:
            return Kept(kind, resource.logical_id, name, self._objects(name))
        if kind is Kind.DATABASE:
            return Kept(kind, resource.logical_id, name, self._tables(name))
        answer = ask(lambda: self._dynamodb.describe_table(TableName=name)["Table"])
        if isinstance(answer, Refusal):
            return Kept(kind, resource.logical_id, name, f"not known ({answer.code})")
        # DynamoDB counts every six hours.
        holds = f"about {answer.get('ItemCount', 0):,} items"
        return Kept(kind, resource.logical_id, name, holds, bool(answer.get("DeletionProtectionEnabled", False)))

    def _objects(self, bucket: str) -> str:
        answer = ask(lambda: self._s3.list_object_versions(Bucket=bucket, MaxKeys=1))
        if isinstance(answer, Refusal):
            return f"not known ({answer.code})"
        return "objects" if answer.get("Versions") or answer.get("DeleteMarkers") else "nothing"

    def _tables(self, database: str) -> str:
        names = ask(lambda: list(self._table_names(database)))
        return f"not known ({names.code})" if isinstance(names, Refusal) else f"{len(names)} tables"

    def _table_names(self, database: str) -> Iterator[str]:
        for page in self._glue.get_paginator("get_tables").paginate(DatabaseName=database):
            for table in page["TableList"]:
                yield table["Name"]

    def _delete_bucket(self, bucket: str, say: Callable[[str], None]) -> None:
        for attempt in range(_BUCKET_ATTEMPTS):
            if not self._empty(bucket, say):
                return
            answer = ask(lambda: self._s3.delete_bucket(Bucket=bucket))
            if not isinstance(answer, Refusal) or answer.code == "NoSuchBucket":
                return
            # A run that has just ended may still write its log.
            if answer.code != "BucketNotEmpty" or attempt == _BUCKET_ATTEMPTS - 1:
                raise DeployError(f"deleting bucket {bucket}", str(answer))
            self._sleep(_BUCKET_PAUSE_SECONDS)

    def _empty(self, bucket: str, say: Callable[[str], None]) -> bool:
        """Delete every version of every object; False: there is no such bucket."""
        deleted = 0
        while True:
            # Always the first page: what is deleted is not listed again, and no marker points into what is gone.
            page = ask(lambda: self._s3.list_object_versions(Bucket=bucket, MaxKeys=_OBJECTS_A_CALL))
            if isinstance(page, Refusal):
                if page.code == "NoSuchBucket":
                    return False
                raise DeployError(f"emptying bucket {bucket}", str(page))
            versions = [
                {"Key": one["Key"], "VersionId": one["VersionId"]}
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            ]
            if not versions:
                return True
            doomed = {"Objects": versions, "Quiet": True}
            answer = ask(partial(self._s3.delete_objects, Bucket=bucket, Delete=doomed))
            # S3 says within a 200 which objects it did not delete.
            refused = [] if isinstance(answer, Refusal) else answer.get("Errors", [])
            if isinstance(answer, Refusal) or refused:
                first = answer if isinstance(answer, Refusal) else f"{refused[0].get('Key')}: {refused[0].get('Code')}"
                raise DeployError(f"emptying bucket {bucket}", f"after {deleted:,} objects: {first}")
            deleted += len(versions)
            say(f"{bucket}: {deleted:,} objects deleted")

    def _delete_table(self, table: str) -> None:
        answer = ask(lambda: self._dynamodb.delete_table(TableName=table))
        if isinstance(answer, Refusal) and answer.code != "ResourceNotFoundException":
            raise DeployError(f"deleting DynamoDB table {table}", str(answer))

    def _delete_database(self, database: str, say: Callable[[str], None]) -> None:
        names = ask(lambda: list(self._table_names(database)))
        if isinstance(names, Refusal):
            if names.code == "EntityNotFoundException":
                return
            raise DeployError(f"deleting Glue database {database}", str(names))
        # Before the database: what is in one that is deleted goes only by and by, as Glue finds the time.
        for begin in range(0, len(names), _TABLES_A_CALL):
            some = names[begin : begin + _TABLES_A_CALL]
            answer = ask(partial(self._glue.batch_delete_table, DatabaseName=database, TablesToDelete=some))
            refused = [] if isinstance(answer, Refusal) else answer.get("Errors", [])
            if isinstance(answer, Refusal) or refused:
                first = answer if isinstance(answer, Refusal) else f"{refused[0].get('TableName')}: {refused[0]}"
                raise DeployError(f"deleting the tables of Glue database {database}", str(first))
            say(f"{database}: {begin + len(some)} tables deleted")
        answer = ask(lambda: self._glue.delete_database(Name=database))
        if isinstance(answer, Refusal) and answer.code != "EntityNotFoundException":
            raise DeployError(f"deleting Glue database {database}", str(answer))
