"""The grid search for `implicit`, on functions with a known maximum."""

from collections.abc import Callable
from math import log

import pytest

from apps.benchmarks.grid_search import FACTORS, AlsSetting, Trial, search_grid


def build_evaluate(best: AlsSetting, tried: list[AlsSetting]) -> Callable[[AlsSetting], Trial]:
    """Return a function with its maximum at `best`, on a ridge where alpha and regularization grow together."""

    def evaluate(setting: AlsSetting) -> Trial:
        tried.append(setting)
        factors, alpha, regularization = (log(value / other) for value, other in zip(setting, best, strict=True))
        return Trial(-((alpha - regularization) ** 2) - 0.1 * (alpha + regularization) ** 2 - factors**2, 10, setting)

    return evaluate


@pytest.mark.parametrize(
    "best",
    [
        AlsSetting(256, 10, 10),
        AlsSetting(512, 100, 300),
        AlsSetting(64, 1, 0.1),
        AlsSetting(1024, 5000, 20_000),
        AlsSetting(16, 0.02, 0.01),
        AlsSetting(128, 30, 40_000),
    ],
)
def test_search_grid_finds_maximum(best: AlsSetting) -> None:
    tried: list[AlsSetting] = []
    messages: list[str] = []
    found = search_grid(build_evaluate(best, tried), messages.append).setting
    assert found.factors == best.factors
    for name in ("alpha", "regularization"):
        value, values = getattr(found, name), {getattr(setting, name) for setting in tried}
        # The grid has steps of 3 or 10.
        assert abs(log(value / getattr(best, name))) <= log(10**0.5) + 1e-9
        assert min(values) < value < max(values)
    assert len(tried) == len(set(tried)) < 130
    assert messages


def test_search_grid_ends_on_plateau() -> None:
    tried: list[AlsSetting] = []

    def evaluate(setting: AlsSetting) -> Trial:
        tried.append(setting)
        return Trial(0.0, 5, setting)

    assert search_grid(evaluate).ndcg == 0
    assert len(tried) < 100


def test_search_grid_ends_without_maximum() -> None:
    tried: list[AlsSetting] = []

    def evaluate(setting: AlsSetting) -> Trial:
        tried.append(setting)
        return Trial(log(setting.alpha), 5, setting)

    assert search_grid(evaluate).setting.factors in FACTORS
    assert len(tried) < 400
