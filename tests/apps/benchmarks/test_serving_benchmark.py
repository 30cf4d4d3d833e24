"""`recomart bench serving` on a small shop: responses without errors, not speed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.benchmarks.serving_benchmark import Latency, ServingBenchmarkResult
from apps.benchmarks.synthetic_model import SyntheticShop, publish_synthetic_shop
from apps.cli.commands import app
from apps.recommendations.recommendation_queries import RecommendationQueries
from warehouse.settings import Settings


@pytest.mark.slow
@pytest.mark.usefixtures("restore_torch_threads")
def test_serving_benchmark_writes_figures(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = {"--work-dir": tmp_path / "work", "--products": 2000, "--factors": 16, "--clients": 2, "--seconds": 0.3}
    arguments = [str(word) for option in options.items() for word in option]
    result = CliRunner().invoke(app, ["bench", "serving", *arguments, "--json", str(file)])
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert (figures["products"], figures["factors"], figures["first_error"]) == (2000, 16, None)
    for latency in (figures["in_process"], *figures["over_http"], *figures["over_http_without_log"]):
        assert latency["response_count"] > 0
        assert latency["error_count"] == 0
        assert 0 < latency["p50_ms"] <= latency["p99_ms"]
    assert "random factors" in result.output
    # The answers of the benchmark are no recommendations of the shop.
    work_dir = tmp_path / "work"
    assert not (work_dir / "landing" / "recommendation_log" / "served").exists()
    assert not list(work_dir.glob(".benchmark_landing_*"))


@pytest.mark.parametrize(
    ("seconds", "responses_per_second", "is_met"), [(10, 96, True), (10, 94, False), (0.3, 94, True)]
)
def test_log_cost_is_a_target(seconds: float, responses_per_second: float, is_met: bool) -> None:
    """In a short measurement, noise is larger than the cost."""
    without_log = Latency(
        request_kind="customer", response_count=1, error_count=0, p50_ms=1, p99_ms=1, responses_per_second=100
    )
    result = ServingBenchmarkResult(
        machine={},
        products=1,
        factors=1,
        load_seconds=1,
        in_process=without_log,
        client_count=1,
        seconds=seconds,
        start_seconds=1,
        over_http=[without_log.model_copy(update={"responses_per_second": responses_per_second})],
        over_http_without_log=[without_log],
        first_error=None,
    )
    assert result.is_target_met == is_met


def test_exactly_one_folder_is_required(tmp_path: Path) -> None:
    for folder_options in ([], ["--work-dir", str(tmp_path), "--warehouse", str(tmp_path)]):
        assert CliRunner().invoke(app, ["bench", "serving", *folder_options]).exit_code == 2


def test_synthetic_shop_is_deterministic(tmp_path: Path) -> None:
    rankings = []
    for folder in ("one", "other"):
        settings = Settings(warehouse=tmp_path / folder)
        publish_synthetic_shop(settings, SyntheticShop(products=500, customers=20, factors=8))
        with RecommendationQueries(settings) as queries:
            items = queries.recommender.recommend(basket=["P0000001", "P0000007"]).items
            recommended = {item.product_id for item in items}
            assert recommended <= queries.rules.recommendable_products
            rankings.append([(item.product_id, pytest.approx(item.score)) for item in items])
            assert len(queries.recommend_for_customer("U0000003", 10).recommendations) == 10
    assert rankings[0] == rankings[1]
