from __future__ import annotations

import uuid

import pytest

from alur.aws.clients import client

pytestmark = pytest.mark.stack


@pytest.fixture
def table(aws_servers):
    database = f"db_{uuid.uuid4().hex}"
    client("glue").create_database(DatabaseInput={"Name": database})
    client("glue").create_table(DatabaseName=database, TableInput=described("first"))
    return database


def described(text):
    return {"Name": "t", "Parameters": {"metadata_location": text}}


def version_of(database):
    found = client("glue").get_table(DatabaseName=database, Name="t")["Table"]
    return found["VersionId"], found["Parameters"]["metadata_location"]


def update(database, text, **more):
    client("glue").update_table(DatabaseName=database, TableInput=described(text), **more)


def test_an_update_from_the_current_version_passes(table):
    update(table, "second", VersionId=version_of(table)[0])
    assert version_of(table)[1] == "second"


def test_an_update_from_an_older_version_is_refused_and_changes_nothing(table):
    old, _ = version_of(table)
    update(table, "second", VersionId=old)
    with pytest.raises(client("glue").exceptions.ConcurrentModificationException):
        update(table, "third", VersionId=old)
    assert version_of(table)[1] == "second"


def test_an_update_without_a_version_passes_as_on_aws(table):
    update(table, "second")
    assert version_of(table)[1] == "second"
