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
from models_ml.data.item_features import ItemFeatures
from models_ml.evaluation.bootstrap import bootstrap_mean_bounds
from models_ml.evaluation.metrics import ACCURACY_METRICS, compute_accuracy
from models_ml.evaluation.window import EvaluationWindow
from models_ml.inference.artifact import ModelCard


@dataclass(frozen=True)
class ModelComparison:
    """How a new model ranks beside the serving one."""

    k: int
    user_count: int
    """Customers that both were measured on."""
    serving_ndcg: float
    new_ndcg: float
    lower_bound: float
    """Of the new model's NDCG less the serving one's: a 95 % bootstrap interval."""
    upper_bound: float


@dataclass(frozen=True)
class ComparedModel:
    """A model, and what it was trained on."""

    card: ModelCard
    dataset: Dataset


def compare_models(new: ComparedModel, serving: ComparedModel, k: int) -> ModelComparison | None:
    """Measure both in the test window of the *serving* model's dataset; None when that has nobody to measure.

    Of each a fit is made from its settings and all its rows as of now but the pairs that are relevant there. Both then
    list for the same customers with the same histories, by their factors alone, for trends are of a model's own day:
    what differs comes of the settings and of the rows that were added or mended since. More rows make the new one
    better, and settings that are worse, or rows that are nonsense, make it worse; these cannot flatter it, because they
    are not asked for. Equal settings and rows stand equal: what luck there was, of the seed and of the epochs that it
    picked, is the serving one's for both.
    """
    config = new.card.config.model_copy(update={"k_values": (k,)})
    window = EvaluationWindow.from_dataset(serving.dataset, "test", config.max_selection_users)
    if window is None:
        return None
    before, after = (
        _compute_ndcg(window, *_fit_without_relevant_pairs(one, window), config)
        for one in (serving, _align_seed_and_epochs(new, serving))
    )
    block_rows = config.compute_block_rows(6 * len(before))
    lower, upper = bootstrap_mean_bounds(
        (after - before)[:, None], config.bootstrap_resamples, config.seed, block_rows
    ).flatten()
    return ModelComparison(k, len(before), float(before.mean()), float(after.mean()), float(lower), float(upper))


def _align_seed_and_epochs(new: ComparedModel, serving: ComparedModel) -> ComparedModel:
    """Take the serving model's seed and, where all settings are equal, the number of epochs that it picked."""
    settings = new.card.config.model_copy(update={"seed": serving.card.config.seed})
    epochs = serving.card.epochs if settings == serving.card.config else new.card.epochs
    return ComparedModel(new.card.model_copy(update={"config": settings, "epochs": epochs}), new.dataset)


def _fit_without_relevant_pairs(contender: ComparedModel, window: EvaluationWindow) -> tuple[IdMap, FactorModel]:
    features = contender.dataset.select_cutoff("now").product_features
    matrix = Interactions.from_table(
        _remove_pairs(contender.dataset.current_interactions, window.pairs), features["product_id"]
    )
    facts = ItemFeatures.from_table(features, matrix.products, contender.card.config)
    return matrix.products, fit(matrix.strength, contender.card.config, contender.card.epochs, item_features=facts)


def _remove_pairs(rows: pa.Table, pairs: pa.Table) -> pa.Table:
    """Return the rows whose customer and product are not among the pairs."""
    keys = ["user_id", "product_id"]
    asked = pairs.select(keys).cast(rows.select(keys).schema)
    return (
        rows.select([*keys, "strength"])
        .join(asked, keys, join_type="left anti")
        .sort_by([(key, "ascending") for key in keys])
    )


def _compute_ndcg(window: EvaluationWindow, products: IdMap, model: FactorModel, config: TrainConfig) -> Tensor:
    """Return each known customer's NDCG, float64 of shape (customers)."""
    position = torch.from_numpy(products.find_positions(window.interactions.products.ids)).to(
        model.product_factors.device
    )
    users = model.fold_in(window.seen.to(position.device).remap_columns(position, len(products)))
    factors = model.product_factors[position.clamp(min=0)] * (position >= 0)[:, None]
    hits = window.find_hit_pairs(window.rank_factors(users, factors, config)) >= 0
    relevant = torch.bincount(window.pair_rows, minlength=len(hits))[: len(hits)]
    rows, ranks = torch.nonzero(hits, as_tuple=True)
    return compute_accuracy(rows, ranks, relevant, config.k_values)[:, 0, ACCURACY_METRICS.index("ndcg")]
