"""Tables about a training: gates, tuning trials and trade-offs of settings."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from apps.cli.console import print_line, print_table, to_records
from models_ml.evaluation.gates import GateResult
from models_ml.evaluation.trade_offs import TradeOffs
from orchestration.tuning_run import TuningSummary

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
    best_trials = summary.trials.drop(columns=["failure"]).head(10)
    print_table("Best trials", to_records(best_trials))
    print_table("Progress of this search, best validation NDCG of full trials", [summary.progress])
    initial_ndcg = "failed" if summary.default_ndcg is None else f"{summary.default_ndcg:.4f}"
    print_line(f"validation NDCG {summary.ndcg:.4f}; with the initial settings: {initial_ndcg}")
    print_line(f"table, chart and settings: {summary.folder}")
    if summary.is_adopted:
        print_line("adopted: every training of this warehouse now uses the best settings")
    else:
        warehouse_option = [] if warehouse is None else ["--warehouse", str(warehouse)]
        command = shlex.join(["recomart", "train", "--config", str(summary.folder / "config.json"), *warehouse_option])
        print_line(f"to train with these settings: {command}, or tune again with --adopt")


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
