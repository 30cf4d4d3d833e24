"""Exposure of the lists of a window: which products the customers get, per customer."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import pad

from models_ml.config import TrainConfig
from models_ml.data.category_mix import compute_category_shares, encode_categories
from models_ml.data.sparse import Csr
from models_ml.evaluation.baselines import rank_by_popularity
from models_ml.evaluation.metrics import (
    compute_calibration_error,
    compute_diversity,
    compute_list_means,
    compute_self_information,
    compute_serendipity,
    find_long_tail,
)
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.window import EvaluationWindow


def measure_exposure(
    window: EvaluationWindow, rankings: Mapping[str, Ranking], config: TrainConfig
) -> dict[str, Tensor]:
    """Return the `EXPOSURE_METRICS` of rankings by name, float64 of shape (customers, k_values, metrics).

    A ranking covers all customers of the window or the known customers. The primitive method of serendipity is the
    popularity baseline. The calibration error is NaN for new customers, and for all customers when no product has a
    category; products without one are a category of their own.
    """
    k_values = config.k_values
    information = compute_self_information(window.product_customer_counts, window.interactions.strength.row_count)
    is_long_tail = find_long_tail(window.product_customer_counts, config.head_share)
    values = torch.stack([information, is_long_tail.double()], 1)
    expected = rank_by_popularity(window, config).positions
    categories, category_count = encode_categories(window.product_features["category"])
    shares = compute_category_shares(_build_histories(window), categories, category_count)
    all_histories = window.interactions.strength.remap_columns(window.catalog_positions, len(window.catalog))
    lists = [ranking.positions for ranking in rankings.values()]
    diversities = torch.split(
        compute_diversity(_stack_lists(lists), all_histories, k_values, config.block_mib),
        [len(positions) for positions in lists],
    )
    exposure = {}
    for (name, ranking), diversity in zip(rankings.items(), diversities, strict=True):
        positions = ranking.positions
        means = torch.stack([compute_list_means(positions, values, k) for k in k_values], 1)
        if category_count > 1:
            list_categories = torch.where(positions < 0, -1, categories[positions.clamp(min=0)])
            errors = compute_calibration_error(list_categories, shares.slice_rows(0, len(positions)), k_values)
        else:
            errors = torch.full_like(diversity, torch.nan)
        serendipity = compute_serendipity(positions, window.find_hit_pairs(ranking) >= 0, expected, k_values)
        exposure[name] = torch.cat([means, torch.stack([diversity, errors, serendipity], 2)], 2)
    return exposure


def _build_histories(window: EvaluationWindow) -> Csr:
    """Return the histories of all customers, customers x products of the catalog; empty for new customers."""
    histories = window.histories
    row_starts = torch.cat([histories.row_starts, histories.row_starts[-1:].expand(window.new_customer_count)])
    columns = window.catalog_positions[histories.columns.long()].int()
    return Csr(row_starts, columns, histories.values, len(window.catalog))


def _stack_lists(lists: list[Tensor]) -> Tensor:
    """Return the rows of all lists; shorter ones are padded with -1."""
    width = max(positions.shape[1] for positions in lists)
    return torch.cat([pad(positions, (0, width - positions.shape[1]), value=-1) for positions in lists])
