"""Our model, its ablations, and the baselines that every model is measured against."""

import time
from dataclasses import asdict

from pydantic import TypeAdapter

from apps.benchmarks.ranking_figures import CurvePoint, RankingFigures, SplitFiles, measured, say
from models_ml.als.trainer import AlsTrainer, fit
from models_ml.config import TrainConfig
from models_ml.evaluation.baselines import BASELINES
from models_ml.evaluation.selection import Picked, pick
from models_ml.evaluation.window import EvaluationWindow
from models_ml.tuning import SearchSpace, tune
from orchestration.process_memory import peak_memory_mib


def figures(files: SplitFiles, config: TrainConfig, tune_seconds: float) -> RankingFigures:
    """Tune on the validation window, train on everything before the test window, and measure on it."""
    split = files.read(config)
    started = time.perf_counter()
    if tune_seconds > 0:
        tuned = tune(
            split.validation,
            config,
            seconds=tune_seconds,
            on_trial=lambda trial: say(f"als: trial {trial.number}, best validation NDCG {trial.best or 0:.5f}"),
        )
        config, picked = tuned.config, tuned.picked
    else:
        picked, _ = pick(split.validation, config, lambda _: None)
    spent_tuning = time.perf_counter() - started
    test = split.test
    trainer, curve = _trained(test, config, picked)
    started = time.perf_counter()
    model = trainer.finish(picked.trend_power)
    users = model.user_factors(test.seen.to(trainer.device))
    spent = curve[-1].seconds + time.perf_counter() - started
    started = time.perf_counter()
    ranking = test.rank_factors(users, model.offered_factors, config)
    recommending = time.perf_counter() - started
    return measured("als", test, ranking, config).model_copy(
        update={
            "tune_seconds": spent_tuning,
            "fit_seconds": spent,
            "recommend_seconds": recommending,
            "peak_memory_mib": peak_memory_mib(),
            "config": {"train": config.model_dump(), "picked": asdict(picked)},
            "curves": {config.factors: curve},
        }
    )


def shorter_curves(files: SplitFiles, ours: RankingFigures) -> dict[int, list[CurvePoint]]:
    """Return how far shorter vectors are after each sweep, everything else as it was picked; by their length."""
    config = TrainConfig.model_validate(ours.config["train"])
    test, picked = files.read(config).test, TypeAdapter(Picked).validate_python(ours.config["picked"])
    return {
        factors: _trained(test, config.model_copy(update={"factors": factors}), picked)[1]
        for factors in SearchSpace().factors
        if factors < config.factors
    }


def _trained(window: EvaluationWindow, config: TrainConfig, picked: Picked) -> tuple[AlsTrainer, list[CurvePoint]]:
    # As with the other contender, the clock starts when what the trainer takes is there.
    facts = window.facts(config)
    started = time.perf_counter()
    trainer = AlsTrainer(window.interactions.strength, config, facts)
    spent, curve = time.perf_counter() - started, list[CurvePoint]()
    trends = trainer.facts.trends[:, None] ** picked.trend_power
    evaluated = window.users.to(trainer.device)
    for _ in range(picked.sweeps):
        report = trainer.sweep()
        spent += report.seconds
        products = trainer.complete_product_factors() * trends
        ranking = window.rank_factors(trainer.user_factors[evaluated], products, config)
        curve.append(CurvePoint(seconds=spent, ndcg=window.measure(ranking, config.cutoffs)[0].ndcg))
        say(f"als, {config.factors} factors: sweep {report.sweep}, loss {report.loss:.4f}, NDCG {curve[-1].ndcg:.5f}")
    return trainer, curve


def baseline_figures(files: SplitFiles, config: TrainConfig) -> list[RankingFigures]:
    """Measure the baselines, those that go by time only where there are times."""
    test = files.read(config).test
    is_dated = bool(test.feature("recent_popularity").any())
    methods = {name: rank for name, rank in BASELINES.items() if is_dated or name != "recent_popularity"}
    return [measured(name, test, rank(test, config), config) for name, rank in methods.items()]


def ablation_figures(files: SplitFiles, config: TrainConfig) -> list[RankingFigures]:
    """Measure our model with tuned settings, but without content, without trends, and without both."""
    split = files.read(config)
    found = []
    for method, change in (
        ("als without content", {"content_customers": 0.0}),
        ("als without trends", {"trend_powers": (0.0,)}),
        ("als without both", {"content_customers": 0.0, "trend_powers": (0.0,)}),
    ):
        without = config.model_copy(update=change)
        picked, _ = pick(split.validation, without, lambda _: None)
        test = split.test
        model = fit(
            test.interactions.strength,
            without,
            picked.sweeps,
            facts=test.facts(without),
            trend_power=picked.trend_power,
        )
        users = model.user_factors(test.seen.to(model.product_factors.device))
        found.append(measured(method, test, test.rank_factors(users, model.offered_factors, without), without))
        say(f"{method}: test NDCG {found[-1].ndcg:.5f}")
    return found
