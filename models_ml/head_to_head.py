"""A new model beside the serving one, on ground that neither has seen."""

from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor

from models_ml.als import fit
from models_ml.artifact import ModelCard
from models_ml.bootstrap import mean_bounds
from models_ml.closed_form import FactorModel
from models_ml.config import TrainConfig
from models_ml.dataset import Dataset
from models_ml.evaluation import EvaluationWindow
from models_ml.facts import ProductFacts
from models_ml.identity import IdMap
from models_ml.interactions import Interactions
from models_ml.metrics import ACCURACY, accuracy


@dataclass(frozen=True)
class HeadToHead:
    """How a new model ranks beside the serving one."""

    k: int
    users: int
    """Customers that both were measured on."""
    serving_ndcg: float
    new_ndcg: float
    lower_bound: float
    """Of the new model's NDCG less the serving one's: a 95 % bootstrap interval."""
    upper_bound: float


def head_to_head(new: ModelCard, dataset: Dataset, serving: ModelCard, window: EvaluationWindow, k: int) -> HeadToHead:
    """Measure both in `window`, the test window of the data that the *serving* model was trained on.

    Of each a fit is made that does not know what is relevant there: of the serving one, from its settings and from the
    rows before the window, as when it was evaluated; of the new one, from its settings and all rows of `dataset` as of
    now but the pairs that are relevant. Both then list for the same customers with the same histories, by their factors
    alone, for trends are of a model's own day. More rows make the new one better, and settings that are worse, or rows
    that were added since and are nonsense, make it worse; these cannot flatter it, because they are not asked for.
    """
    config = new.config.model_copy(update={"cutoffs": (k,)})
    fits = (_of_serving(serving, window), _of_new(new, dataset, window))
    before, after = (_ndcg(window, products, model, config) for products, model in fits)
    block_rows = config.block_rows(6 * len(before))
    lower, upper = mean_bounds((after - before)[:, None], config.bootstrap_resamples, config.seed, block_rows).flatten()
    return HeadToHead(k, len(before), float(before.mean()), float(after.mean()), float(lower), float(upper))


def _of_serving(card: ModelCard, window: EvaluationWindow) -> tuple[IdMap, FactorModel]:
    config = card.config
    model = fit(window.interactions.strength, config, card.sweeps, facts=window.facts(config))
    return window.interactions.products, model


def _of_new(card: ModelCard, dataset: Dataset, window: EvaluationWindow) -> tuple[IdMap, FactorModel]:
    features = dataset.as_of("now").product_features
    matrix = Interactions.from_table(_without(dataset.now, window.pairs), features["product_id"])
    facts = ProductFacts.of(features, matrix.products, card.config)
    return matrix.products, fit(matrix.strength, card.config, card.sweeps, facts=facts)


def _without(rows: pa.Table, pairs: pa.Table) -> pa.Table:
    """Return the rows whose customer and product are not among the pairs."""
    keys = ["user_id", "product_id"]
    asked = pairs.select(keys).cast(rows.select(keys).schema)
    return (
        rows.select([*keys, "strength"])
        .join(asked, keys, join_type="left anti")
        .sort_by([(key, "ascending") for key in keys])
    )


def _ndcg(window: EvaluationWindow, products: IdMap, model: FactorModel, config: TrainConfig) -> Tensor:
    """Return each known customer's NDCG, float64 of shape (customers)."""
    position = torch.from_numpy(products.find(window.interactions.products.ids)).to(model.product_factors.device)
    users = model.user_factors(window.seen.to(position.device).with_columns(position, len(products)))
    factors = model.product_factors[position.clamp(min=0)] * (position >= 0)[:, None]
    hits = window.hit_pairs(window.rank_factors(users, factors, config)) >= 0
    relevant = torch.bincount(window.pair_rows, minlength=len(hits))[: len(hits)]
    rows, ranks = torch.nonzero(hits, as_tuple=True)
    return accuracy(rows, ranks, relevant, config.cutoffs)[:, 0, ACCURACY.index("ndcg")]
