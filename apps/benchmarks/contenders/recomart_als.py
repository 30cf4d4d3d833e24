"""Our model, its ablations, and the baselines that every model is measured against."""

import time
from dataclasses import asdict

from pydantic import TypeAdapter

from apps.benchmarks.ranking_results import CurvePoint, RankingResult, SplitSource, log_progress, measure_ranking
from models_ml.als.trainer import AlsTrainer, fit
from models_ml.config import TrainConfig
from models_ml.evaluation.baselines import BASELINES
from models_ml.evaluation.selection import SelectedParams, select_params
from models_ml.evaluation.window import EvaluationWindow
from models_ml.tuning import SearchSpace, tune
from orchestration.process_memory import get_peak_memory_mib


def measure_als(files: SplitSource, config: TrainConfig, tune_seconds: float) -> RankingResult:
    """Tune on the validation window, train on everything before the test window, and measure on it."""
    split = files.read(config)
    started = time.perf_counter()
    if tune_seconds > 0:
        tuned = tune(
            split.validation,
            config,
            seconds=tune_seconds,
            on_trial=lambda trial: log_progress(
                f"als: trial {trial.number}, best validation NDCG {trial.best_ndcg or 0:.5f}"
            ),
        )
        config, picked = tuned.config, tuned.selected_params
    else:
        picked, _ = select_params(split.validation, config, lambda _: None)
    spent_tuning = time.perf_counter() - started
    test = split.test
    trainer, curve = _train_with_curve(test, config, picked)
    started = time.perf_counter()
    model = trainer.finalize(picked.trend_power)
    users = model.fold_in(test.seen.to(trainer.device))
    spent = curve[-1].seconds + time.perf_counter() - started
    started = time.perf_counter()
    ranking = test.rank_factors(users, model.scoring_factors, config)
    recommending = time.perf_counter() - started
    return measure_ranking("als", test, ranking, config).model_copy(
        update={
            "tune_seconds": spent_tuning,
            "fit_seconds": spent,
            "scoring_seconds": recommending,
            "peak_memory_mib": get_peak_memory_mib(),
            "config": {"train": config.model_dump(), "selected_params": asdict(picked)},
            "curves": {config.factors: curve},
        }
    )


def measure_shorter_vectors(files: SplitSource, result: RankingResult) -> dict[int, list[CurvePoint]]:
    """Return how far shorter vectors are after each epoch, everything else as it was picked; by their length."""
    config = TrainConfig.model_validate(result.config["train"])
    test, picked = (
        files.read(config).test,
        TypeAdapter(SelectedParams).validate_python(result.config["selected_params"]),
    )
    return {
        factors: _train_with_curve(test, config.model_copy(update={"factors": factors}), picked)[1]
        for factors in SearchSpace().factors
        if factors < config.factors
    }


def _train_with_curve(
    window: EvaluationWindow, config: TrainConfig, selected_params: SelectedParams
) -> tuple[AlsTrainer, list[CurvePoint]]:
    # As with the other contender, the clock starts when what the trainer takes is there.
    facts = window.build_item_features(config)
    started = time.perf_counter()
    trainer = AlsTrainer(window.interactions.strength, config, facts)
    spent, curve = time.perf_counter() - started, list[CurvePoint]()
    trends = trainer.item_features.trends[:, None] ** selected_params.trend_power
    evaluated = window.known_positions.to(trainer.device)
    for _ in range(selected_params.epochs):
        report = trainer.train_epoch()
        spent += report.seconds
        products = trainer.complete_product_factors() * trends
        ranking = window.rank_factors(trainer.user_factors[evaluated], products, config)
        curve.append(CurvePoint(seconds=spent, ndcg=window.measure(ranking, config.k_values)[0].ndcg))
        log_progress(
            f"als, {config.factors} factors: epoch {report.epoch}, loss {report.loss:.4f}, NDCG {curve[-1].ndcg:.5f}"
        )
    return trainer, curve


def measure_baselines(files: SplitSource, config: TrainConfig) -> list[RankingResult]:
    """Measure the baselines, those that go by time only where there are times."""
    test = files.read(config).test
    is_dated = bool(test.get_feature("recent_popularity").any())
    methods = {name: rank for name, rank in BASELINES.items() if is_dated or name != "recent_popularity"}
    return [measure_ranking(name, test, rank(test, config), config) for name, rank in methods.items()]


def measure_ablations(files: SplitSource, config: TrainConfig) -> list[RankingResult]:
    """Measure our model with tuned settings, but without content, without trends, and without both."""
    split = files.read(config)
    found = []
    for method, change in (
        ("als without content", {"content_prior_customers": 0.0}),
        ("als without trends", {"trend_powers": (0.0,)}),
        ("als without both", {"content_prior_customers": 0.0, "trend_powers": (0.0,)}),
    ):
        without = config.model_copy(update=change)
        picked, _ = select_params(split.validation, without, lambda _: None)
        test = split.test
        model = fit(
            test.interactions.strength,
            without,
            picked.epochs,
            item_features=test.build_item_features(without),
            trend_power=picked.trend_power,
        )
        users = model.fold_in(test.seen.to(model.product_factors.device))
        found.append(measure_ranking(method, test, test.rank_factors(users, model.scoring_factors, without), without))
        log_progress(f"{method}: test NDCG {found[-1].ndcg:.5f}")
    return found
