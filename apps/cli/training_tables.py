"""Tables about a training: gates, tuning trials and trade-offs of settings."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from apps.cli.console import print_line, print_table, to_records
from models_ml.evaluation.gates import GateResult
from models_ml.evaluation.trade_offs import TradeOffs
from models_ml.tuning import PARAM_NAMES
from orchestration.tuning_run import TuningSummary
from warehouse.formatting import format_count

TRADE_OFF_SETTINGS = ("popularity_damping", "rerank_method", "rerank_weight")
"""Columns of a trade-off that are not metrics."""


def print_gates(gates: Sequence[GateResult]) -> None:
    """Print the result of each gate and whether the new model may serve."""
    print_table("Gates", [{"gate": gate.gate, "passed": gate.is_passed, "finding": gate.finding} for gate in gates])
    if failed_gates := [gate for gate in gates if not gate.is_passed]:
        has_serving_model = any(gate.gate == "versus_serving_model" for gate in gates)
        consequence = "The previous model serves" if has_serving_model else "Customers get popular products"
        print_line(
            f"The model is rejected: {len(failed_gates)} of {len(gates)} gates failed. {consequence}. "
            "`recomart promote` accepts a rejected model."
        )


def print_tuning(summary: TuningSummary, warehouse: Path | None) -> None:
    """Print the best trials of a search and how to use their settings; `warehouse` is the given --warehouse option."""
    metric = f"NDCG@{summary.config.selection_k}"
    # Each trial selects the epochs, the trend power and the graph itself: they are results, in trials.csv.
    best_trials = summary.trials.drop(columns=["failure", *PARAM_NAMES]).rename(columns={"ndcg": metric})
    print_table(f"Best trials, validation {metric}", to_records(best_trials.head(10)))
    progress = summary.progress
    print_table(
        f"Progress of this search, best validation {metric} of full trials",
        [
            {
                "trials_per_minute": progress.trials_per_minute,
                **{f"{seconds} s": ndcg for seconds, ndcg in progress.ndcg_by_seconds.items()},
                f"end, {progress.seconds:.0f} s": progress.ndcg,
            }
        ],
    )
    print_line(f"validation {metric} {summary.ndcg:.4f}; with the initial settings: {_describe_initial(summary)}")
    if summary.other_settings_count and not summary.continued_count:
        trial_count = format_count(summary.other_settings_count, "earlier trial")
        print_line(
            f"a new search began: {trial_count} of this dataset had other settings outside the search and do not count"
        )
    else:
        print_line(f"continued from earlier searches: {format_count(summary.continued_count, 'trial')}")
    print_line(f"table, chart and settings: {summary.folder}")
    if summary.is_adopted:
        print_line("adopted: every training of this warehouse now uses the best settings")
    else:
        warehouse_option = [] if warehouse is None else ["--warehouse", str(warehouse)]
        command = shlex.join(["recomart", "train", "--config", str(summary.folder / "config.json"), *warehouse_option])
        print_line(f"to train with these settings: {command}, or tune again with --adopt")


def _describe_initial(summary: TuningSummary) -> str:
    if summary.initial_ndcg is not None:
        return f"{summary.initial_ndcg:.4f}"
    return f"failed ({summary.initial_failure})" if summary.initial_failure else "not measured"


def print_trade_offs(trade_offs: TradeOffs, k: int) -> None:
    """Print the metrics of the top `k` lists for each damping, and for each method and weight of re-ranking."""
    for title, rows, settings in (
        ("Popularity damping", trade_offs.dampings, ["popularity_damping"]),
        ("Re-ranking", trade_offs.rerankings, ["rerank_method", "rerank_weight"]),
    ):
        metrics = [name for name in asdict(rows[0]) if name not in TRADE_OFF_SETTINGS]
        print_table(
            f"{title}, top {k}, validation window",
            [{**asdict(row), "ndcg_change": f"{100 * row.ndcg_change:+.2f} %"} for row in rows],
            [*settings, *metrics],
        )
    print_line(
        "to use other values: popularity_damping, rerank_method and rerank_weight in train_config.json of the "
        "warehouse folder, then `recomart run`"
    )
