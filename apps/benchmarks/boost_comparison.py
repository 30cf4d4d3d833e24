"""What three ways to boost a brand cost: the NDCG@10 lost in the test window, at equal shares of the ten places."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from models_ml.evaluation.report import MODEL_METHOD
from warehouse.database import open_reader
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings

CANDIDATE_COUNT = 20
"""Candidates of each customer that an evaluation keeps."""

PLACE_COUNT = 10
BRAND_COUNT = 24
RANK_SHIFTS = (3, 6, 11)
MAX_FACTOR = 50.0
SEARCH_STEPS = 25

CANDIDATES_QUERY = """
    with pairs as (

        -- A model's metrics are of the customers that its training knew.
        select user_id, product_id, count(*) over (partition by user_id) as relevant_count
        from ml.evaluation_pairs
        where run_id = $run_id and cutoff = 'test' and customer = 'known'

    )

    select
        list(candidates.rank order by candidates.rank) as ranks,
        list(candidates.score order by candidates.rank) as scores,
        list(coalesce(products.brand, '') order by candidates.rank) as brands,
        list(pairs.product_id is not null order by candidates.rank) as gains,
        max(customers.relevant_count) as relevant_count
    from ml.evaluation_candidates as candidates
    inner join (select distinct user_id, relevant_count from pairs) as customers
        on candidates.user_id = customers.user_id
    left join marts.dim_products as products on candidates.product_id = products.product_id
    left join pairs on candidates.user_id = pairs.user_id and candidates.product_id = pairs.product_id
    where candidates.run_id = $run_id and candidates.cutoff = 'test' and candidates.method = $method
    group by candidates.user_id
    -- Customers with fewer candidates have no full list to reorder.
    having count(*) = $candidate_count
"""
"""One row per customer."""

Floats = npt.NDArray[np.float64]


class BoostLoss(BaseModel):
    """What a brand's share of the first ten places costs; means over the brands."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    rank_shift: int
    """Ranks that the products move up by in the way of the fixed shift, which sets the share of all three ways."""

    added_place_points: float
    """Percentage points that the brand gains of the first ten places."""

    fixed_shift_loss: float
    """Share of NDCG@10 that is lost when every product moves up by the same number of ranks."""

    score_multiplied_loss: float
    """The same when the score is multiplied, for the same share of places."""

    rank_divided_loss: float
    """The same when the rank is divided, for the same share of places."""


class BoostComparison(BaseModel):
    """The losses of a shop."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    customers: int
    brands: int
    ndcg: float
    """NDCG@10 without a boost."""

    losses: list[BoostLoss]


@dataclass(frozen=True)
class _Candidates:
    """The first candidates of each customer: a row per customer and a column per rank, and the highest DCG@10."""

    ranks: Floats
    scores: Floats
    brands: npt.NDArray[np.str_]
    gains: Floats
    """1 for a product of interest, else 0."""

    ideal_dcg: Floats

    def compute_ndcg(self, order: npt.NDArray[np.intp]) -> float:
        """Return the mean NDCG@10 of lists, which are columns of each customer's candidates."""
        gains = np.take_along_axis(self.gains, order, axis=1)
        return float(np.mean((gains @ _compute_discounts()) / self.ideal_dcg))


