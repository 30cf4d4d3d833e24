"""Explanations of lists that were made anew since the model was trained."""

import json
import shutil
from datetime import timedelta

import pytest

from apps.recommendation_queries import RecommendationQueries
from models_ml.config import TrainConfig
from orchestration.pipeline import PipelineListener, run_pipeline
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def next_day_settings(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the demo shop, run without training after a day on which a stranger and two customers looked around."""
    folder = tmp_path_factory.mktemp("a_day_later") / "shop"
    shutil.copytree(demo_warehouse.warehouse, folder)
    settings = Settings(warehouse=folder, settle_seconds=0)
    with ServingCopy(settings) as copy:
        day = copy.published.newest_row_at
        known = list(copy.search_customers(limit=2)["user_id"])
        products = copy.get_popularity_ranking()
    assert day is not None
    day += timedelta(days=1)
    lines = [
        {"user_id": user, "product_id": product, "event_type": "view", "timestamp": day.isoformat(), "device": "web"}
        for user in (*known, "new_user")
        for product in products[-9:]
    ]
    file = settings.landing_dir / "clickstream" / f"{day:%Y-%m-%d}.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = run_pipeline(settings, TrainConfig(), PipelineListener(), is_training_requested=False)
    assert report.training is None
    return settings


def test_an_explanation_is_that_of_the_published_list(next_day_settings: Settings) -> None:
    with RecommendationQueries(next_day_settings) as storefront:
        for user in (*storefront.serving_copy.search_customers(limit=5)["user_id"], "new_user"):
            best = storefront.recommend_for_customer(user, 5).recommendations.query("source == 'model'")
            assert not best.empty
            for offer in best.itertuples():
                explained = storefront.explain(str(offer.product_id), user_id=user)
                assert explained.score == pytest.approx(offer.score, rel=1e-3)
                assert explained.contributions["contribution"].sum() == pytest.approx(offer.score, rel=1e-3)
                parts = explained.contributions.set_index("product_id")["contribution"]
                others = parts.drop(offer.product_id, errors="ignore")
                assert others[offer.reason_product_id] == pytest.approx(others.max(), rel=1e-3)
