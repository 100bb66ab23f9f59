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
