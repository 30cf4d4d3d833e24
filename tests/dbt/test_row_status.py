"""Rows that do not count: conditions, ignored event types, keys, joined files and whole catalogs, from file to mart."""

import json
from typing import Any

from orchestration.dbt_runner import run_dbt
from orchestration.feed_accounting import read_feed_status
from tests.three_feed_shop import Shop
from warehouse.loading.loader import load

FEEDS: dict[str, dict[str, Any]] = {
    "clicks": {
        "kind": "events",
        "files": "clicks*.csv",
        "format": "csv",
        "columns": {"event_id": "id", "user_id": "who", "product_id": "sku", "event_type": "what", "event_at": "when"},
        "event_types": {"view": "detail", "ignored": ["scroll", "login"]},
    },
    "shop": {
        "kind": "purchases",
        "files": "shop*.csv",
        "format": "csv",
        "columns": {"transaction_id": "order", "user_id": "who", "product_id": "sku", "purchased_at": "when"},
        "key": ["order", "sku"],
        "where": {"state": ["paid", "back"]},
        "is_return": {"state": "back"},
    },
    "till": {
        "kind": "purchases",
        "files": "till*.csv",
        "format": "csv",
        "columns": {"user_id": "who", "product_id": "sku", "purchased_at": "when"},
        "duplicates": "keep",
    },
    "web": {
        "kind": "purchases",
        "files": "lines*.csv",
        "format": "csv",
        "columns": {"transaction_id": "order", "product_id": "sku"},
        "join": {"files": "orders*.csv", "columns": {"transaction_id": "id", "user_id": "who", "purchased_at": "when"}},
    },
    "api": {
        "kind": "purchases",
        "files": "api*.jsonl",
        "format": "jsonl",
        "unnest": "$.lines",
        "columns": {
            "transaction_id": "id",
            "user_id": "who",
            "product_id": "$.lines.sku",
            "price": "$.lines.cents",
            "purchased_at": "when",
        },
        "key": "id",
        "where": {"paid": "1"},
        "price_divisor": 100,
    },
    "erp": {
        "kind": "purchases",
        "files": "erp*.csv",
        "format": "csv",
        "columns": {"user_id": "who", "product_id": "sku", "purchased_at": "when"},
        "fill_down": "order",
        "key": ["receipt", "sku"],
        "join": {"files": "articles*.csv", "columns": {"product_id": "sku", "price": "price"}},
    },
    "products": {
        "files": "catalog/*.csv",
        "format": "csv",
        "columns": {"product_id": "sku", "product_name": "name", "brand": "brand"},
        "fill_down": "group",
        "leave_out": {"sku": ""},
        "whole": True,
    },
}


def make_order(order: str, user: str, paid: object, **cents: int) -> str:
    """Make the line of an order with a list of its products; `mug_again` is another line of the product mug."""
    lines = [{"sku": name.partition("_")[0], "cents": price} for name, price in cents.items()]
    return json.dumps({"id": order, "who": user, "when": "2026-01-05", "paid": paid, "lines": lines})


