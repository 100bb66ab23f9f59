from __future__ import annotations

import gzip
import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from alur.aws.catalog import CatalogTable, find_table, partitions_in, read_partitions, table_exists
from alur.aws.clients import client
from alur.aws.storage import Storage
from alur.contracts.partitions import PartitionField, Transform
from alur.errors import CatalogError

FIELDS = [{"id": 1, "name": "id"}, {"id": 2, "name": "at"}]


def described(*fields: dict[str, Any]) -> dict[str, Any]:
    """A description of a table that once had other columns, and another partitioning."""
    return {
        "current-schema-id": 1,
        "schemas": [{"schema-id": 0, "fields": []}, {"schema-id": 1, "fields": FIELDS}],
        "default-spec-id": 3,
        "partition-specs": [{"spec-id": 3, "fields": list(fields)}, {"spec-id": 0, "fields": []}],
    }


class Refusing:
    """A client of Glue that says no."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_table(self, **_: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("transform", "partition"),
    [
        ("identity", PartitionField(Transform.IDENTITY, "at")),
        ("year", PartitionField(Transform.YEARS, "at")),
        ("month", PartitionField(Transform.MONTHS, "at")),
        ("day", PartitionField(Transform.DAYS, "at")),
        ("hour", PartitionField(Transform.HOURS, "at")),
        ("bucket[16]", PartitionField(Transform.BUCKET, "at", 16)),
        ("truncate[4]", PartitionField(Transform.TRUNCATE, "at", 4)),
    ],
)
def test_each_transform_of_iceberg_is_that_of_a_contract(transform, partition):
    dropped = {"source-id": 1, "transform": "void"}
    assert partitions_in(described(dropped, {"source-id": 2, "transform": transform})) == (partition,)


@pytest.mark.parametrize("transform", ["zorder[4]", "DAY", ""])
def test_a_transform_that_is_not_known_is_not_guessed(transform):
    with pytest.raises(ValueError, match="is not known"):
        partitions_in(described({"source-id": 2, "transform": transform}))


def test_a_column_that_is_not_there_is_not_guessed():
    with pytest.raises(LookupError):
        partitions_in(described({"source-id": 9, "transform": "day"}))


def test_a_catalog_that_refuses_is_no_table_that_is_not_there():
    refusal = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetTable")
    with pytest.raises(CatalogError, match="AccessDeniedException: no"):
        find_table(Refusing(refusal), "b", "t")
    with pytest.raises(CatalogError, match="EndpointConnectionError"):
        table_exists(Refusing(EndpointConnectionError(endpoint_url="http://x")), "b", "t")


@pytest.mark.usefixtures("aws_servers")
class TestOnMoto:
    @pytest.fixture
    def database(self) -> str:
        name = f"base_{uuid.uuid4().hex[:8]}"
        client("glue").create_database(DatabaseInput={"Name": name})
        return name

    @pytest.fixture
    def bucket(self) -> str:
        name = f"lake-{uuid.uuid4().hex[:8]}"
        client("s3").create_bucket(Bucket=name)
        return name

    def test_a_table_that_is_not_there_is_none(self, database):
        assert find_table(client("glue"), database, "orders") is None
        assert not table_exists(client("glue"), database, "orders")

    def test_columns_that_were_dropped_are_not_the_tables(self, database):
        columns = [
            {"Name": "id", "Type": "bigint", "Parameters": {"iceberg.field.current": "true"}},
            {"Name": "gone", "Type": "string", "Parameters": {"iceberg.field.current": "false"}},
            {"Name": "plain", "Type": "date"},
        ]
        client("glue").create_table(
            DatabaseName=database,
            TableInput={
                "Name": "orders",
                "StorageDescriptor": {"Columns": columns},
                "Parameters": {"metadata_location": "s3://b/k.json"},
            },
        )
        assert table_exists(client("glue"), database, "orders")
        found = find_table(client("glue"), database, "orders")
        assert found == CatalogTable({"id": "bigint", "plain": "date"}, "s3://b/k.json")
        assert found.is_iceberg

    def test_what_has_no_description_is_no_table_of_iceberg(self, database):
        client("glue").create_table(DatabaseName=database, TableInput={"Name": "orders"})
        found = find_table(client("glue"), database, "orders")
        assert found is not None
        assert not found.is_iceberg

    @pytest.mark.parametrize("name", ["m.metadata.json", "m.gz.metadata.json"])
    def test_a_description_is_read_compressed_or_not(self, bucket, name):
        body = json.dumps(described({"source-id": 2, "transform": "day"})).encode()
        client("s3").put_object(Bucket=bucket, Key=name, Body=gzip.compress(body) if ".gz." in name else body)
        table = CatalogTable({}, f"s3://{bucket}/{name}")
        assert read_partitions(Storage(client("s3")), table) == (PartitionField(Transform.DAYS, "at"),)

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"\xff"])
    @pytest.mark.parametrize("name", ["m.metadata.json", "m.gz.metadata.json"])
    def test_a_description_that_is_none_is_refused_by_its_place(self, bucket, name, body):
        client("s3").put_object(Bucket=bucket, Key=name, Body=body)
        with pytest.raises(CatalogError, match=f"s3://{bucket}/{name}"):
            read_partitions(Storage(client("s3")), CatalogTable({}, f"s3://{bucket}/{name}"))

    def test_a_description_that_is_not_there_or_may_not_be_read_is_refused(self, bucket):
        storage = Storage(client("s3"))
        with pytest.raises(CatalogError, match="is not there"):
            read_partitions(storage, CatalogTable({}, f"s3://{bucket}/none.json"))
        with pytest.raises(CatalogError, match="ValueError"):
            read_partitions(storage, CatalogTable({}, "/tmp/m.json"))
