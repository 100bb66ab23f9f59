from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from alur.aws.clients import client
from alur.aws.code_archive import PackedCode
from alur.aws.code_publisher import CodePublisher
from alur.errors import DeployError
from alur.local.environment import Endpoints
from bucket_support import delete_bucket

BUCKET = "code-publisher-artifacts"
OLD = PackedCode(b"old archive", b"old entry point", "0" * 64)
NEW = PackedCode(b"new archive", b"new entry point", "f" * 64)


@pytest.fixture
def s3(aws_servers: Endpoints) -> Iterator[Any]:
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    yield s3
    delete_bucket(s3, BUCKET)


def tags(s3: Any, digest: str, name: str) -> dict[str, str]:
    found = s3.get_object_tagging(Bucket=BUCKET, Key=f"code/{digest}/{name}")["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in found}


def body(s3: Any, digest: str, name: str) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=f"code/{digest}/{name}")["Body"].read()


def count_puts(s3: Any) -> list[str]:
    puts: list[str] = []
    s3.meta.events.register("before-call.s3.PutObject", lambda params, **_: puts.append(params["url_path"]))
    return puts


def test_archive_and_entry_point_are_put_under_the_digest(s3: Any) -> None:
    published = CodePublisher(s3, BUCKET).publish(NEW)
    assert published.archive_uri == f"s3://{BUCKET}/code/{NEW.digest}/alur.tar.gz"
    assert published.entry_point_uri == f"s3://{BUCKET}/code/{NEW.digest}/main.py"
    assert body(s3, NEW.digest, "alur.tar.gz") == b"new archive"
    assert body(s3, NEW.digest, "main.py") == b"new entry point"


def test_code_that_is_there_already_is_not_put_again(s3: Any) -> None:
    publisher = CodePublisher(s3, BUCKET)
    first = publisher.publish(NEW)
    puts = count_puts(s3)
    assert publisher.publish(NEW) == first
    assert puts == []


def test_a_half_of_the_code_that_is_missing_is_put(s3: Any) -> None:
    publisher = CodePublisher(s3, BUCKET)
    publisher.publish(NEW)
    s3.delete_object(Bucket=BUCKET, Key=f"code/{NEW.digest}/main.py")
    publisher.publish(NEW)
    assert body(s3, NEW.digest, "main.py") == b"new entry point"


def test_superseded_code_is_kept_with_the_tag_that_lets_it_expire(s3: Any) -> None:
    publisher = CodePublisher(s3, BUCKET)
    publisher.publish(OLD)
    publisher.publish(NEW)
    assert publisher.supersede_others(NEW.digest) == (OLD.digest,)
    for name in ("alur.tar.gz", "main.py"):
        assert tags(s3, OLD.digest, name) == {"alur-superseded": "true"}
        assert tags(s3, NEW.digest, name) == {}
    assert body(s3, OLD.digest, "alur.tar.gz") == b"old archive"


def test_superseding_twice_does_not_begin_the_wait_anew(s3: Any) -> None:
    publisher = CodePublisher(s3, BUCKET)
    publisher.publish(OLD)
    publisher.supersede_others(NEW.digest)
    assert publisher.supersede_others(NEW.digest) == ()


def test_code_that_comes_back_after_a_roll_back_expires_no_more(s3: Any) -> None:
    publisher = CodePublisher(s3, BUCKET)
    publisher.publish(OLD)
    publisher.supersede_others(NEW.digest)
    publisher.publish(OLD)
    assert tags(s3, OLD.digest, "alur.tar.gz") == {}
    assert tags(s3, OLD.digest, "main.py") == {}


def test_nothing_beside_the_code_is_marked(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="logs/applications/a/stdout.gz", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="code/readme", Body=b"")
    assert CodePublisher(s3, BUCKET).supersede_others(NEW.digest) == ()


def test_a_refusal_by_s3_is_a_failed_deploy_and_names_the_object(s3: Any) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")

    s3.meta.events.register("before-call.s3.PutObject", refuse)
    with pytest.raises(DeployError, match=rf"uploading s3://{BUCKET}/code/{NEW.digest}/alur.tar.gz.*AccessDenied"):
        CodePublisher(s3, BUCKET).publish(NEW)


def test_a_bucket_that_may_not_be_read_is_never_taken_for_an_empty_one(s3: Any) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")

    s3.meta.events.register("before-call.s3.HeadObject", refuse)
    with pytest.raises(DeployError, match="looking for"):
        CodePublisher(s3, BUCKET).publish(NEW)
