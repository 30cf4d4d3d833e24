"""TODO."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from apps.cli.console import print_line, print_table, to_records
from models_ml.evaluation.gates import GateResult
from orchestration.model_registry import ModelRun, find_serving_run, is_waiting_to_serve
from orchestration.tuning_run import TuningSummary

ACCURACY_METRICS = ("precision", "recall", "ndcg", "map", "hit_rate")


EXPOSURE_METRICS = ("coverage", "novelty", "long_tail_share")
"""What ranking is measured by, in the order of tables."""


def print_metrics(metrics: pd.DataFrame, missing_metrics_reason: str | None = None) -> None:
    """Print ranking metrics over all known customers, the model beside its baselines; or why there are none."""
    columns = ["cutoff", "k", "method", "users", *ACCURACY_METRICS, *EXPOSURE_METRICS]
    if metrics.empty:
        print_line(f"{missing_metrics_reason or 'There was nothing to evaluate on.'}\n")
    else:
        print_table("How well the top K would have met what customers did next", to_records(metrics), columns)


def print_gates(gates: Sequence[GateResult]) -> None:
    """Print how a new model stood before every gate, and whether it may serve."""
    print_table(
        "May it serve?", [{"gate": gate.gate, "passed": gate.is_passed, "finding": gate.finding} for gate in gates]
    )
    if held_back := [gate for gate in gates if not gate.is_passed]:
        print_line(f"It was held back by {len(held_back)} of {len(gates)} gates; the model before it goes on serving.")


def print_models(runs: Sequence[ModelRun]) -> None:
    """Print the register of models, the newest first."""
    serving = find_serving_run(runs)
    print_table(
        "Models",
        [
            {
                "run_id": run.run_id,
                "as_of": f"{run.as_of:%Y-%m-%d %H:%M}",
                "data": run.dataset_hash[:12],
                "start": "warm" if run.warm_from else "cold",
                "ndcg_at_10": run.ndcg_at_10,
                "popularity": run.popularity_ndcg_at_10,
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
        return f"held back: {run.rejection_reason}"
    return "passed, serves from the next scoring" if is_waiting_to_serve(run, serving) else "passed, a newer one serves"


def print_comparison(metrics: pd.DataFrame, differences: pd.DataFrame, *, by_segment: bool) -> None:
    """Print what `ServingCopy.get_metrics` and `metric_differences` say at one list length, for each value of a segment."""
    (k,) = set(metrics["k"])
    parts = ["segment_value"] if by_segment else []
    measured = [metric for metric in (*ACCURACY_METRICS, *EXPOSURE_METRICS) if metrics[metric].notna().any()]
    print_table(
        f"How well the top {k} met what customers did next", to_records(metrics), [*parts, "method", "users", *measured]
    )
    stated = differences.assign(
        value=[
            f"{difference:+.4f} ({lower:+.4f} to {upper:+.4f})"
            for difference, lower, upper in differences[["difference", "lower_bound", "upper_bound"]].to_numpy()
        ]
    ).pivot(index=[*parts, "method"], columns="metric", values="value")
    shown = [metric for metric in ACCURACY_METRICS if metric in stated]
    print_table(
        f"How much more the model's top {k} has than each baseline's (95 % intervals)",
        to_records(stated[shown].reset_index()),
    )


def print_tuning(summary: TuningSummary, warehouse: Path | None) -> None:
    """Print the best trials of a search, and what to do with them in the warehouse that was named, if one was."""
    shown = summary.trials.drop(columns=["failure"]).head(10)
    print_table("Best trials", to_records(shown))
    begun = "failed" if summary.default_ndcg is None else f"{summary.default_ndcg:.4f}"
    print_line(f"validation NDCG {summary.ndcg:.4f}; the settings that the search began with: {begun}")
    print_line(f"table, picture and settings: {summary.folder}")
    if summary.is_adopted:
        print_line("every training of this warehouse goes by the best settings from now on")
    else:
        where = [] if warehouse is None else ["--warehouse", str(warehouse)]
        command = shlex.join(["recomart", "train", "--config", str(summary.folder / "config.json"), *where])
        print_line(f"to train with them: {command}, or tune again with --adopt")
