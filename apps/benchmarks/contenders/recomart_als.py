"""RecoMart's model, its ablations and the baselines."""

import time
from dataclasses import asdict

import torch
from pydantic import TypeAdapter

from apps.benchmarks.fresh_process import log_progress
from apps.benchmarks.ranking_results import (
    MODEL_ABLATION_PREFIX,
    CurvePoint,
    RankingResult,
    SplitSource,
    evaluate_ranking,
)
from models_ml.als.trainer import AlsTrainer
from models_ml.config import TrainConfig
from models_ml.errors import ModelError
from models_ml.evaluation.baselines import build_baselines
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.report import MODEL_METHOD
from models_ml.evaluation.selection import select_params
from models_ml.evaluation.split import Split
from models_ml.evaluation.window import EvaluationWindow
from models_ml.evaluation.window_model import fit_window_model
from models_ml.neighbors.item_graph import ItemGraph
from models_ml.ranking_model import SelectedParams
from models_ml.tuning import SearchSpace, tune
from orchestration.process_memory import get_peak_memory_mib


def evaluate_als(split_source: SplitSource, config: TrainConfig, tune_seconds: float) -> RankingResult:
    """Tune on the validation folds, train on everything before the test window, and evaluate on the test window."""
    split = split_source.read(config)
    start_seconds, search = time.perf_counter(), None
    if tune_seconds > 0:
        tuned = tune(
            split.validation,
            config,
            seconds=tune_seconds,
            on_trial=lambda trial: log_progress(
                f"{MODEL_METHOD}: trial {trial.number} ({trial.stage}) after {trial.elapsed_seconds:.0f} s, "
                f"best validation NDCG {trial.best_ndcg or 0:.5f}"
            ),
        )
        config, selected_params = tuned.config, tuned.selected_params
        search = tuned.summarize_progress()
    else:
        selected_params, _ = select_params(split.validation, config, lambda _: None)
    tune_seconds_used = time.perf_counter() - start_seconds
    test = split.test
    trainer, graph, curve = _train_with_curve(test, config, selected_params)
    customer_features = test.build_customer_features(config).select(test.known_customer_ids)
    start_seconds = time.perf_counter()
    factors = trainer.finalize(selected_params.trend_power)
    users = factors.fold_in(test.histories.to(trainer.device), customer_features.to(trainer.device))
    fit_seconds = curve[-1].seconds + time.perf_counter() - start_seconds
    start_seconds = time.perf_counter()
    reranker = test.build_reranker(config, trainer.device)
    ranking = test.rank_for_known_customers(users, factors.scoring_factors, config, graph, reranker)
    scoring_seconds = time.perf_counter() - start_seconds
    return evaluate_ranking(MODEL_METHOD, test, ranking, config).model_copy(
        update={
            "tune_seconds": tune_seconds_used,
            "search": search,
            "fit_seconds": fit_seconds,
            "scoring_seconds": scoring_seconds,
            "peak_memory_mib": get_peak_memory_mib(),
            "config": {"train": config.model_dump(), "selected_params": asdict(selected_params)},
            "curves": {config.factors: curve},
        }
    )


def evaluate_shorter_vectors(split_source: SplitSource, result: RankingResult) -> dict[int, list[CurvePoint]]:
    """Return the quality after each epoch for shorter factor vectors, with the other settings unchanged."""
    config = TrainConfig.model_validate(result.config["train"])
    test = split_source.read(config).test
    selected_params = TypeAdapter(SelectedParams).validate_python(result.config["selected_params"])
    return {
        factors: _train_with_curve(test, config.model_copy(update={"factors": factors}), selected_params)[2]
        for factors in SearchSpace().factors
        if factors < config.factors
    }


