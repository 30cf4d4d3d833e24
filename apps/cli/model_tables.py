"""Tables about models: metrics, gates, the model registry and tuning."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from apps.cli.console import print_line, print_table, to_records
from models_ml.evaluation.metric_names import ACCURACY_METRICS, LIST_METRICS
from orchestration.model_registry import ModelRun, find_serving_run, is_waiting_to_serve
from orchestration.off_policy import OffPolicyCheck
from warehouse.formatting import format_count


def print_metrics(metrics: pd.DataFrame, missing_metrics_reason: str | None = None) -> None:
    """Print the ranking metrics of the model and the baselines over all known customers, or why there are none."""
    columns = ["cutoff", "k", "method", "users"]
    if metrics.empty:
        print_line(f"{missing_metrics_reason or 'No ranking metrics: no customer could be evaluated.'}\n")
    else:
        print_table("Ranking metrics at K", to_records(metrics), [*columns, *ACCURACY_METRICS])
        print_table("Products of the lists at K", to_records(metrics), [*columns, *LIST_METRICS])


def print_repeats(shop_repeats: Mapping[str, Any] | None) -> None:
    """Print the share of repeat purchases and whether they are recommended, from a row of feat_shop_repeats."""
    if shop_repeats is None or not shop_repeats["purchase_count"]:
        return
    recommendation = "recommended again when due" if shop_repeats["is_repeat_shop"] else "not recommended again"
    print_line(
        f"{100 * shop_repeats['repeat_share']:.0f} % of purchases are repeats: purchased products are {recommendation} "
        f"(repeat_purchases: {shop_repeats['repeat_purchases']})"
    )


def print_models(runs: Sequence[ModelRun]) -> None:
    """Print the model registry, the newest model first."""
    serving_run = find_serving_run(runs)
    print_table(
        "Models",
        [
            {
                "run_id": run.run_id,
                "as_of": run.as_of,
                "dataset": run.dataset_hash[:12],
                "start": "warm" if run.warm_from else "cold",
                "ndcg_at_10": run.ndcg_at_10,
                "popularity_ndcg_at_10": run.popularity_ndcg_at_10,
                "state": _describe_state(run, serving_run),
            }
            for run in runs
        ],
    )


def _describe_state(run: ModelRun, serving_run: ModelRun | None) -> str:
    if run.is_serving:
        return f"serves since {run.promoted_at:%Y-%m-%d %H:%M} UTC"
    if run.promoted_at:
        return f"served from {run.promoted_at:%Y-%m-%d %H:%M} UTC"
    if run.rejection_reason:
        return f"rejected: {run.rejection_reason}"
    return (
        "passed, serves after the next scoring"
        if is_waiting_to_serve(run, serving_run)
        else "passed, a newer model serves"
    )


def print_comparison(model: str, metrics: pd.DataFrame, differences: pd.DataFrame, *, by_segment: bool) -> None:
    """Print metrics and their differences to the baselines at one list length, for all customers or by segment.

    `model` names the model, such as `the published model 20260101T000000Z`. `metrics` and `differences` are rows of
    `ServingCopy.get_metrics` and `ServingCopy.get_metric_differences`.
    """
    (k,) = set(metrics["k"])
    segment_columns = ["segment_value"] if by_segment else []
    columns = ["cutoff", *segment_columns, "method", "users"]
    print_table(f"Ranking metrics of {model}, top {k}", to_records(metrics), [*columns, *ACCURACY_METRICS])
    # A copy that an earlier version published lacks newer metrics.
    if list_metrics := [metric for metric in LIST_METRICS if metric in metrics and metrics[metric].notna().any()]:
        has_lists = metrics[list_metrics].notna().any(axis=1)
        print_table(f"Products of the lists, top {k}", to_records(metrics[has_lists]), [*columns, *list_metrics])
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


def print_off_policy(check: OffPolicyCheck) -> None:
    """Print the estimates of an off-policy check as a table and as sentences."""
    print_table(
        f"Model {check.run_id} on impressions since {check.seen_from:%Y-%m-%d %H:%M} UTC: actions per shown product "
        "(95 % intervals)",
        [
            {
                "actions": row["metric"],
                "basis": row["basis"],
                "shown_products": row["places"],
                "logged_lists": _format_interval(row, "logged_rate"),
                "model_snips": _format_interval(row, "snips_rate"),
                "difference": _format_interval(row, "difference"),
                "model_ips": _format_interval(row, "ips_rate"),
                "coverage": row["coverage"],
                "effective_number": row["effective_places"],
                "explored_customers": row["explored_customers"],
            }
            for row in check.estimates
        ],
    )
    for row in check.estimates:
        print_line(describe_off_policy(row))


def describe_off_policy(row: Mapping[str, Any]) -> str:
    """Return a sentence about a row of the analysis off_policy."""
    metric = row["metric"].capitalize()
    if not row["has_estimate"]:
        customers = format_count(row["explored_customers"], "customer")
        return (
            f"{metric}: no estimate, because it would rest on {customers} with one in an explored place "
            "with the product of the model, and 10 are needed. More days, more customers or a "
            "larger explore_share (at most 0.2) give more"
        )
    if row["min_difference"] > 0:
        result = "the lists of the model would get more than the logged lists"
    elif row["max_difference"] < 0:
        result = "the lists of the model would get fewer than the logged lists"
    else:
        result = "no difference seen"
    return (
        f"{metric} on {row['basis']} impressions: {result}. The log could have shown {100 * row['coverage']:.0f} % of "
        "the products of the model"
    )


def _format_interval(row: Mapping[str, Any], name: str) -> str | None:
    """Return a value of the analysis off_policy with its interval; None without an estimate."""
    if row[name] is None:
        return None
    sign = "+" if name == "difference" else ""
    return f"{row[name]:{sign}.4f} ({row[f'min_{name}']:{sign}.4f} to {row[f'max_{name}']:{sign}.4f})"
