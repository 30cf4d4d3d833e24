"""The demo shop, from files to a customer's list, compared with the truth that its generator wrote down."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestration.dbt_runner import PROJECT_DIR, find_dbt_executable
from tests.e2e.conftest import RecomartCli
from tests.e2e.test_error_messages import assert_one_line_error
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


def test_the_row_accounting_equals_what_was_planted(
    demo_warehouse: Settings, demo_truth: DemoTruth, recomart: RecomartCli
) -> None:
    status = recomart.run_json("status", "--warehouse", demo_warehouse.warehouse)
    accounted = {feed.pop("feed"): feed for feed in status["feeds"]}
    names = ("files", "lines", "loaded", "rejected", "clean", "duplicates", "quarantined")
    for feed, truth in demo_truth.feeds.items():
        assert {name: accounted[feed][name] for name in names} == {name: getattr(truth, name) for name in names}


def test_every_day_and_reason_of_the_audit_equals_what_was_planted(
    demo_warehouse: Settings, demo_truth: DemoTruth, recomart: RecomartCli
) -> None:
    report = recomart.run_json("audit", "--days", demo_truth.config.days, "--warehouse", demo_warehouse.warehouse)
    names = ("files", "lines", "loaded", "rejected", "clean", "duplicates", "quarantined")
    found = {(day["feed"], day["delivery_day"]): day for day in report["days"]}
    expected = {(feed, day.isoformat()): truth for feed, days in demo_truth.days.items() for day, truth in days.items()}
    assert set(expected) == {key for key, day in found.items() if day["files"]}
    for key, truth in expected.items():
        assert {name: found[key][name] for name in names} == {name: getattr(truth, name) for name in names}
        assert found[key]["quarantined_by_reason"] == {name: n for name, n in truth.quarantined_by_reason.items() if n}
        assert sum(found[key]["rejected_by_reason"].values()) == truth.rejected


def test_days_whose_file_came_twice_are_the_days_of_the_clickstream_that_the_audit_warns_of(
    demo_warehouse: Settings, demo_truth: DemoTruth, recomart: RecomartCli
) -> None:
    where = ("--feed", "events", "--days", demo_truth.config.days, "--warehouse", demo_warehouse.warehouse)
    report = recomart.run_json("audit", *where)
    compared = {day["delivery_day"] for day in report["days"] if day["usual_lines"]}
    twice = {day.isoformat() for day, truth in demo_truth.days["events"].items() if truth.files == 2} & compared
    assert {day["delivery_day"] for day in report["days"] if day["warning"]} == twice != set()
    printed = recomart("audit", *where).stdout
    assert [line for line in printed.splitlines() if "lines where" in line] == [
        f"unusual: {warning}" for warning in report["warnings"]
    ]
    assert printed.index("unusual: ") < printed.index("Rows by feed and day")


def test_quarantined_rows_are_shown_as_they_arrived_with_what_to_do(
    demo_warehouse: Settings, demo_truth: DemoTruth, recomart: RecomartCli
) -> None:
    asked = ("quarantined", "--feed", "purchases", "--reason", "bad_price", "--warehouse", demo_warehouse.warehouse)
    found = recomart.run_json(*asked, "-n", "2")
    assert found["total"] == demo_truth.feeds["purchases"].quarantined_by_reason["bad_price"]
    assert len(found["rows"]) == 2
    for row in found["rows"]:
        line = (demo_warehouse.landing_dir / row["file"]).read_text(encoding="utf-8").splitlines()[row["line"] - 1]
        assert sorted(value for value in row["raw_row"].values() if value) == sorted(filter(None, line.split(",")))
        assert row["raw_row"]["price"] in ("n/a", "-1.00")
    printed = recomart(*asked).stdout
    assert f"{row['file']}:{row['line']}" in printed
    assert found["reasons"]["bad_price"]["what_to_do"][:30] in printed
    for wrong in (("--feed", "nothing"), ("--reason", "nothing")):
        done = recomart("quarantined", *wrong, "--warehouse", demo_warehouse.warehouse)
        assert done.returncode == 1
        assert "'nothing'; there are" in done.stderr


def test_every_quarantine_reason_equals_what_was_planted(demo_warehouse: Settings, demo_truth: DemoTruth) -> None:
    found: dict[str, dict[str, int]] = {}
    for feed, reason, rows in query_warehouse(
        demo_warehouse, "select feed, reason, rows from marts.audit_quarantine_reasons"
    ):
        found.setdefault(feed, {})[reason] = rows
    for feed, truth in demo_truth.feeds.items():
        assert found[feed] == {reason: rows for reason, rows in truth.quarantined_by_reason.items() if rows}


def test_clean_counts_of_customers_products_transactions_and_returns_are_the_planted_ones(
    demo_warehouse: Settings, demo_truth: DemoTruth
) -> None:
    assert query_warehouse(demo_warehouse, "select count(*) from marts.dim_users") == [(demo_truth.customers,)]
    assert query_warehouse(demo_warehouse, "select count(*) from marts.dim_products") == [(demo_truth.products,)]
    assert query_warehouse(
        demo_warehouse,
        "select count(distinct transaction_id) filter (not is_return), count(*) filter (is_return) "
        "from marts.fct_transactions",
    ) == [(demo_truth.transactions, demo_truth.feeds["purchases"].returns)]


def test_the_model_beats_popularity_and_the_truth_beats_the_model(demo_warehouse: Settings) -> None:
    ndcg = dict(
        query_warehouse(
            demo_warehouse,
            "select method, ndcg from marts.eval_ranking_metrics where cutoff = 'test' and segment = 'all' and k = 20",
        )
    )
    assert ndcg["popularity"] * 1.05 < ndcg["als"] < ndcg["oracle"]
    assert {"recent_popularity", "item_item"} < ndcg.keys()


def test_evaluate_tells_segments_and_intervals(demo_warehouse: Settings, recomart: RecomartCli) -> None:
    everything = recomart.run_json("evaluate", "--warehouse", demo_warehouse.warehouse)
    assert {row["k"] for row in everything["metrics"]} == {5, 10, 20}
    assert {row["segment_value"] for row in everything["segments"]["customer"]["metrics"]} == {"known", "new"}
    assert everything["segments"].keys() == {"activity", "customer", "product", "category"}
    for row in everything["differences"]:
        assert row["lower_bound"] <= row["difference"] <= row["upper_bound"], row
    printed = recomart("evaluate", "-k", "5", "--by", "customer", "--warehouse", demo_warehouse.warehouse).stdout
    assert "top 5" in printed
    assert {"als", "popularity", "recent_popularity", "item_item", "oracle", "new"} <= set(printed.split())
    refused = recomart("evaluate", "-k", "7", "--warehouse", demo_warehouse.warehouse)
    assert_one_line_error(refused, "no metrics for --k 7", "5, 10, 20")


def test_every_customer_is_offered_a_full_list_of_products_they_have_not_bought(demo_warehouse: Settings) -> None:
    assert query_warehouse(demo_warehouse, "select count(distinct user_id) from marts.rec_top_n") == query_warehouse(
        demo_warehouse, "select count(*) from marts.dim_users"
    )
    assert query_warehouse(
        demo_warehouse, "select count(*) from marts.rec_top_n where reason is null or product_name is null"
    ) == [(0,)]


def test_a_customers_recommendations_come_with_reasons(demo_warehouse: Settings, recomart: RecomartCli) -> None:
    customers = recomart.run_json("customers", "-n", "1", "--warehouse", demo_warehouse.warehouse)["customers"]
    user = customers[0]["user_id"]
    answer = recomart.run_json("recommend", "--user", user, "-n", "7", "--warehouse", demo_warehouse.warehouse)
    assert [product["rank"] for product in answer["products"]] == list(range(1, 8))
    assert all(product["reason"] and product["price"] > 0 for product in answer["products"])
    printed = recomart("recommend", "--user", user, "-n", "7", "--warehouse", demo_warehouse.warehouse)
    assert answer["products"][0]["product_name"] in printed.stdout


def test_a_basket_of_somebody_unknown_gets_recommendations(demo_warehouse: Settings, recomart: RecomartCli) -> None:
    basket = [
        product
        for (product,) in query_warehouse(demo_warehouse, "select product_id from marts.rec_popular_products limit 2")
    ]
    answer = recomart.run_json(
        "recommend", "--basket", f"{basket[0]}, {basket[1]},p999", "-n", "5", "--warehouse", demo_warehouse.warehouse
    )
    offered = {product["product_id"] for product in answer["products"]}
    assert len(offered) == 5
    assert offered.isdisjoint(basket)
    assert "p999" in answer["notes"][0]


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        (("recommend", "--user", "no body 🙂"), "customer 'no body 🙂' is unknown"),
        (("recommend", "--basket", "x1, x 2"), "unknown to the model, ignored: x1, x 2"),
        (("similar", "x1"), "product 'x1' is unknown"),
    ],
)
def test_whoever_or_whatever_is_unknown_gets_what_is_popular_and_is_told_so(
    demo_warehouse: Settings, recomart: RecomartCli, asked: tuple[str, ...], note: str
) -> None:
    answer = recomart.run_json(*asked, "-n", "3", "--warehouse", demo_warehouse.warehouse)
    popular = query_warehouse(demo_warehouse, "select product_id from marts.rec_popular_products order by rank limit 3")
    assert [product["product_id"] for product in answer["products"]] == [product for (product,) in popular]
    assert answer["is_fallback"]
    assert note in answer["notes"][0]


def test_similar_products_and_explanations_name_products(demo_warehouse: Settings, recomart: RecomartCli) -> None:
    where = ("--warehouse", demo_warehouse.warehouse)
    (product, name), (past, past_name) = query_warehouse(
        demo_warehouse,
        "select product_id, product_name from marts.dim_products where is_available and product_id in "
        "(select product_id from marts.ml_interactions where cutoff = 'now') order by product_id limit 2",
    )
    similar = recomart("similar", product, "-n", "4", *where).stdout
    assert f"4 products like {product}" in similar
    assert f"Like {name}" in similar
    asked = ("explain", "--basket", f"{past},{product},x1", "--product", product, *where)
    explained = recomart.run_json(*asked)
    parts = {part["product_id"]: part for part in explained["contributions"]}
    assert {number: part["product_name"] for number, part in parts.items()} == {product: name, past: past_name}
    assert sum(part["contribution"] for part in parts.values()) == pytest.approx(explained["score"], rel=1e-4)
    printed = recomart(*asked).stdout
    assert f"{name} ({product}): score {explained['score']:.4f}, the sum of these contributions:" in printed
    assert "left out: x1" in printed


def test_the_demo_command_shows_accounting_metrics_and_a_top_ten_with_reasons(
    recomart: RecomartCli, tmp_path: Path
) -> None:
    done = recomart("demo", "--warehouse", tmp_path)
    assert done.returncode == 0, done.stderr
    for words in ("Rows by feed and status", "popularity", "oracle", "Top 10 for customer", "make app"):
        assert words in done.stdout
    assert done.stdout.count("Because you ") >= 5
    shown = recomart.run_json("customers", "-n", "1", "--warehouse", tmp_path)["customers"][0]["user_id"]
    assert f"Top 10 for customer {shown}" in done.stdout


def test_dbt_build_as_an_analyst_types_it_passes_and_adds_nothing(
    demo_warehouse: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Settings(warehouse=tmp_path / "warehouse")
    shutil.copytree(demo_warehouse.warehouse, copy.warehouse, ignore=shutil.ignore_patterns("landing", "target"))
    before = compute_fingerprints(copy)
    for name, value in {"RECOMART_WAREHOUSE": copy.warehouse, "DBT_TARGET_PATH": tmp_path / "target"}.items():
        monkeypatch.setenv(name, str(value))
    done = subprocess.run(
        [find_dbt_executable(), "build"], cwd=PROJECT_DIR, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "WARN=0 ERROR=0 SKIP=0" in done.stdout
    assert compute_fingerprints(copy) == before


def compute_fingerprints(settings: Settings) -> dict[str, tuple[int, int]]:
    """Rows and an order-free hash of every table that dbt builds."""
    tables = query_warehouse(
        settings,
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_schema in ('intermediate', 'marts', 'seeds') order by all",
    )
    return {
        table: query_warehouse(settings, f"select count(*), coalesce(bit_xor(hash(rows)), 0) from {table} as rows")[0]
        for (table,) in tables
    }
