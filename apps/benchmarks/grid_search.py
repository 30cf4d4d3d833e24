"""A grid search for the settings of a library's ALS, widened until the best setting lies inside the tried values."""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

FACTORS = (64, 128, 256, 512)
ALPHAS = (1.0, 3.0, 10.0, 30.0, 100.0)
REGULARIZATIONS = (0.1, 1.0, 10.0, 30.0, 100.0, 300.0)

MAX_KEPT_SETTINGS = 4
"""Number of the best settings whose alpha and regularization are also tried with another number of factors."""

STEP = 3.0
"""Factor between the outermost value of alpha or regularization and the next one."""

FACTOR_BOUNDS = (8, 1024)
"""Numbers of factors beyond which the grid is not widened."""

MAX_WIDENINGS = 12
"""Maximum number of steps outwards for one number of factors: the search ends also where the quality has no maximum."""


class AlsSetting(NamedTuple):
    """One point of the grid."""

    factors: int
    alpha: float
    regularization: float


class Trial(NamedTuple):
    """The quality of a setting on the validation window."""

    ndcg: float
    iterations: int
    """Number of iterations with this NDCG, the best one."""
    setting: AlsSetting


def search_grid(evaluate: Callable[[AlsSetting], Trial], log: Callable[[str], None] = lambda _: None) -> Trial:
    """Return the trial with the best NDCG.

    All pairs of alpha and regularization are tried with the fewest factors, the best pairs with the other numbers of
    factors. While the best value of alpha, regularization or factors is the smallest or largest tried one, the next
    values outwards are tried, with their neighbors. Of equal trials the first is best, so a plateau ends the search.
    """
    trials: dict[AlsSetting, Trial] = {}

    def run(settings: list[AlsSetting]) -> None:
        for setting in settings:
            if setting not in trials:
                trials[setting] = evaluate(setting)

    def find_best() -> AlsSetting:
        return max(trials.values(), key=lambda trial: trial.ndcg).setting

    def run_factors(factors: int) -> None:
        ranked = sorted(trials.values(), key=lambda trial: -trial.ndcg)[:MAX_KEPT_SETTINGS]
        run([trial.setting._replace(factors=factors) for trial in ranked])
        for _ in range(MAX_WIDENINGS):
            if not (outer_settings := _list_outer_settings(find_best(), [*trials])):
                break
            log(f"the grid is widened by {', '.join(map(_describe, outer_settings))}")
            run(outer_settings)
        log(f"with {factors} factors, best validation NDCG {trials[find_best()].ndcg:.5f} at {_describe(find_best())}")

    run([AlsSetting(FACTORS[0], *pair) for pair in product(ALPHAS, REGULARIZATIONS)])
    for factors in FACTORS:
        run_factors(factors)
    while next_factors := _find_outer_factors(find_best().factors, {setting.factors for setting in trials}):
        log(f"the grid is widened to {next_factors} factors")
        run_factors(next_factors)
    return trials[find_best()]


def _list_outer_settings(best: AlsSetting, tried: list[AlsSetting]) -> list[AlsSetting]:
    """Return the settings around `best` whose alpha or regularization is outside the values of `tried`.

    The list is empty when both values of `best` are inside.
    """
    alphas = _list_neighbors(best.alpha, [setting.alpha for setting in tried])
    regularizations = _list_neighbors(best.regularization, [setting.regularization for setting in tried])
    tried_alphas = {setting.alpha for setting in tried}
    tried_regularizations = {setting.regularization for setting in tried}
    return [
        AlsSetting(best.factors, alpha, regularization)
        for alpha, regularization in product(alphas, regularizations)
        if (alpha not in tried_alphas or regularization not in tried_regularizations)
    ]


def _list_neighbors(value: float, tried: list[float]) -> list[float]:
    """Return the value between its neighbors; a missing neighbor is one step outwards."""
    lower = max((other for other in tried if other < value), default=value / STEP)
    upper = min((other for other in tried if other > value), default=value * STEP)
    return [lower, value, upper]


def _find_outer_factors(best: int, tried: set[int]) -> int | None:
    """Return half or twice the best number of factors, if that lies outside the tried numbers and inside the bounds."""
    minimum, maximum = FACTOR_BOUNDS
    if best == max(tried) and 2 * best <= maximum:
        return 2 * best
    return best // 2 if best == min(tried) and best // 2 >= minimum else None


def _describe(setting: AlsSetting) -> str:
    return f"{setting.factors} factors, alpha {setting.alpha:g}, regularization {setting.regularization:g}"
