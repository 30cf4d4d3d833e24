"""Explanations of recommendations that are newer than the model."""

import json
import shutil
from datetime import timedelta

import pytest

from apps.recommendations.recommendation_queries import RecommendationQueries
from models_ml.config import TrainConfig
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def next_day_settings(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the demo shop after one more day of views, by two customers and a new one, run without training."""
    folder = tmp_path_factory.mktemp("a_day_later") / "shop"
    shutil.copytree(demo_warehouse.warehouse, folder)
    settings = Settings(warehouse=folder, settle_seconds=0)
    with ServingCopy(settings) as copy:
        day = copy.published.newest_row_at
        known_users = list(copy.search_customers(limit=2)["user_id"])
        products = copy.get_popularity_ranking()
    assert day is not None
    day += timedelta(days=1)
    lines = [
        {"user_id": user, "product_id": product, "event_type": "view", "timestamp": day.isoformat(), "device": "web"}
        for user in (*known_users, "new_user")
        for product in products[-9:]
    ]
    file = settings.landing_dir / "clickstream" / f"{day:%Y-%m-%d}.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = run_pipeline(settings, TrainConfig(), PipelineListener(), is_training_requested=False)
    assert report.training is None
    return settings


@pytest.mark.slow
def test_explanation_matches_published_score(next_day_settings: Settings) -> None:
    with RecommendationQueries(next_day_settings) as queries:
        for user in (*queries.serving_copy.search_customers(limit=5)["user_id"], "new_user"):
            best = queries.recommend_for_customer(user, 5).recommendations.query("source == 'model'")
            assert not best.empty
            for recommendation in best.itertuples():
                explanation = queries.explain(str(recommendation.product_id), user_id=user)
                assert explanation.score == pytest.approx(recommendation.score, rel=1e-3)
                assert explanation.contributions["contribution"].sum() == pytest.approx(recommendation.score, rel=1e-3)
                parts = explanation.contributions.set_index("product_id")["contribution"]
                others = parts.drop(recommendation.product_id, errors="ignore")
                assert others[recommendation.reason_product_id] == pytest.approx(others.max(), rel=1e-3)
