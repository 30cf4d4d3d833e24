"""Tables about models: metrics, gates, the model registry and tuning."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from apps.cli.console import print_line, print_table, to_records
from models_ml.evaluation.gates import GateResult
from orchestration.model_registry import ModelRun, find_serving_run, is_waiting_to_serve
from orchestration.tuning_run import TuningSummary

ACCURACY_METRICS = ("precision", "recall", "ndcg", "map", "hit_rate")
"""Accuracy metrics, in the order of the tables."""

EXPOSURE_METRICS = ("coverage", "novelty", "long_tail_share")
"""Metrics of the recommended products, in the order of the tables."""


def print_metrics(metrics: pd.DataFrame, missing_metrics_reason: str | None = None) -> None:
    """Print the ranking metrics of the model and the baselines over all known customers, or why there are none."""
    columns = ["cutoff", "k", "method", "users", *ACCURACY_METRICS, *EXPOSURE_METRICS]
    if metrics.empty:
        print_line(f"{missing_metrics_reason or 'No ranking metrics: no customer could be evaluated.'}\n")
    else:
        print_table("Ranking metrics at K", to_records(metrics), columns)


def print_gates(gates: Sequence[GateResult]) -> None:
    """Print the result of each gate and whether the new model may serve."""
    print_table("Gates", [{"gate": gate.gate, "passed": gate.is_passed, "finding": gate.finding} for gate in gates])
    if failed_gates := [gate for gate in gates if not gate.is_passed]:
        print_line(
            f"The model is rejected: {len(failed_gates)} of {len(gates)} gates failed. The previous model serves."
        )


def print_models(runs: Sequence[ModelRun]) -> None:
    """Print the model registry, the newest model first."""
    serving = find_serving_run(runs)
    print_table(
        "Models",
        [
            {
                "run_id": run.run_id,
                "as_of": f"{run.as_of:%Y-%m-%d %H:%M}",
                "dataset": run.dataset_hash[:12],
                "start": "warm" if run.warm_from else "cold",
                "ndcg_at_10": run.ndcg_at_10,
                "popularity_ndcg_at_10": run.popularity_ndcg_at_10,
                "state": _describe_state(run, serving),
            }
            for run in runs
        ],
    )


def _describe_state(run: ModelRun, serving: ModelRun | None) -> str:
    if run.is_serving:
        return f"serves since {run.promoted_at:%Y-%m-%d %H:%M}"
    if run.promoted_at:
        return f"served from {run.promoted_at:%Y-%m-%d %H:%M}"
    if run.rejection_reason:
        return f"rejected: {run.rejection_reason}"
    return (
        "passed, serves after the next scoring" if is_waiting_to_serve(run, serving) else "passed, a newer model serves"
    )


def print_comparison(metrics: pd.DataFrame, differences: pd.DataFrame, *, by_segment: bool) -> None:
    """Print metrics and their differences to the baselines at one list length, for all customers or by segment.

    `metrics` and `differences` are rows of `ServingCopy.get_metrics` and `ServingCopy.get_metric_differences`.
    """
    (k,) = set(metrics["k"])
    segment_columns = ["segment_value"] if by_segment else []
    metric_columns = [metric for metric in (*ACCURACY_METRICS, *EXPOSURE_METRICS) if metrics[metric].notna().any()]
    print_table(
        f"Ranking metrics of the top {k}", to_records(metrics), [*segment_columns, "method", "users", *metric_columns]
    )
    intervals = differences.assign(
        value=[
            f"{difference:+.4f} ({lower:+.4f} to {upper:+.4f})"
            for difference, lower, upper in differences[["difference", "lower_bound", "upper_bound"]].to_numpy()
        ]
    ).pivot(index=[*segment_columns, "method"], columns="metric", values="value")
    accuracy_columns = [metric for metric in ACCURACY_METRICS if metric in intervals]
    print_table(
        f"Difference of the model to each baseline, top {k} (95 % intervals)",
        to_records(intervals[accuracy_columns].reset_index()),
    )


def print_tuning(summary: TuningSummary, warehouse: Path | None) -> None:
    """Print the best trials of a search and how to use their settings; `warehouse` is the given --warehouse option."""
    best_trials = summary.trials.drop(columns=["failure"]).head(10)
    print_table("Best trials", to_records(best_trials))
    initial_ndcg = "failed" if summary.default_ndcg is None else f"{summary.default_ndcg:.4f}"
    print_line(f"validation NDCG {summary.ndcg:.4f}; with the initial settings: {initial_ndcg}")
    print_line(f"table, chart and settings: {summary.folder}")
    if summary.is_adopted:
        print_line("adopted: every training of this warehouse now uses the best settings")
    else:
        warehouse_option = [] if warehouse is None else ["--warehouse", str(warehouse)]
        command = shlex.join(["recomart", "train", "--config", str(summary.folder / "config.json"), *warehouse_option])
        print_line(f"to train with these settings: {command}, or tune again with --adopt")
