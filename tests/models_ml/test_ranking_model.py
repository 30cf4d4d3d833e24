"""The ranking model: its factors and its graph have the same multipliers."""

import torch

from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.ranking_model import SelectedParams, fit_ranking_model


def test_scale_multiplies_factors_and_graph(strength: Csr) -> None:
    """Customer factors do not depend on the multipliers, so that one fold-in serves several scaled models."""
    params = SelectedParams(4, 0.0, 0.3, 0.25, repeat_weight=2.0)
    model = fit_ranking_model(strength, TrainConfig(factors=8, graph_neighbors=6, device="cpu"), params)
    multipliers = torch.linspace(0.5, 2.0, strength.column_count)
    scaled = model.scale(multipliers)
    assert torch.allclose(scaled.factors.scoring_factors, model.factors.scoring_factors * multipliers[:, None])
    assert torch.equal(scaled.factors.fold_in(strength), model.factors.fold_in(strength))
    neighbors = model.graph.neighbors
    assert torch.equal(scaled.graph.neighbors.values, neighbors.values * multipliers[neighbors.columns.long()])
    assert (scaled.graph.weight, scaled.repeat_weight) == (0.3, 2.0)