FILES = {
    "clicks.csv": """id,who,sku,what,when
1,u1,mug,detail,2026-01-05T10:00:00Z
1,u1,mug,detail,2026-01-05T10:00:07Z
2,u1,,scroll,2026-01-05T10:00:00Z
3,,,Login,2026-01-05T10:00:00Z
4,u1,mug,hover,2026-01-05T10:00:00Z
""",
    "shop-9.csv": """order,who,sku,when,state
o1,u1,mug,2026-01-05T10:00:00Z,open
o2,u1,mug,2026-01-05T11:00:00Z,paid
o3,u2,mug,2026-01-06T11:00:00Z,paid
o4,u2,relic,2026-01-06T11:00:00Z,failed
""",
    "shop-10.csv": """order,who,sku,when,state
o1,u1,mug,2026-01-07T10:00:00Z,paid
o2,u1,mug,2026-01-08T11:00:00Z,Back
""",
    "till.csv": "who,sku,when\nu1,mug,2026-01-05\nu1,mug,2026-01-05\n",
    "lines.csv": "order,sku\nw1,mug\nw2,mug\n",
    "orders.csv": "id,who,when\nw1,u3,2026-01-05T10:00:00Z\n,u4,2026-01-05T10:00:00Z\n",
    "api-1.jsonl": "\n".join(
        [
            make_order("a1", "u5", 1.0, mug=1999, mug_again=1999, pan=500),
            make_order("a1", "u5", 1.0, mug=1999, mug_again=1999, pan=500),
            make_order("a2", "u5", 0.0, mug=1999),
            make_order("a3", "u6", 1, mug=1999, pan=500, mug_again=1899),
        ]
    ),
    "api-2.jsonl": make_order("a1", "u5", "1", mug=1999, mug_again=1899),
    # An order in two deliveries, an article without a price, and a rejected line that could begin another order.
    "erp-1.csv": """order,receipt,who,sku,when
e1,7,u7,mug,2026-01-05
,,,pan,
,,,big-mug,
e2,8,u8,pan,2026-01-05,x,y
,,,mug,
""",
    "erp-2.csv": "order,receipt,who,sku,when\ne1,7.0,u7,mug,2026-01-05\n,,,pan,\n",
    "articles.csv": "sku,price\nmug,4\npan,9\n",
    "catalog/2026-01-01.csv": "group,sku,name,brand\na,mug,Mug,Acme\na,big-mug,,\na,,,\nb,pan,Pan,\n",
    "catalog/2026-01-08.csv": "group,sku,name,brand\na,mug,Mug,Acme\na,big-mug,,\n",
}


def test_rows_that_do_not_count(shop: Shop) -> None:
    for path, content in FILES.items():
        shop.put(path, content)
    shop.declare(**FEEDS)
    load(shop.settings)
    marts = ("+quarantine_joined_rows", "+audit_feeds", "+audit_feed_day_reasons", "+fct_transactions", "+dim_products")
    run_dbt(shop.settings, "build", "--resource-type", "seed", "--resource-type", "model", "--select", *marts)

    assert {
        status.feed: (status.clean, status.duplicates, status.excluded, status.quarantined, status.reasons)
        for status in read_feed_status(shop.settings)
    } == {
        "clicks": (1, 1, 2, 1, {"unknown_event_type": 1}),
        "shop": (3, 1, 2, 0, {}),
        "till": (2, 0, 0, 0, {}),
        "web": (1, 0, 0, 1, {"bad_timestamp": 1, "missing_joined_row": 1}),
        "web.join": (1, 0, 0, 1, {"missing_key": 1}),
        # The newest record of an order counts, with all its lines.
        "api": (5, 6, 1, 0, {}),
        "erp": (2, 2, 0, 2, {"bad_timestamp": 1, "missing_joined_row": 1}),
        "erp.join": (2, 0, 0, 0, {}),
        "products": (3, 2, 1, 0, {}),
    }
    (order,) = shop.query("select _line, raw_row ->> 'user_id' from marts.quarantine_joined_rows")
    assert order == (3, "u4")
    transactions = """
        select _feed, transaction_id, user_id, cast(purchase_date as varchar), quantity from marts.fct_transactions
        where _feed not in ('till', 'api', 'erp') order by all
    """
    assert shop.query(transactions) == [
        ("shop", "o1", "u1", "2026-01-07", 1),
        ("shop", "o2", "u1", "2026-01-08", -1),
        ("shop", "o3", "u2", "2026-01-06", 1),
        ("web", "w1", "u3", "2026-01-05", 1),
    ]
    rows = "select user_id, product_id from marts.fct_transactions where _feed = 'erp' order by all"
    assert shop.query(rows) == [("u7", "mug"), ("u7", "pan")]
    lines = "select transaction_id, product_id, price from marts.fct_transactions where _feed = 'api' order by all"
    assert [(order, product, float(price)) for order, product, price in shop.query(lines)] == [
        *(("a1", "mug", 18.99), ("a1", "mug", 19.99)),
        *(("a3", "mug", 18.99), ("a3", "mug", 19.99), ("a3", "pan", 5.0)),
    ]
    assert shop.query("select product_id, product_name, brand, is_available from marts.dim_products order by all") == [
        ("big-mug", "Mug", "acme", True),
        ("mug", "Mug", "acme", True),
        ("pan", "Pan", None, False),
    ]
