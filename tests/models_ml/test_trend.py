"""How scores follow what is in demand lately."""

import pytest
import torch

from models_ml.als import fit
from models_ml.config import TrainConfig
from models_ml.facts import ProductFacts
from models_ml.identity import IdMap
from models_ml.reasons import contributions
from models_ml.sparse import Csr
from models_ml.trend import product_trends
from tests.models_ml.made_up import feature_rows


def test_a_trend_is_the_share_of_late_customers_beside_the_usual_one() -> None:
    features = feature_rows(
        "now",
        {"rising": 90.0, "usual": 90.0, "gone": 90.0, "rare": 1.0, "new": 0.0},
        active_users_28d={"rising": 90.0, "usual": 45.0, "gone": 0.0, "rare": 0.0},
    )
    products = IdMap(["gone", "new", "rare", "rising", "unheard of", "usual"], "product")
    trends = dict(zip(products.ids.to_pylist(), product_trends(features, products, TrainConfig()), strict=True))
    assert trends["usual"] == pytest.approx(1, rel=0.01)
    assert trends["rising"] == pytest.approx((90 * 2 + 10) / 100, rel=0.01)
    assert trends["gone"] == pytest.approx(0.1)
    assert trends["rare"] == pytest.approx(10 / 11)
    assert trends["new"] == trends["unheard of"] == 1


def test_there_is_no_trend_where_nobody_came_lately() -> None:
    features = feature_rows("now", {"a": 3.0, "b": 0.0})
    assert product_trends(features, IdMap(["a", "b"], "product"), TrainConfig()).tolist() == [1, 1]


def test_scores_and_their_reasons_follow_the_trends(strength: Csr, config: TrainConfig) -> None:
    facts = ProductFacts(ProductFacts.unknown(40).content, torch.linspace(0.1, 4, 40))
    plain, trending = (fit(strength, config, 3, facts=facts, trend_power=power) for power in (0.0, 0.5))
    users = plain.user_factors(strength)
    torch.testing.assert_close(trending.user_factors(strength), users)
    scores = users @ trending.offered_factors.T
    torch.testing.assert_close(scores, users @ plain.offered_factors.T * facts.trends.sqrt())
    every = torch.arange(40).expand(60, -1)
    for block, parts in contributions(trending, strength, every):
        torch.testing.assert_close(parts.sum(2), scores[block.rows], rtol=1e-4, atol=1e-5)
