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
