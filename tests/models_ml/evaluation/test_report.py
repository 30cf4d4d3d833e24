"""Tests of the evaluation report: segments, differences and tables."""

from typing import Any

import pyarrow as pa
import pytest

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.evaluation.baselines import OracleFactors
from models_ml.evaluation.metric_names import ACCURACY_METRICS, CONCENTRATION_METRICS, EXPOSURE_METRICS
from models_ml.evaluation.report import EvaluationReport
from models_ml.evaluation.segments import CUSTOMER_SEGMENTS, OVERALL, SEGMENTS
from models_ml.training import TrainingResult, train
from tests.models_ml.synthetic_tables import build_evaluation_pairs, build_interactions, build_product_features

HISTORIES = [
    *[("busy", f"p{product}", 1.0, True) for product in range(6)],
    ("calm", "p0", 1.0, True),
    ("calm", "p1", 1.0, False),
]
RELEVANT = [
    ("busy", "fresh", True),
    ("calm", "p2", True),
    ("calm", "p3", True),
    ("calm", "p4", True),
    ("new", "p0", False),
    ("new", "unknown", False),
]
CATEGORIES = {"fresh": "mugs", "p0": "mugs", "p2": "pans", "p3": "pans", "p4": "zips"}


@pytest.fixture(scope="module")
def result(config: TrainConfig) -> TrainingResult:
    """A run with two known customers, one of them with many products, and a new customer."""
    catalog = {**{f"p{product}": 2.0 for product in range(6)}, "fresh": 0.0}
    dataset = Dataset.from_tables(
        pa.concat_tables([build_interactions("test", 90, HISTORIES), build_interactions("now", 100, HISTORIES)]),
        build_product_features("test", catalog, recent_popularity=catalog, category=CATEGORIES),
        build_evaluation_pairs("test", RELEVANT),
    )
    settings = {"activity_thresholds": (5,), "max_category_segments": 2, "bootstrap_resamples": 200}
    return train(dataset, config.model_copy(update=settings), "run")


def index_metrics(result: TrainingResult, method: str, k: int) -> dict[tuple[str, str], dict[str, Any]]:
    """Return a method's metrics at `k` by segment and value."""
    return {
        (row["segment"], row["segment_value"]): row
        for row in result.ranking_metrics.to_pylist()
        if (row["method"], row["k"]) == (method, k)
    }


def test_report_labels_pairs_with_segments(result: TrainingResult) -> None:
    labels = {(row["user_id"], row["product_id"]): row for row in result.evaluation_pairs.to_pylist()}
    assert labels.keys() == {(user, product) for user, product, _ in RELEVANT}
    assert {row["purchase"] for row in labels.values()} == {None}
    assert {pair: tuple(row[name] for name in SEGMENTS[:-1]) for pair, row in labels.items()} == {
        ("busy", "fresh"): ("5+", "known", "new", "mugs"),
        ("calm", "p2"): ("1-4", "known", "known", "pans"),
        ("calm", "p3"): ("1-4", "known", "known", "pans"),
        ("calm", "p4"): ("1-4", "known", "known", "(other)"),
        ("new", "p0"): (None, "new", "known", "mugs"),
        ("new", "unknown"): (None, "new", "new", "(unknown)"),
    }


def test_report_segment_counts_own_pairs(result: TrainingResult) -> None:
    # Popularity recommends fresh to busy, p2 to p5 and fresh to calm, and p0 to p5 and fresh to new.
    metrics = index_metrics(result, "popularity", 5)
    assert {key: row["users"] for key, row in metrics.items()} == {
        ("all", "all"): 2,
        ("activity", "1-4"): 1,
        ("activity", "5+"): 1,
        ("customer", "known"): 2,
        ("customer", "new"): 1,
        ("product", "known"): 1,
        ("product", "new"): 1,
        ("category", "mugs"): 1,
        ("category", "pans"): 1,
        ("category", "(other)"): 1,
    }
    assert metrics["all", "all"]["recall"] == 1
    assert metrics["all", "all"]["precision"] == pytest.approx((1 / 5 + 3 / 5) / 2)
    assert metrics["customer", "new"]["recall"] == 1 / 2
    assert (metrics["category", "pans"]["precision"], metrics["category", "pans"]["map"]) == (2 / 5, 1)
    assert metrics["category", "(other)"]["map"] == pytest.approx(1 / 3)
    assert metrics["product", "new"]["ndcg"] == 1


