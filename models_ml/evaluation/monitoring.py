"""How well a model foretold what has happened since it was trained."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from models_ml.data.interactions import Interactions
from models_ml.evaluation.window import EvaluationWindow
from models_ml.inference.recommender import Recommender


@dataclass(frozen=True)
class PostTrainingMetrics:
    """What a model would have listed when it was trained, held against what its customers newly took since."""

    k: int
    user_count: int
    """Customers it knew who newly took something."""
    ndcg: float
    popularity_ndcg: float
    """Of listing the products that had the most customers then."""


def evaluate_since_training(
    recommender: Recommender, current_interactions: pa.Table, k: int
) -> PostTrainingMetrics | None:
    """Measure the model on those of `rows` (a dataset's interactions as of now) that began after its training.

    None when none of its customers newly took anything.
    """
    customers = pc.value_counts(recommender.products.ids.take(pa.array(recommender.history.columns.cpu().numpy())))
    popularity = pa.table({"product_id": customers.field("values"), "popularity": customers.field("counts")})
    began_since = current_interactions.filter(
        pc.greater_equal(current_interactions["first_interaction_at"], pa.scalar(recommender.card.as_of))
    )
    pairs = began_since.select(["user_id", "product_id"]).append_column(
        "is_known_user", pc.is_in(began_since["user_id"], value_set=recommender.users.ids)
    )
    interactions = Interactions(recommender.users, recommender.products, recommender.history)
    config = recommender.card.config.model_copy(update={"k_values": (k,)})
    window = EvaluationWindow.create("since", interactions, popularity, pairs, config.max_evaluation_users)
    if window is None:
        return None
    ranking = window.rank_factors(
        recommender.factor_model.fold_in(window.seen.to(recommender.history.values.device)),
        recommender.factor_model.scoring_factors,
        config,
    )
    popular = window.rank_by_global_score(window.get_feature("popularity"), config)
    ndcg, popularity_ndcg = (window.measure(lists, (k,))[0].ndcg for lists in (ranking, popular))
    return PostTrainingMetrics(k, len(window.known_positions), ndcg, popularity_ndcg)
