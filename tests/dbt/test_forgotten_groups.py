"""A load rejects the rows of a forgotten customer that `fill_down` assigns, as dbt assigns them."""

import csv
import io
import random

import pytest

from orchestration.dbt_runner import run_dbt
from tests.three_feed_shop import PURCHASES_CSV, Shop
from warehouse.loading.forgotten_customers import add_forgotten_customer
from warehouse.loading.loader import load

MAPPED = {**PURCHASES_CSV, "kind": "purchases", "fill_down": "order", "null_values": ["default", "none"]}
FEEDS = {
    "mapped": {**MAPPED, "files": "mapped/*", "columns": {**PURCHASES_CSV["columns"], "transaction_id": "order"}},
    "unmapped": {**MAPPED, "files": "unmapped/*"},
}


def write_rows(rng: random.Random) -> str:
    """Write rows of groups that start, continue, return, and are interrupted by a line that cannot be parsed."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["order", "sku", "when", "who", "qty"])
    for _ in range(400):
        if rng.random() < 0.03:
            text.write('"o1"x,a,2026-01-01,dora1,1\r\n')
            continue
        order = rng.choice(["", "", "", " ", "\t", "none", "o1", "o2", " o2", "o3", "7", "7.0", "n/a"])
        when = rng.choice(["", "", "", "None", " ", "2026-01-01"])
        who = rng.choice(["", "", " ", "none", "anna1", " anna1", "bert1", "carl1"])
        writer.writerow([order, "a", when, who, rng.choice(["", "1"])])
    return text.getvalue()


@pytest.mark.slow
def test_rows_of_random_groups(shop: Shop) -> None:
    rng = random.Random(1)
    for feed in FEEDS:
        for number in range(3):
            shop.put(f"{feed}/{number}.csv", write_rows(rng))
    shop.declare(**FEEDS)
    load(shop.settings)
    model = "int_purchases_classified"
    run_dbt(shop.settings, "build", "--resource-type", "seed", "--resource-type", "model", "--select", f"+{model}")
    assigned = shop.query(
        f"select _file, _line from raw.purchases inner join intermediate.{model} as classified using (_load_id, _line) "
        "where classified.user_id = 'anna1' order by all"
    )
    assert len(assigned) > 300

    add_forgotten_customer(shop.settings, "anna1")
    load(shop.settings, reload_paths={path for (path,) in shop.query("select path from raw.loaded_files")})
    error = "error = 'the customer was forgotten'"
    assert shop.query(f"select path, line from raw.rejected_rows where {error} order by all") == assigned