def test_report_exposure_of_customer_segments(result: TrainingResult) -> None:
    metrics = index_metrics(result, "popularity", 5)
    for (segment, value), row in metrics.items():
        has_exposure = [row[name] is not None for name in (*CONCENTRATION_METRICS, *EXPOSURE_METRICS)]
        is_calibrated = (segment, value) != ("customer", "new")
        expected = [is_calibrated if name == "calibration_error" else True for name in EXPOSURE_METRICS]
        assert has_exposure == ([True] * 3 + expected if segment in (OVERALL, *CUSTOMER_SEGMENTS) else [False] * 8)
    # The lists hold p2 to p5 and fresh of seven products; each has at most one of the two customers.
    assert metrics["all", "all"]["coverage"] == 5 / 7
    assert metrics["all", "all"]["novelty"] == pytest.approx(1)
    assert metrics["all", "all"]["long_tail_share"] == pytest.approx((1 + 2 / 5) / 2)
    # fresh is in both lists; it is the only product for busy.
    assert metrics["all", "all"]["top_product_share"] == 1
    assert metrics["all", "all"]["top_ten_share"] == 1
    assert metrics["all", "all"]["serendipity"] == 0
    # The products p2 to p5 have the same customer, fresh has none: 6 of 10 pairs have similarity 1.
    assert metrics["activity", "1-4"]["diversity"] == pytest.approx(4 / 10)
    assert metrics["activity", "5+"]["diversity"] == 0


def test_report_differences_within_intervals(trained: TrainingResult) -> None:
    metrics = {
        (row["cutoff"], row["method"], row["segment"], row["segment_value"], row["k"]): row
        for row in trained.ranking_metrics.to_pylist()
    }
    differences = trained.metric_differences.to_pylist()
    assert {row["method"] for row in differences} == {
        *("popularity", "recent_popularity", "item_item", "user_item_graph", "ease", "oracle")
    }
    for row in differences:
        key = (row["segment"], row["segment_value"], row["k"])
        model, baseline = (metrics["test", method, *key][row["metric"]] for method in ("als", row["method"]))
        assert row["difference"] == pytest.approx(model - baseline)
        assert row["lower_bound"] - 1e-9 <= row["difference"] <= row["upper_bound"] + 1e-9
    popularity_differences = {
        (row["metric"], row["k"]): row
        for row in differences
        if (row["method"], row["segment"]) == ("popularity", "all")
    }
    assert popularity_differences.keys() == {
        (metric, k)
        for metric in (*ACCURACY_METRICS, *EXPOSURE_METRICS)
        if metric != "calibration_error"
        for k in (5, 10, 20)
    }
    assert popularity_differences["ndcg", 10]["lower_bound"] > 0


def test_report_is_reproducible(
    trained: TrainingResult, dataset: Dataset, oracle: OracleFactors, config: TrainConfig
) -> None:
    repeated = train(dataset, config, "run-1", oracle_factors=oracle)
    assert repeated.ranking_metrics == trained.ranking_metrics
    assert repeated.metric_differences == trained.metric_differences


def test_report_of_single_customer(config: TrainConfig) -> None:
    pairs = [("u", "p", 1.0, True)]
    dataset = Dataset.from_tables(
        pa.concat_tables([build_interactions("test", 90, pairs), build_interactions("now", 100, pairs)]),
        build_product_features("test", {"p": 1.0}),
        build_evaluation_pairs("test", [("u", "q", True)]),
    )
    result = train(dataset, config, "run")
    assert {row["recall"] for row in result.ranking_metrics.to_pylist()} == {0.0}
    assert {(row["lower_bound"], row["upper_bound"]) for row in result.metric_differences.to_pylist()} == {(0.0, 0.0)}


def test_report_without_window_has_empty_tables(config: TrainConfig) -> None:
    now = build_interactions("now", 100, HISTORIES)
    report = EvaluationReport(
        "run",
        Dataset.from_tables(now, build_product_features("now", {}), build_evaluation_pairs("test", [])),
        config,
    )
    assert report.build_window("test", 10) is None
    assert all(table.num_rows == 0 and table.num_columns > 4 for table in report.tables.values())


def test_report_limits_evaluated_customers(dataset: Dataset, config: TrainConfig) -> None:
    limited = config.model_copy(update={"max_evaluation_users": 25, "bootstrap_resamples": 10})
    result = train(dataset, limited, "run")
    users = {row["users"] for row in result.ranking_metrics.to_pylist() if row["cutoff"] == "test"}
    assert max(users) == 25
