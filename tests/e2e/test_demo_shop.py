"""The demo shop from landing files to recommendations, compared with the truth that the generator wrote."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestration.dbt_runner import PROJECT_DIR, find_dbt_executable
from tests.e2e.test_error_messages import assert_one_line_error
from tests.recomart_cli import RecomartCli
from warehouse.database import open_reader
from warehouse.demo.truth import DemoTruth
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def demo_truth(demo_warehouse: Settings) -> DemoTruth:
    text = (demo_warehouse.demo_truth_dir / "planted.json").read_text(encoding="utf-8")
    return DemoTruth.model_validate_json(text)


def query_warehouse(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with open_reader(settings) as connection:
        return connection.execute(query).fetchall()


def test_status_equals_planted_rows(demo_warehouse: Settings, demo_truth: DemoTruth, cli: RecomartCli) -> None:
    status = cli.run_json("status", "--warehouse", demo_warehouse.warehouse)
    feeds = {feed.pop("feed"): feed for feed in status["feeds"]}
    names = ("files", "lines", "loaded", "rejected", "clean", "duplicates", "quarantined")
    for feed, truth in demo_truth.feeds.items():
        assert {name: feeds[feed][name] for name in names} == {name: getattr(truth, name) for name in names}


def test_audit_equals_planted_days(demo_warehouse: Settings, demo_truth: DemoTruth, cli: RecomartCli) -> None:
    report = cli.run_json("audit", "--days", demo_truth.config.days, "--warehouse", demo_warehouse.warehouse)
    names = ("files", "lines", "loaded", "rejected", "clean", "duplicates", "quarantined")
    days = {(day["feed"], day["delivery_day"]): day for day in report["days"]}
    expected = {(feed, day.isoformat()): truth for feed, days in demo_truth.days.items() for day, truth in days.items()}
    assert set(expected) == {key for key, day in days.items() if day["files"]}
    for key, truth in expected.items():
        assert {name: days[key][name] for name in names} == {name: getattr(truth, name) for name in names}
        assert days[key]["quarantined_by_reason"] == {name: n for name, n in truth.quarantined_by_reason.items() if n}
        assert sum(days[key]["rejected_by_reason"].values()) == truth.rejected


@pytest.mark.slow
def test_columns_with_customer_ids_are_marked(demo_warehouse: Settings) -> None:
    """Each column in which an id of a customer occurs, also within a longer text, is in audit_pii."""
    with open_reader(demo_warehouse) as connection:
        marked = connection.execute("select schema_name, table_name, column_name from marts.audit_pii").fetchall()
        ids = connection.execute("select list(user_id) from (from marts.dim_users limit 60)").fetchall()[0]
        columns = connection.execute(
            """
            select schema_name, table_name, column_name
            from duckdb_columns()
            where regexp_matches(data_type, 'VARCHAR|JSON|ENUM') and database_name = current_database()
            """
        ).fetchall()
        with_ids = [
            (schema, table, column)
            for schema, table, column in columns
            if connection.execute(
                f"""
                select 1 from "{schema}"."{table}"
                where len(list_filter($1::varchar[], lambda id: contains("{column}"::varchar, id))) > 0
                limit 1
                """,
                ids,
            ).fetchall()
        ]
    assert ("marts", "quarantine_events", "raw_row") in with_ids
    assert set(with_ids) <= set(marked)


def test_audit_warns_of_files_delivered_twice(
    demo_warehouse: Settings, demo_truth: DemoTruth, cli: RecomartCli
) -> None:
    options = ("--feed", "events", "--days", demo_truth.config.days, "--warehouse", demo_warehouse.warehouse)
    report = cli.run_json("audit", *options)
    compared = {day["delivery_day"] for day in report["days"] if day["usual_lines"]}
    doubled = {day.isoformat() for day, truth in demo_truth.days["events"].items() if truth.files == 2} & compared
    assert {day["delivery_day"] for day in report["days"] if day["warning"]} == doubled != set()
    printed = cli("audit", *options).stdout
    assert [line for line in printed.splitlines() if "lines where" in line] == [
        f"unusual: {warning}" for warning in report["warnings"]
    ]
    assert printed.index("unusual: ") < printed.index("Rows by feed and day")


@pytest.mark.slow
def test_quarantined_shows_original_rows(demo_warehouse: Settings, demo_truth: DemoTruth, cli: RecomartCli) -> None:
    command = ("quarantined", "--feed", "purchases", "--reason", "bad_price", "--warehouse", demo_warehouse.warehouse)
    report = cli.run_json(*command, "-n", "2")
    assert report["row_count"] == demo_truth.feeds["purchases"].quarantined_by_reason["bad_price"]
    assert len(report["rows"]) == 2
    for row in report["rows"]:
        line = (demo_warehouse.landing_dir / row["file"]).read_text(encoding="utf-8").splitlines()[row["line"] - 1]
        assert sorted(value for value in row["raw_row"].values() if value) == sorted(filter(None, line.split(",")))
        assert row["raw_row"]["price"] in ("on request", "-1.00")
    printed = cli(*command).stdout
    assert f"{row['file']}:{row['line']}" in printed
    assert report["reasons"]["bad_price"]["what_to_do"][:30] in printed
    for unknown in (("--feed", "nothing"), ("--reason", "nothing")):
        result = cli("quarantined", *unknown, "--warehouse", demo_warehouse.warehouse)
        assert result.returncode == 1
        assert "'nothing': known are" in result.stderr


def test_quarantine_reasons_equal_planted_rows(demo_warehouse: Settings, demo_truth: DemoTruth) -> None:
    counts: dict[str, dict[str, int]] = {}
    for feed, reason, rows in query_warehouse(
        demo_warehouse,
        "select feed, reason, sum(rows) from marts.audit_feed_day_reasons where outcome = 'quarantined' group by all",
    ):
        counts.setdefault(feed, {})[reason] = rows
    for feed, truth in demo_truth.feeds.items():
        assert counts[feed] == {reason: rows for reason, rows in truth.quarantined_by_reason.items() if rows}


def test_mart_counts_equal_planted_counts(demo_warehouse: Settings, demo_truth: DemoTruth) -> None:
    assert query_warehouse(demo_warehouse, "select count(*) from marts.dim_users") == [(demo_truth.customers,)]
    assert query_warehouse(demo_warehouse, "select count(*) from marts.dim_products") == [(demo_truth.products,)]
    assert query_warehouse(
        demo_warehouse,
        "select count(distinct transaction_id) filter (not is_return), count(*) filter (is_return) "
        "from marts.fct_transactions",
    ) == [(demo_truth.transactions, demo_truth.feeds["purchases"].returns)]


def test_model_ranks_above_popularity(demo_warehouse: Settings) -> None:
    ndcg = dict(
        query_warehouse(
            demo_warehouse,
            "select method, ndcg from marts.eval_ranking_metrics where cutoff = 'test' and segment = 'all' and k = 20",
        )
    )
    assert ndcg["popularity"] * 1.05 < ndcg["als"] < ndcg["oracle"]
    assert {"recent_popularity", "item_item"} < ndcg.keys()


def test_evaluate_shows_segments_and_intervals(demo_warehouse: Settings, cli: RecomartCli) -> None:
    report = cli.run_json("evaluate", "--warehouse", demo_warehouse.warehouse)
    assert {row["k"] for row in report["metrics"]} == {5, 10, 20}
    assert {row["segment_value"] for row in report["segments"]["customer"]["metrics"]} == {"known", "new"}
    assert report["segments"].keys() == {"activity", "customer", "product", "category", "purchase"}
    assert report["segments"]["purchase"] == {"metrics": [], "differences": []}
    assert not report["repeat_purchases"]["is_repeat_shop"]
    for row in report["differences"]:
        assert row["lower_bound"] <= row["difference"] <= row["upper_bound"], row
    printed = cli("evaluate", "-k", "5", "--by", "customer", "--warehouse", demo_warehouse.warehouse).stdout
    assert "top 5" in printed
    assert {"als", "popularity", "recent_popularity", "item_item", "oracle", "new"} <= set(printed.split())
    result = cli("evaluate", "-k", "7", "--warehouse", demo_warehouse.warehouse)
    assert_one_line_error(result, "no metrics for --k 7", "5, 10, 20")


def test_every_customer_has_recommendations(demo_warehouse: Settings) -> None:
    assert query_warehouse(demo_warehouse, "select count(distinct user_id) from marts.rec_top_n") == query_warehouse(
        demo_warehouse, "select count(*) from marts.dim_users"
    )
    assert query_warehouse(
        demo_warehouse, "select count(*) from marts.rec_top_n where reason is null or product_name is null"
    ) == [(0,)]


def test_recommend_shows_reasons(demo_warehouse: Settings, cli: RecomartCli) -> None:
    customers = cli.run_json("customers", "-n", "1", "--warehouse", demo_warehouse.warehouse)["customers"]
    user = customers[0]["user_id"]
    payload = cli.run_json("recommend", "--user", user, "-n", "7", "--warehouse", demo_warehouse.warehouse)
    assert [product["rank"] for product in payload["recommendations"]] == list(range(1, 8))
    assert all(product["reason"] and product["price"] > 0 for product in payload["recommendations"])
    printed = cli("recommend", "--user", user, "-n", "7", "--warehouse", demo_warehouse.warehouse)
    assert payload["recommendations"][0]["product_name"] in printed.stdout


@pytest.mark.slow
def test_recommend_for_basket_without_customer(demo_warehouse: Settings, cli: RecomartCli) -> None:
    basket = [
        product
        for (product,) in query_warehouse(demo_warehouse, "select product_id from marts.rec_popular_products limit 2")
    ]
    payload = cli.run_json(
        "recommend", "--basket", f"{basket[0]}, {basket[1]},p999", "-n", "5", "--warehouse", demo_warehouse.warehouse
    )
    recommended = {product["product_id"] for product in payload["recommendations"]}
    assert len(recommended) == 5
    assert recommended.isdisjoint(basket)
    assert "p999" in payload["notes"][0]


@pytest.mark.parametrize(
    ("command", "note"),
    [
        (("recommend", "--user", "no body 🙂"), "customer 'no body 🙂' is unknown"),
        (("recommend", "--basket", "x1, x 2"), "unknown to the model, ignored: x1, x 2"),
        (("similar", "x1"), "product 'x1' is unknown"),
    ],
)
def test_unknown_ids_get_popular_products(
    demo_warehouse: Settings, cli: RecomartCli, command: tuple[str, ...], note: str
) -> None:
    payload = cli.run_json(*command, "-n", "3", "--warehouse", demo_warehouse.warehouse)
    popular_products = query_warehouse(
        demo_warehouse, "select product_id from marts.rec_popular_products order by rank limit 3"
    )
    assert [product["product_id"] for product in payload["recommendations"]] == [
        product for (product,) in popular_products
    ]
    assert payload["is_fallback"]
    assert note in payload["notes"][0]


def test_similar_and_explain_name_products(demo_warehouse: Settings, cli: RecomartCli) -> None:
    options = ("--warehouse", demo_warehouse.warehouse)
    (product, name), (history_product, history_name) = query_warehouse(
        demo_warehouse,
        "select product_id, product_name from marts.dim_products where is_available and product_id in "
        "(select product_id from marts.ml_interactions where cutoff = 'now') order by product_id limit 2",
    )
    similar = cli("similar", product, "-n", "4", *options).stdout
    assert f"4 products similar to {product}" in similar
    assert f"Like {name}" in similar
    command = ("explain", "--basket", f"{history_product},{product},x1", "--product", product, *options)
    explanation = cli.run_json(*command)
    contributions = {part["product_id"]: part for part in explanation["contributions"]}
    names = {product_id: part["product_name"] for product_id, part in contributions.items()}
    assert names == {product: name, history_product: history_name}
    total = sum(part["contribution"] for part in contributions.values())
    assert total == pytest.approx(explanation["score"], rel=1e-4)
    printed = cli(*command).stdout
    assert f"{name} ({product}): score {explanation['score']:.4f}, the sum of these contributions:" in printed
    assert "unknown to the model, ignored: x1" in printed


@pytest.mark.slow
def test_demo_shows_accounting_and_top_ten(cli: RecomartCli, tmp_path: Path) -> None:
    result = cli("demo", "--warehouse", tmp_path)
    assert result.returncode == 0, result.stderr
    for text in ("Rows by feed and status", "popularity", "oracle", "Top 10 for customer", "make app"):
        assert text in result.stdout
    assert result.stdout.count("Because you ") >= 5
    user = cli.run_json("customers", "-n", "1", "--warehouse", tmp_path)["customers"][0]["user_id"]
    assert f"Top 10 for customer {user}" in result.stdout


@pytest.mark.slow
def test_plain_dbt_build_changes_nothing(demo_copy: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprints = compute_fingerprints(demo_copy)
    for name, value in {
        "RECOMART_WAREHOUSE": demo_copy.warehouse,
        "DBT_TARGET_PATH": demo_copy.dbt_target_dir,
    }.items():
        monkeypatch.setenv(name, str(value))
    process = subprocess.run(
        [find_dbt_executable(), "build"], cwd=PROJECT_DIR, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout[-3000:]
    assert "WARN=0 ERROR=0 SKIP=0" in process.stdout
    assert compute_fingerprints(demo_copy) == fingerprints


def compute_fingerprints(settings: Settings) -> dict[str, tuple[int, int]]:
    """Return the row count and a hash of every table that dbt builds, except of those about the last build."""
    tables = query_warehouse(
        settings,
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_schema in ('intermediate', 'marts', 'seeds') "
        "and table_name not in ('int_changed_loads', 'int_outdated_days') order by all",
    )
    return {
        table: query_warehouse(settings, f"select count(*), coalesce(bit_xor(hash(rows)), 0) from {table} as rows")[0]
        for (table,) in tables
    }
