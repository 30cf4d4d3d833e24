"""How well a model foretold what has happened since it was trained."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from models_ml.data.interactions import Interactions
from models_ml.evaluation.window import EvaluationWindow
from models_ml.inference.recommender import Recommender


@dataclass(frozen=True)
class Forecast:
    """What a model would have listed when it was trained, held against what its customers newly took since."""

    k: int
    users: int
    """Customers it knew who newly took something."""
    ndcg: float
    popularity_ndcg: float
    """Of listing the products that had the most customers then."""


def forecast(model: Recommender, rows: pa.Table, k: int) -> Forecast | None:
    """Measure the model on those of `rows` (a dataset's interactions as of now) that began after its training.

    None when none of its customers newly took anything.
    """
    customers = pc.value_counts(model.products.ids.take(pa.array(model.history.columns.cpu().numpy())))
    popularity = pa.table({"product_id": customers.field("values"), "popularity": customers.field("counts")})
    began_since = rows.filter(pc.greater_equal(rows["first_interaction_at"], pa.scalar(model.card.as_of)))
    pairs = began_since.select(["user_id", "product_id"]).append_column(
        "is_known_user", pc.is_in(began_since["user_id"], value_set=model.users.ids)
    )
    interactions = Interactions(model.users, model.products, model.history)
    config = model.card.config.model_copy(update={"cutoffs": (k,)})
    window = EvaluationWindow.of("since", interactions, popularity, pairs, config.evaluation_users)
    if window is None:
        return None
    ranking = window.rank_factors(
        model.model.user_factors(window.seen.to(model.history.values.device)), model.model.offered_factors, config
    )
    popular = window.rank_alike(window.feature("popularity"), config)
    ndcg, popularity_ndcg = (window.measure(lists, (k,))[0].ndcg for lists in (ranking, popular))
    return Forecast(k, len(window.users), ndcg, popularity_ndcg)
