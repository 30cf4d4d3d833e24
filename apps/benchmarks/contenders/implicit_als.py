"""The weighted ALS of the `implicit` library, with the best settings of its grid search.

BLAS runs on one thread, as the library's documentation requires, because the library itself runs several threads.
"""

import os
import time
import warnings
from statistics import fmean

import numpy as np
import scipy.sparse
import torch
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from apps.benchmarks.fresh_process import log_progress
from apps.benchmarks.grid_search import AlsSetting, Trial, search_grid
from apps.benchmarks.ranking_results import LIBRARY, CurvePoint, RankingResult, SplitSource, evaluate_ranking
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.window import EvaluationWindow
from orchestration.process_memory import get_peak_memory_mib

ITERATIONS = 15
EVALUATION_INTERVAL = 5
"""Iterations between evaluations."""

MAX_ITERATIONS = 120
"""Iterations beyond which the search for their number does not go."""


class _EvaluatedFit:
    """One training run with regular evaluations, whose time does not count as training time."""

    def __init__(
        self,
        window: EvaluationWindow,
        config: TrainConfig,
        setting: AlsSetting,
        iterations: int,
        evaluation_interval: int,
    ) -> None:
        self.sample = window.sample_customers(config.max_selection_users)
        self.config, self.evaluation_interval = config, evaluation_interval
        self.curve: list[CurvePoint] = []
        self.evaluated_iterations: list[int] = []
        self.evaluation_seconds = 0.0
        self.model = AlternatingLeastSquares(
            factors=setting.factors,
            alpha=setting.alpha,
            regularization=setting.regularization,
            iterations=iterations,
            num_threads=os.cpu_count(),
            random_state=config.seed,
        )
        matrix = _build_matrix(window.interactions.strength)
        self.start_seconds = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.fit(matrix, show_progress=False, callback=self._on_iteration)

    def _on_iteration(self, iteration: int, *_: object) -> None:
        if (iteration + 1) % self.evaluation_interval == 0:
            now = time.perf_counter()
            ndcg = evaluate_ranking(LIBRARY, self.sample, self.rank(self.sample), self.config).ndcg
            self.curve.append(CurvePoint(seconds=now - self.start_seconds - self.evaluation_seconds, ndcg=ndcg))
            self.evaluated_iterations.append(iteration + 1)
            self.evaluation_seconds += time.perf_counter() - now

    def rank(self, window: EvaluationWindow) -> Ranking:
        """Return the ranked lists of the customers of the fit's window or of its sample."""
        users = torch.from_numpy(np.asarray(self.model.user_factors)[window.known_positions.numpy()])
        return window.rank_for_known_customers(
            users, torch.from_numpy(np.asarray(self.model.item_factors)), self.config
        )


def evaluate_implicit(split_source: SplitSource, config: TrainConfig) -> RankingResult:
    """Select the best settings and iterations by the mean of the validation folds, and evaluate on the test window."""
    threadpool_limits(1, "blas")
    split = split_source.read(config)
    start_seconds = time.perf_counter()

    def evaluate_setting(setting: AlsSetting, iterations: int = ITERATIONS) -> Trial:
        fits = [_EvaluatedFit(window, config, setting, iterations, EVALUATION_INTERVAL) for window in split.validation]
        mean_ndcgs = (
            fmean(point.ndcg for point in points) for points in zip(*(fit.curve for fit in fits), strict=True)
        )
        # Of equal NDCGs, the fewest iterations.
        ndcg, iterations = max(zip(mean_ndcgs, fits[0].evaluated_iterations, strict=True), key=lambda result: result[0])
        return Trial(ndcg, iterations, setting)

    def log(message: str) -> None:
        log_progress(f"{LIBRARY}: {message}")

    best, max_iterations = search_grid(evaluate_setting, log), ITERATIONS
    while best.iterations == max_iterations and 2 * max_iterations <= MAX_ITERATIONS:
        max_iterations *= 2
        log(f"{best.iterations} iterations are best, up to {max_iterations} are tried")
        best = evaluate_setting(best.setting, max_iterations)
    tune_seconds = time.perf_counter() - start_seconds
    _, iterations, setting = best
    fit = _EvaluatedFit(split.test, config, setting, iterations, evaluation_interval=1)
    start_seconds = time.perf_counter()
    ranking = fit.rank(split.test)
    scoring_seconds = time.perf_counter() - start_seconds
    return evaluate_ranking(LIBRARY, split.test, ranking, config).model_copy(
        update={
            "tune_seconds": tune_seconds,
            "fit_seconds": fit.curve[-1].seconds,
            "scoring_seconds": scoring_seconds,
            "peak_memory_mib": get_peak_memory_mib(),
            "config": {**setting._asdict(), "iterations": iterations},
            "curves": {setting.factors: fit.curve},
        }
    )


def _build_matrix(strength: Csr) -> scipy.sparse.csr_matrix:
    """Return the strengths divided by their mean, so that one grid of settings suits every dataset."""
    values = strength.values / strength.values.mean()
    arrays = (values.numpy(), strength.columns.numpy(), strength.row_starts.numpy())
    return scipy.sparse.csr_matrix(arrays, shape=(strength.row_count, strength.column_count))
