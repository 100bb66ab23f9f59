"""What the scenarios type into a Python session beside the guide's snippets."""

from __future__ import annotations

from acceptance.world import LANDING, REGION

_IMPORTS = """
from alur.engine import AWSAdapter, PipelineRunner, get_spark_session
from alur.ingestion import load_to_bronze
from contracts.orders import OrdersBronze

"""

WRITE_DF = f"""{_IMPORTS}
AWSAdapter(region="{REGION}").write_table(df, OrdersBronze)
"""
"""Publish what a snippet has loaded, as the guide says of `adapter.write_table()`; the value is what came of it."""

TABLE = f"""{_IMPORTS}
rows = AWSAdapter(region="{REGION}").read_table(OrdersBronze)
"""

ROWS_BY_FILE = f"""{TABLE}
{{row["_source_file"]: row["count"] for row in rows.groupBy("_source_file").count().collect()}}
"""

BATCH_BY_FILE = f"""{TABLE}
{{row["_source_file"]: row["_batch_id"] for row in rows.select("_source_file", "_batch_id").distinct().collect()}}
"""

UNMANAGED_ROWS = f"""{TABLE}
rows.where("_batch_id LIKE 'unmanaged-%'").count()
"""


def run_pipeline(name: str) -> str:
    """Run a pipeline in the session; the value is its result.

    Args:
        name: the pipeline's.
    """
    return f'{_IMPORTS}\nPipelineRunner(AWSAdapter(region="{REGION}")).run_pipeline("{name}")\n'


def load(glob: str = f"s3://{LANDING}/orders/*.csv") -> str:
    """Load files as `df`; the value is how many rows they have.

    Args:
        glob: which.
    """
    return f'{_IMPORTS}\ndf = load_to_bronze(get_spark_session(), "{glob}", "sales_db", OrdersBronze)\ndf.count()\n'
