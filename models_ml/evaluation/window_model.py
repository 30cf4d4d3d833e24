"""The model of an evaluation window, fitted to the data before it."""

from collections.abc import Callable

from models_ml.als.trainer import EpochReport
from models_ml.config import TrainConfig
from models_ml.data.feature_matrix import FeatureMatrix
from models_ml.evaluation.window import EvaluationWindow
from models_ml.ranking_model import RankingModel, SelectedParams, fit_ranking_model


def fit_window_model(
    window: EvaluationWindow,
    config: TrainConfig,
    params: SelectedParams,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> tuple[RankingModel, FeatureMatrix]:
    """Return the model of `params` fitted to the data before a window, and the customers' features at its cutoff.

    Raises:
        ModelError: The configured device does not exist, or the factors diverge or collapse to zero.
    """
    customer_features = window.build_customer_features(config)
    model = fit_ranking_model(
        window.interactions.strength,
        config,
        params,
        on_epoch,
        item_features=window.build_item_features(config),
        customer_features=customer_features.select(window.interactions.users.ids),
    )
    return model, customer_features
