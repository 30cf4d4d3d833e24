"""A new model beside the serving one, on ground that both are kept from seeing."""

from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor

from models_ml.als.factor_model import FactorModel
from models_ml.als.trainer import fit
from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.id_map import IdMap
from models_ml.data.interactions import Interactions
from models_ml.data.item_features import ProductFacts
from models_ml.evaluation.bootstrap import mean_bounds
from models_ml.evaluation.metrics import ACCURACY, accuracy
from models_ml.evaluation.window import EvaluationWindow
from models_ml.inference.artifact import ModelCard


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


@dataclass(frozen=True)
class Contender:
    """A model, and what it was trained on."""

    card: ModelCard
    dataset: Dataset


def head_to_head(new: Contender, serving: Contender, k: int) -> HeadToHead | None:
    """Measure both in the test window of the *serving* model's dataset; None when that has nobody to measure.

    Of each a fit is made from its settings and all its rows as of now but the pairs that are relevant there. Both then
    list for the same customers with the same histories, by their factors alone, for trends are of a model's own day:
    what differs comes of the settings and of the rows that were added or mended since. More rows make the new one
    better, and settings that are worse, or rows that are nonsense, make it worse; these cannot flatter it, because they
    are not asked for. Equal settings and rows stand equal: what luck there was, of the seed and of the sweeps that it
    picked, is the serving one's for both.
    """
    config = new.card.config.model_copy(update={"cutoffs": (k,)})
    window = EvaluationWindow.of_dataset(serving.dataset, "test", config.selection_users)
    if window is None:
        return None
    before, after = (_ndcg(window, *_fit(one, window), config) for one in (serving, _without_luck(new, serving)))
    block_rows = config.block_rows(6 * len(before))
    lower, upper = mean_bounds((after - before)[:, None], config.bootstrap_resamples, config.seed, block_rows).flatten()
    return HeadToHead(k, len(before), float(before.mean()), float(after.mean()), float(lower), float(upper))


def _without_luck(new: Contender, serving: Contender) -> Contender:
    """Take the serving model's seed and, where all settings are equal, the number of sweeps that it picked."""
    settings = new.card.config.model_copy(update={"seed": serving.card.config.seed})
    sweeps = serving.card.sweeps if settings == serving.card.config else new.card.sweeps
    return Contender(new.card.model_copy(update={"config": settings, "sweeps": sweeps}), new.dataset)


def _fit(one: Contender, window: EvaluationWindow) -> tuple[IdMap, FactorModel]:
    features = one.dataset.as_of("now").product_features
    matrix = Interactions.from_table(_without(one.dataset.now, window.pairs), features["product_id"])
    facts = ProductFacts.of(features, matrix.products, one.card.config)
    return matrix.products, fit(matrix.strength, one.card.config, one.card.sweeps, facts=facts)


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
