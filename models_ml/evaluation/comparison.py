"""Comparison of a new model with the serving model on pairs held out from both."""

from dataclasses import asdict, dataclass, replace

import pyarrow as pa
import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.feature_matrix import FeatureMatrix, build_customer_features
from models_ml.data.id_map import IdMap
from models_ml.data.interactions import Interactions
from models_ml.data.item_features import ItemFeatures, compute_product_trends
from models_ml.evaluation.bootstrap import bootstrap_mean_bounds
from models_ml.evaluation.metric_names import ACCURACY_METRICS
from models_ml.evaluation.window import EvaluationWindow
from models_ml.inference.artifact import ModelCard
from models_ml.ranking_model import RankingModel, fit_ranking_model


@dataclass(frozen=True)
class ModelComparison:
    """NDCG of a new model and of the serving model."""

    k: int
    user_count: int
    """Number of evaluated customers."""
    serving_ndcg: float
    new_ndcg: float
    lower_bound: float
    """Lower end of the 95 % bootstrap interval of the new model's NDCG minus the serving model's NDCG."""
    upper_bound: float
    """Upper end of the interval."""


@dataclass(frozen=True)
class ComparedModel:
    """The card of a model and the dataset of its training."""

    card: ModelCard
    dataset: Dataset


def compare_models(new: ComparedModel, serving: ComparedModel, k: int) -> ModelComparison | None:
    """Return the NDCG of both models in the test window of the *serving* model's dataset; None for an empty window.

    Each model is fitted again with its settings to its rows at the cutoff 'now', without the relevant pairs of that
    window. Both rank for the same customers with the same histories, trends and repeat scores, those of the window's
    cutoff, and the same products are due. The popularity damping and the re-ranking are not applied because their cost
    is intended. The difference is therefore caused by the other settings and by rows added or corrected since: more
    rows improve the new model, worse settings and wrong rows degrade it. Wrong rows cannot improve the result because
    they are not among the relevant pairs. The features of customers are those at each dataset's cutoff 'validation',
    because later ones may count actions of the window.

    Both fits use the serving model's seed and, for equal settings, its selected parameters. Equal settings and rows
    therefore give equal results.
    """
    config = new.card.config.model_copy(update={"k_values": (k,)})
    window = EvaluationWindow.from_dataset(serving.dataset, "test", config.max_selection_users)
    if window is None:
        return None
    serving_ndcg, new_ndcg = (
        _compute_ndcg(window, model.card, *_fit_without_relevant_pairs(model, window), config)
        for model in (serving, _align_seed_and_params(new, serving))
    )
    user_count = len(serving_ndcg)
    block_rows = config.compute_block_rows(6 * user_count)
    lower, upper = bootstrap_mean_bounds(
        (new_ndcg - serving_ndcg)[:, None], config.bootstrap_resamples, config.seed, block_rows
    ).flatten()
    return ModelComparison(
        k, user_count, float(serving_ndcg.mean()), float(new_ndcg.mean()), float(lower), float(upper)
    )


def _align_seed_and_params(new: ComparedModel, serving: ComparedModel) -> ComparedModel:
    """Return the new model with the serving model's seed and, for equal settings, its selected parameters."""
    settings = new.card.config.model_copy(update={"seed": serving.card.config.seed})
    aligned: dict[str, object] = {"config": settings}
    if settings == serving.card.config:
        aligned |= asdict(serving.card.selected_params)
        # The card has no field for it.
        del aligned["validation_ndcg"]
    return ComparedModel(new.card.model_copy(update=aligned), new.dataset)


def _fit_without_relevant_pairs(
    model: ComparedModel, window: EvaluationWindow
) -> tuple[IdMap, RankingModel, FeatureMatrix]:
    """Return the products, the model and the customers' features.

    The model is fitted to the rows at 'now' without the relevant pairs of the window. Its multipliers are 1.
    """
    now = model.dataset.select_cutoff("now")
    config = model.card.config.model_copy(update={"popularity_damping": 0.0})
    interactions = Interactions.from_table(
        _remove_pairs(now.interactions, window.pairs), now.product_features["product_id"]
    )
    earlier_features = model.dataset.select_cutoff("validation").features
    customer_features = build_customer_features(earlier_features, interactions.users, config)
    ranking_model = fit_ranking_model(
        interactions.strength,
        config,
        replace(model.card.selected_params, trend_power=0.0),
        item_features=ItemFeatures.from_tables(now.product_features, now.features, interactions.products, config),
        customer_features=customer_features.select(interactions.users.ids),
    )
    return interactions.products, ranking_model, customer_features


def _remove_pairs(rows: pa.Table, pairs: pa.Table) -> pa.Table:
    """Return the rows whose customer and product are not among the pairs, ordered by customer and product."""
    keys = ["user_id", "product_id"]
    removed_pairs = pairs.select(keys).cast(rows.select(keys).schema)
    return (
        rows.select([*keys, "strength"])
        .join(removed_pairs, keys, join_type="left anti")
        .sort_by([(key, "ascending") for key in keys])
    )


def _compute_ndcg(
    window: EvaluationWindow,
    card: ModelCard,
    products: IdMap,
    model: RankingModel,
    customer_features: FeatureMatrix,
    config: TrainConfig,
) -> Tensor:
    """Return the NDCG of each known customer of the window, float64 of shape (customers).

    `products` are the products of the model; window products unknown to the model have factors of zero. The scores have
    the window's trends to the power of the `card`.
    """
    factors = model.factors
    position = torch.from_numpy(products.find_positions(window.interactions.products.ids)).to(
        factors.product_factors.device
    )
    features = customer_features.select(window.known_customer_ids).to(position.device)
    user_factors = factors.fold_in(
        window.histories.to(position.device).remap_columns(position, len(products)), features
    )
    trends = compute_product_trends(window.product_features, window.interactions.products, card.config)
    multipliers = trends.to(position.device) ** card.trend_power
    product_factors = factors.product_factors[position.clamp(min=0)] * (multipliers * (position >= 0))[:, None]
    graph = model.graph.align(position).scale(multipliers)
    ranking = window.rank_for_known_customers(
        user_factors, product_factors, config, graph, repeat_terms=model.weight_repeats(window.repeat_scores)
    )
    return window.compute_accuracy(ranking, config.k_values)[:, 0, ACCURACY_METRICS.index("ndcg")]