def _train_with_curve(
    window: EvaluationWindow, config: TrainConfig, selected_params: SelectedParams
) -> tuple[AlsTrainer, ItemGraph, list[CurvePoint]]:
    # As for the other contender, the time excludes the preparation of the trainer's input.
    item_features = window.build_item_features(config)
    customer_features = window.build_customer_features(config).select(window.interactions.users.ids)
    start_seconds = time.perf_counter()
    scaled_config = config.scale_regularization(selected_params.regularization_scale)
    trainer = AlsTrainer(
        window.interactions.strength, scaled_config, item_features, customer_features=customer_features
    )
    multipliers = trainer.compute_multipliers(selected_params.trend_power)
    graph = ItemGraph.fit(
        trainer.strength, config, selected_params.graph_weight, selected_params.graph_popularity_power, multipliers
    )
    seconds, curve = time.perf_counter() - start_seconds, list[CurvePoint]()
    sample = window.sample_customers(config.max_selection_users)
    evaluated = sample.known_positions.to(trainer.device)
    for _ in range(selected_params.epochs):
        report = trainer.train_epoch()
        seconds += report.seconds
        products = trainer.complete_product_factors() * multipliers[:, None]
        ranking = sample.rank_for_known_customers(trainer.user_factors[evaluated], products, config, graph)
        curve.append(CurvePoint(seconds=seconds, ndcg=sample.evaluate(ranking, config.k_values)[0].ndcg))
        log_progress(
            f"{MODEL_METHOD}, {config.factors} factors: epoch {report.epoch}, loss {report.loss:.4f}, "
            f"NDCG {curve[-1].ndcg:.5f}"
        )
    return trainer, graph, curve


def evaluate_baselines(split_source: SplitSource, config: TrainConfig) -> list[RankingResult]:
    """Evaluate the baselines, tuned on the first validation fold; recent popularity only with timestamps."""
    split = split_source.read(config)
    test, results = split.test, []
    for name, rank in build_baselines(split.validation[0], config).items():
        if name == "recent_popularity" and not test.get_feature("recent_popularity").any():
            continue
        try:
            results.append(evaluate_ranking(name, test, rank(test, config), config))
        except ModelError as error:
            log_progress(f"{name}: {error}")
    return results


def evaluate_ablations(split_source: SplitSource, result: RankingResult) -> list[RankingResult]:
    """Evaluate RecoMart's model with the settings of `result`, without each of its parts.

    The epochs, the trend power and the graph are selected again. Content and trends are left out only where the split
    has them.
    """
    config = TrainConfig.model_validate(result.config["train"])
    split = split_source.read(config)
    selected_params = TypeAdapter(SelectedParams).validate_python(result.config["selected_params"])
    test = split.test
    no_content: dict[str, object] = {"content_prior_customers": 0.0}
    no_trends: dict[str, object] = {"trend_powers": (0.0,)}
    changes: dict[str, dict[str, object]] = {f"{MODEL_ABLATION_PREFIX}neighbors": {"graph_weights": ()}}
    has_content = test.build_item_features(config).content.entry_count > 0
    has_trends = bool((test.build_item_features(config).trends != 1).any())
    if has_content:
        changes[f"{MODEL_ABLATION_PREFIX}content"] = no_content
    if has_trends:
        changes[f"{MODEL_ABLATION_PREFIX}trends"] = no_trends
    if has_content and has_trends:
        changes[f"{MODEL_ABLATION_PREFIX}both"] = no_content | no_trends
    results = []
    for method, change in changes.items():
        ablated_config = config.model_copy(update=change)
        ablated_params, _ = select_params(split.validation, ablated_config, lambda _: None)
        model, customer_features = fit_window_model(test, ablated_config, ablated_params)
        ranking = test.rank_by_model(model, customer_features, ablated_config)
        results.append(evaluate_ranking(method, test, ranking, ablated_config))
        log_progress(f"{method}: test NDCG {results[-1].ndcg:.5f}")
    if config.graph_weights:
        results.append(_evaluate_graph(split, config, selected_params.trend_power))
    return results


def _evaluate_graph(split: Split, config: TrainConfig, trend_power: float) -> RankingResult:
    """Evaluate the item graph alone, with the popularity power that is best on the first validation window.

    As for the other methods, only the test ranking has the popularity damping.
    """

    def rank(window: EvaluationWindow, popularity_power: float, damping: float = 0.0) -> Ranking:
        strength, item_features = window.interactions.strength, window.build_item_features(config)
        multipliers = item_features.trends**trend_power * item_features.compute_damping(damping)
        graph = ItemGraph.fit(strength, config, 1.0, popularity_power, multipliers)
        users, products = torch.zeros((len(window.known_positions), 1)), torch.zeros((strength.column_count, 1))
        return window.rank_for_known_customers(users, products, config, graph)

    def compute_ndcg(popularity_power: float) -> float:
        validation = split.validation[0]
        return validation.evaluate(rank(validation, popularity_power), (config.selection_k,))[0].ndcg

    best_power = max(config.graph_popularity_powers, key=compute_ndcg)
    ranking = rank(split.test, best_power, config.popularity_damping)
    return evaluate_ranking(f"{MODEL_ABLATION_PREFIX}factors", split.test, ranking, config).model_copy(
        update={"config": {"graph_popularity_power": best_power, "trend_power": trend_power}}
    )
