"""What the scenarios type beside the guide's own commands. `docs/guide.md` has no command that is in neither."""

from __future__ import annotations

LAY_OUT = r"""
mkdir test_data
cp examples/orders/*.csv test_data/
head -21 examples/orders/good_orders.csv | sed 's/^100/200/' > new_orders.csv
"""
"""The files that the guide names: in `test_data/` those of `examples/orders`, in `new_orders.csv` 20 rows."""

START = "alur local up --section e2e-test"

TELL = 'eval "$(alur local env)"'

STOP = "alur local down"

RUN = "alur run ingest_orders --env e2e-test --wait"
"""The guide's own, where a scenario runs it once more than the guide."""

RUN_FOR_JSON = "alur run ingest_orders --env e2e-test --json"

RUN_UNKNOWN = "alur run ingest_nothing --env e2e-test --wait"

RUN_SINCE = "alur run ingest_orders --env e2e-test --since 2030-01-01"

LIST_FAILED = "alur files orders --status failed --env e2e-test"

RETRY = "alur retry orders --all-failed --env e2e-test"

PURGE = "alur state purge orders --older-than 90d --env e2e-test"

CHECK_FILES = "alur files orders --env e2e-test"

FILL_SOURCES = """
aws s3 cp test_data/edge_cases.csv s3://alur-landing-e2e-20260122-114314/archive/orders/
aws s3 cp new_orders.csv s3://alur-landing-e2e-20260122-114314/backfill/orders/
"""

DELETE_GOOD = """
aws dynamodb delete-item \\
  --table-name alur-ingestion-state \\
  --key '{"ingestion_key":{"S":"orders"},"file_path":{"S":"PATH"}}' \\
  --region ap-southeast-5
""".replace("PATH", "s3://alur-landing-e2e-20260122-114314/orders/good_orders.csv")
"""The guide's Solution 1, of a file that `ingest_orders` takes."""

REPROCESS_GOOD = "alur reprocess s3://alur-landing-e2e-20260122-114314/orders/good_orders.csv --env e2e-test --yes"

CORRECT_GOOD = """
head -11 test_data/good_orders.csv > corrected.csv
aws s3 cp corrected.csv s3://alur-landing-e2e-20260122-114314/orders/good_orders.csv
"""
"""Another version of a file, of 10 rows."""

DROP_BROKEN = r"""
printf 'id,amount\n1,2.50\n' > broken.csv
aws s3 cp broken.csv s3://alur-landing-e2e-20260122-114314/orders/
"""

MEND_BROKEN = "aws s3 cp test_data/edge_cases.csv s3://alur-landing-e2e-20260122-114314/orders/broken.csv"
