"""Monitoring: accuracy of a model on the interactions after its training."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from models_ml.data.interactions import Interactions
from models_ml.evaluation.window import EvaluationWindow
from models_ml.inference.recommender import Recommender


@dataclass(frozen=True)
class PostTrainingMetrics:
    """NDCG of a model's lists as of its training on the new products of its customers since then."""

    k: int
    user_count: int
    """Number of known customers with new products."""
    ndcg: float
    popularity_ndcg: float
    """NDCG of the popularity baseline: products by their number of customers at the training."""


def evaluate_since_training(
    recommender: Recommender, current_interactions: pa.Table, k: int
) -> PostTrainingMetrics | None:
    """Evaluate a model on the `current_interactions` (rows of a dataset at 'now') that began after its training.

    `k` is the list length of the metrics. Returns None when no known customer has a new product.
    """
    customers = pc.value_counts(recommender.products.ids.take(pa.array(recommender.history.columns.cpu().numpy())))
    popularity = pa.table({"product_id": customers.field("values"), "popularity": customers.field("counts")})
    new_interactions = current_interactions.filter(
        pc.greater_equal(current_interactions["first_interaction_at"], pa.scalar(recommender.card.as_of))
    )
    pairs = new_interactions.select(["user_id", "product_id"]).append_column(
        "is_known_user", pc.is_in(new_interactions["user_id"], value_set=recommender.users.ids)
    )
    interactions = Interactions(recommender.users, recommender.products, recommender.history)
    config = recommender.card.config.model_copy(update={"k_values": (k,)})
    window = EvaluationWindow.create("now", interactions, popularity, pairs, config.max_evaluation_users)
    if window is None:
        return None
    user_factors = window.fold_in_known_customers(recommender.model, recommender.customer_features)
    model_ranking = window.rank_known_by_model(recommender.model, user_factors, config, recommender.reranker)
    popularity_ranking = window.rank_by_global_score(window.get_feature("popularity"), config)
    ndcg, popularity_ndcg = (window.evaluate(ranking, (k,))[0].ndcg for ranking in (model_ranking, popularity_ranking))
    return PostTrainingMetrics(k, len(window.known_positions), ndcg, popularity_ndcg)