def compare_boosts(settings: Settings) -> BoostComparison:
    """Boost each of the most frequent brands in three ways, and compare the losses at equal shares of places.

    Raises:
        RecomartError: The published lists are of no evaluated model, or the shop has no brands.
    """
    candidates = _read_candidates(settings)
    brands, counts = np.unique(candidates.brands[candidates.brands != ""], return_counts=True)
    if not brands.size:
        raise RecomartError(f"{settings.database}: no candidate has a brand, so boosts of brands cannot be compared")
    frequent_brands = brands[np.argsort(-counts, kind="stable")][:BRAND_COUNT]
    ndcg = candidates.compute_ndcg(_list_first(candidates.ranks))
    losses = []
    for shift in RANK_SHIFTS:
        rows = [_measure_brand(candidates, candidates.brands == brand, shift) for brand in frequent_brands]
        added_share, *ndcg_by_way = np.mean(rows, axis=0)
        fixed_shift, multiplied, divided = (round(1 - value / ndcg, 5) for value in ndcg_by_way)
        losses.append(
            BoostLoss(
                rank_shift=shift,
                added_place_points=round(100 * added_share, 2),
                fixed_shift_loss=fixed_shift,
                score_multiplied_loss=multiplied,
                rank_divided_loss=divided,
            )
        )
    return BoostComparison(
        customers=len(candidates.ranks), brands=len(frequent_brands), ndcg=round(ndcg, 4), losses=losses
    )


def _measure_brand(
    candidates: _Candidates, is_boosted: npt.NDArray[np.bool_], shift: int
) -> tuple[float, float, float, float]:
    """Return the added share of the first ten places, and the NDCG@10 of a fixed shift, of scores, and of ranks."""

    def count_share(order: npt.NDArray[np.intp]) -> float:
        return float(np.take_along_axis(is_boosted, order, axis=1).mean())

    def list_multiplied(factor: float) -> npt.NDArray[np.intp]:
        return _list_first(-candidates.scores * np.where(is_boosted, factor, 1))

    def list_divided(factor: float) -> npt.NDArray[np.intp]:
        return _list_first(candidates.ranks / np.where(is_boosted, factor, 1))

    shifted = _list_first(candidates.ranks - shift * is_boosted)
    share = count_share(shifted)
    multiplied = list_multiplied(_find_factor(lambda factor: count_share(list_multiplied(factor)), share))
    divided = list_divided(_find_factor(lambda factor: count_share(list_divided(factor)), share))
    added_share = share - count_share(_list_first(candidates.ranks))
    fixed_ndcg, multiplied_ndcg, divided_ndcg = map(candidates.compute_ndcg, (shifted, multiplied, divided))
    return added_share, fixed_ndcg, multiplied_ndcg, divided_ndcg


def _find_factor(count_share: Callable[[float], float], share: float) -> float:
    """Return the smallest factor with at least a share of the places, up to `MAX_FACTOR`."""
    lower, upper = 1.0, MAX_FACTOR
    for _ in range(SEARCH_STEPS):
        factor = (lower * upper) ** 0.5
        if count_share(factor) < share:
            lower = factor
        else:
            upper = factor
    return upper


def _list_first(keys: Floats) -> npt.NDArray[np.intp]:
    """Return the columns of the ten smallest keys of each row; equal keys keep the order of the ranks."""
    return np.argsort(keys, axis=1, kind="stable")[:, :PLACE_COUNT]


def _compute_discounts() -> Floats:
    return 1 / np.log2(np.arange(2, PLACE_COUNT + 2))


def _read_candidates(settings: Settings) -> _Candidates:
    values = {
        "run_id": read_pointer(settings).run_id,
        "method": MODEL_METHOD,
        "candidate_count": CANDIDATE_COUNT,
    }
    with open_reader(settings) as connection:
        rows = connection.execute(CANDIDATES_QUERY, values).fetchall()
    if not rows:
        raise RecomartError(
            f"{settings.serving_dir}: the published lists are of no evaluated model. `recomart run` trains and "
            "evaluates one"
        )
    ranks, scores, brands, gains, relevant_counts = zip(*rows, strict=True)
    ideal_dcg = np.cumsum(_compute_discounts())
    return _Candidates(
        ranks=np.array(ranks, np.float64),
        scores=np.array(scores, np.float64),
        brands=np.array(brands, np.str_),
        gains=np.array(gains, np.float64),
        ideal_dcg=ideal_dcg[np.minimum(relevant_counts, PLACE_COUNT) - 1],
    )
