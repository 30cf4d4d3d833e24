"""Tables about a training: gates, tuning trials and trade-offs of settings."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from apps.cli.console import print_line, print_table, to_records
from models_ml.evaluation.gates import GateResult
from models_ml.evaluation.trade_offs import DAMPINGS, TradeOff
from orchestration.tuning_run import TuningSummary
from warehouse.formatting import format_count


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
    if summary.other_settings_count and not summary.continued_count:
        print_line(
            f"a new search: the {format_count(summary.other_settings_count, 'earlier trial')} of this dataset had other "
            "settings outside the search, so their NDCGs are not comparable"
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


def print_trade_offs(trade_offs: Sequence[TradeOff], k: int) -> None:
    """Print the metrics of the top `k` lists for each damping, and for each method and weight of re-ranking."""
    rows = [
        {
            **asdict(trade_off),
            "ndcg_change": f"{100 * trade_off.ndcg_change:+.2f} %",
        }
        for trade_off in trade_offs
    ]
    metrics = [name for name in rows[0] if name not in ("popularity_damping", "rerank_method", "rerank_weight")]
    damping_count = len(DAMPINGS)
    print_table(
        f"Popularity damping, top {k}, validation window", rows[:damping_count], ["popularity_damping", *metrics]
    )
    print_table(
        f"Re-ranking, top {k}, validation window", rows[damping_count:], ["rerank_method", "rerank_weight", *metrics]
    )
    print_line(
        "to use other values: popularity_damping, rerank_method and rerank_weight in train_config.json of the "
        "warehouse folder, then `recomart run`"
    )
