"""Glue's optimistic lock for moto, whose UpdateTable ignores VersionId: two concurrent Iceberg commits would lose one.

AWS Glue refuses an UpdateTable whose VersionId is not the table's current one with ConcurrentModificationException;
Iceberg's GlueCatalog rests on that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.glue.responses import GlueResponse

# Two servers in one process wrap each other.
_lock = threading.RLock()


def install_compare_and_set() -> Callable[[], None]:
    """Make moto's Glue compare VersionId before it updates a table.

    Returns:
        A function that puts moto's own behaviour back.
    """
    original = GlueResponse.update_table

    def update_table(response: Any) -> Any:
        with _lock:
            wanted = response.parameters.get("VersionId")
            if wanted is not None:
                name = response.parameters["TableInput"]["Name"]
                table = response.glue_backend.get_table(response.parameters["DatabaseName"], name)
                current = table.as_dict()["VersionId"]
                if str(wanted) != str(current):
                    problem = f"Update table failed due to concurrent modifications: {current} is not {wanted}."
                    raise JsonRESTError("ConcurrentModificationException", problem)
            return original(response)

    GlueResponse.update_table = update_table

    def uninstall() -> None:
        GlueResponse.update_table = original

    return uninstall
