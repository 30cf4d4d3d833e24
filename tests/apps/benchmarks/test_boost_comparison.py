"""Ways to boost on the demo shop."""

from pathlib import Path

import pytest

from apps.benchmarks.boost_comparison import RANK_SHIFTS, compare_boosts
from warehouse.errors import NothingPublishedError
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


def test_boosts_lose_ndcg_of_the_model(demo_warehouse: Settings) -> None:
    comparison = compare_boosts(demo_warehouse)
    with ServingCopy(demo_warehouse) as copy:
        metrics = copy.get_metrics()
    (ndcg,) = metrics.loc[(metrics["method"] == "als") & (metrics["k"] == 10), "ndcg"]
    assert comparison.ndcg == pytest.approx(ndcg, abs=1e-4)
    assert [loss.rank_shift for loss in comparison.losses] == list(RANK_SHIFTS)
    added = [loss.added_place_points for loss in comparison.losses]
    assert added == sorted(added)
    assert added[0] > 0
    # A fixed shift moves up products at the end of the list as far as those at its beginning.
    largest = comparison.losses[-1]
    assert largest.fixed_shift_loss > largest.rank_divided_loss > 0


def test_boosts_need_a_published_copy(tmp_path: Path) -> None:
    with pytest.raises(NothingPublishedError):
        compare_boosts(Settings(warehouse=tmp_path))
