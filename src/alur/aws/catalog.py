"""Glue: whether a table is there, without Spark."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from alur.errors import CatalogError


def table_exists(glue: Any, database: str, table: str) -> bool:
    """Say whether the catalog has a table.

    Args:
        glue: a boto3 `glue` client.
        database: the Glue database.
        table: the table.

    Raises:
        CatalogError: Glue cannot be asked.
    """
    try:
        glue.get_table(DatabaseName=database, Name=table)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code == "EntityNotFoundException":
            return False
        raise CatalogError(f"{database}.{table}", code, error.response.get("Error", {}).get("Message", "")) from error
    except BotoCoreError as error:
        raise CatalogError(f"{database}.{table}", type(error).__name__, str(error)) from error
    return True
