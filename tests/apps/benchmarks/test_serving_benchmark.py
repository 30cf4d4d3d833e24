"""`recomart bench serving` on a shop so small that its milliseconds mean nothing; that it runs without an error does."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.benchmarks.synthetic_model import SyntheticShop, publish_synthetic_shop
from apps.cli.commands import app
from apps.recommendation_queries import RecommendationQueries
from warehouse.settings import Settings


@pytest.mark.usefixtures("restore_torch_threads")
def test_it_asks_the_real_service_and_writes_its_figures(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = {"--work-dir": tmp_path / "work", "--products": 2000, "--factors": 16, "--clients": 2, "--seconds": 0.3}
    arguments = [str(word) for option in options.items() for word in option]
    done = CliRunner().invoke(app, ["bench", "serving", *arguments, "--json", str(file)])
    assert done.exit_code == 0, done.output
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert (figures["products"], figures["factors"], figures["first_error"]) == (2000, 16, None)
    for latency in (figures["in_process"], *figures["over_http"]):
        assert latency["response_count"] > 0
        assert latency["error_count"] == 0
        assert 0 < latency["p50_ms"] <= latency["p99_ms"]
    assert "random factors" in done.output


def test_it_needs_one_folder(tmp_path: Path) -> None:
    for given in ([], ["--work-dir", str(tmp_path), "--warehouse", str(tmp_path)]):
        assert CliRunner().invoke(app, ["bench", "serving", *given]).exit_code == 2


def test_the_same_seed_makes_the_same_model(tmp_path: Path) -> None:
    answers = []
    for folder in ("one", "other"):
        settings = Settings(warehouse=tmp_path / folder)
        publish_synthetic_shop(settings, SyntheticShop(products=500, customers=20, factors=8))
        with RecommendationQueries(settings) as storefront:
            items = storefront.recommender.recommend(basket=["P0000001", "P0000007"]).items
            offered = {item.product_id for item in items}
            assert offered <= storefront.rules.recommendable_products
            answers.append([(item.product_id, pytest.approx(item.score)) for item in items])
            assert len(storefront.recommend_for_customer("U0000003", 10).recommendations) == 10
    assert answers[0] == answers[1]
