"""S3 through the gateway, over moto: what an object is, listings, documents, and what its errors mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from alur.aws import clients
from alur.aws.storage import Storage
from alur.errors import StorageRefused, StorageUnavailable
from alur.ledger.model import FileVersion
from alur.local.environment import Endpoints
from ledger_support import unique

BUCKET = unique("storage")
HARD_KEYS = ["orders/a b+c%20.csv", "orders/ü/ñ.csv", "orders//two.csv", "orders/[0-9]{a}*.csv", "orders/_hidden.csv"]


@pytest.fixture
def client(aws_servers: Endpoints) -> Any:
    """S3 with an empty bucket."""
    s3 = clients.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    for found in s3.list_object_versions(Bucket=BUCKET).get("Versions", ()):
        s3.delete_object(Bucket=BUCKET, Key=found["Key"], VersionId=found["VersionId"])
    return s3


@pytest.fixture
def storage(client: Any) -> Storage:
    return Storage(client)


def failing(client: Any, code: str, status: int) -> None:
    """Make every further call fail with a code."""

    def answer(**_: Any) -> tuple[Any, dict[str, Any]]:
        class Response:
            status_code = status

        return Response(), {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}

    client.meta.events.register("before-call.s3", answer)


@pytest.mark.parametrize("key", HARD_KEYS)
def test_a_head_says_which_version_is_there(client: Any, storage: Storage, key: str) -> None:
    etag = client.put_object(Bucket=BUCKET, Key=key, Body=b"a,b\n")["ETag"]
    found = storage.head(BUCKET, key)
    assert found is not None
    assert (found.bucket, found.key, found.size_bytes, found.version_id) == (BUCKET, key, 4, None)
    assert found.etag == etag.strip('"')
    assert '"' not in found.etag
    assert found.last_modified is not None
    assert found.last_modified.tzinfo is not None


def test_a_head_names_the_version_where_the_bucket_keeps_versions(client: Any, storage: Storage) -> None:
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    version_id = client.put_object(Bucket=BUCKET, Key="k", Body=b"1")["VersionId"]
    found = storage.head(BUCKET, "k")
    assert found is not None
    assert found.version_id == version_id


def test_a_head_of_nothing_is_none(client: Any, storage: Storage) -> None:
    assert storage.head(BUCKET, "none") is None
    client.put_object(Bucket=BUCKET, Key="k", Body=b"1")
    client.delete_object(Bucket=BUCKET, Key="k")
    assert storage.head(BUCKET, "k") is None


@pytest.mark.parametrize(("code", "status"), [("403", 403), ("AccessDenied", 403), ("400", 400)])
def test_a_head_that_is_refused_is_not_taken_for_nothing(client: Any, storage: Storage, code: str, status: int) -> None:
    failing(client, code, status)
    with pytest.raises(StorageRefused) as raised:
        storage.head(BUCKET, "k")
    assert (raised.value.operation, raised.value.uri, raised.value.code) == ("HeadObject", f"s3://{BUCKET}/k", code)


@pytest.mark.parametrize(("code", "status"), [("503", 503), ("SlowDown", 503), ("500", 500), ("SomethingNew", 500)])
def test_a_fault_of_s3_may_pass(client: Any, storage: Storage, code: str, status: int) -> None:
    failing(client, code, status)
    with pytest.raises(StorageUnavailable):
        storage.head(BUCKET, "k")
    with pytest.raises(StorageUnavailable):
        storage.put_document(f"s3://{BUCKET}/k", {})
    with pytest.raises(StorageUnavailable):
        list(storage.pages(BUCKET, ""))


def test_an_answer_that_does_not_come_may_come_later(client: Any, storage: Storage) -> None:
    def fail(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1")

    client.meta.events.register("before-call.s3", fail)
    with pytest.raises(StorageUnavailable, match="ReadTimeoutError"):
        storage.head(BUCKET, "k")
    with pytest.raises(StorageUnavailable, match="ReadTimeoutError"):
        storage.read(BUCKET, "k")


def test_a_document_is_read_back_as_it_was_written(client: Any, storage: Storage) -> None:
    document = {"files": [{"key": "ü b", "size_bytes": 3, "version_id": None}], "a": 1.5}
    uri = f"s3://{BUCKET}/alur/batches/orders/b1/manifest.json"
    storage.put_document(uri, document)
    assert storage.get_document(uri) == document
    stored = client.get_object(Bucket=BUCKET, Key="alur/batches/orders/b1/manifest.json")
    assert stored["ContentType"] == "application/json"
    assert json.loads(stored["Body"].read()) == document


def test_a_document_that_is_not_there_is_refused_by_name(storage: Storage) -> None:
    with pytest.raises(StorageRefused) as raised:
        storage.get_document(f"s3://{BUCKET}/none")
    assert raised.value.code == "NoSuchKey"


def test_a_bucket_that_is_not_there_is_refused(storage: Storage) -> None:
    with pytest.raises(StorageRefused) as raised:
        storage.put_document("s3://nowhere/none", {})
    assert raised.value.code == "NoSuchBucket"


def test_first_bytes_are_read_and_no_more(client: Any, storage: Storage) -> None:
    client.put_object(Bucket=BUCKET, Key="k", Body=b"0123456789")
    assert storage.read(BUCKET, "k") == b"0123456789"
    assert storage.read(BUCKET, "k", first_bytes=4) == b"0123"
    assert storage.read(BUCKET, "k", first_bytes=400) == b"0123456789"
    assert storage.read(BUCKET, "none", first_bytes=4) is None


def test_first_bytes_of_an_empty_object_are_none_of_them(client: Any, storage: Storage) -> None:
    client.put_object(Bucket=BUCKET, Key="k", Body=b"")
    assert storage.read(BUCKET, "k", first_bytes=4) == b""


def test_a_listing_is_read_page_by_page_in_the_order_of_utf8(client: Any, storage: Storage) -> None:
    keys = sorted([*HARD_KEYS, *(f"orders/{number}.csv" for number in range(5))], key=str.encode)
    for key in keys:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    pages = list(storage.pages(BUCKET, "orders/", page_size=3))
    assert [found.key for page in pages for found in page.objects] == keys
    assert [page.is_last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert all(len(page.objects) <= 3 for page in pages)
    assert all(page.listed_at.tzinfo is not None for page in pages)
    after = [found.key for page in storage.pages(BUCKET, "orders/", start_after=keys[3]) for found in page.objects]
    assert after == keys[4:]


def test_a_listing_of_one_folder_says_that_there_are_others(client: Any, storage: Storage) -> None:
    for key in ("a/1.csv", "a/b/2.csv"):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    (page,) = storage.pages(BUCKET, "a/", delimiter="/")
    assert [found.key for found in page.objects] == ["a/1.csv"]
    assert page.has_folders
    (nothing,) = storage.pages(BUCKET, "none/")
    assert (nothing.objects, nothing.has_folders, nothing.is_last) == ((), False, True)


@pytest.mark.parametrize("key", HARD_KEYS)
def test_one_version_of_an_object_is_copied(client: Any, storage: Storage, key: str) -> None:
    client.put_object(Bucket=BUCKET, Key=key, Body=b"one")
    source = storage.head(BUCKET, key)
    assert source is not None
    assert storage.copy(source, BUCKET, "staging/copy")
    assert storage.read(BUCKET, "staging/copy") == b"one"


def test_a_copy_of_what_is_gone_is_none(storage: Storage) -> None:
    assert not storage.copy(FileVersion(BUCKET, "none", "e1", 3), BUCKET, "staging/copy")
    assert storage.read(BUCKET, "staging/copy") is None


def test_a_copy_of_what_is_another_version_by_now_is_none(client: Any, storage: Storage) -> None:
    asked: dict[str, Any] = {}

    def answer(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        asked.update(params["headers"])

        class Response:
            status_code = 412

        return Response(), {"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"HTTPStatusCode": 412}}

    # moto does not look at the condition.
    client.meta.events.register("before-call.s3.CopyObject", answer)
    assert not storage.copy(FileVersion(BUCKET, "k", "e1", 3), BUCKET, "staging/copy")
    assert asked["x-amz-copy-source-if-match"] == "e1"
