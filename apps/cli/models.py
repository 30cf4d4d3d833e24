"""Commands for models: list and evaluate them, also on logged lists."""

from contextlib import suppress
from enum import StrEnum
from typing import Annotated

import pandas as pd
import typer

from apps.cli import console, model_tables
from apps.cli.options import Json, Warehouse, load_settings
from orchestration.model_registry import find_serving_run, list_model_runs
from orchestration.off_policy import check_off_policy
from warehouse.errors import RecomartError
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

app = typer.Typer()


@app.command("models")
def list_models(
    n: Annotated[int, typer.Option("-n", min=1, help="Number of the newest models to list.")] = 20,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """List the trained models: serving, earlier and rejected ones, with the reasons."""
    settings = load_settings(warehouse=warehouse)
    runs = list_model_runs(settings)[:n]
    if as_json:
        console.print_json({"models": [run.model_dump(mode="json") for run in runs]})
    elif not runs:
        console.print_line(f"no model in {settings.warehouse} yet. Run `recomart train` to create one")
    else:
        model_tables.print_models(runs)


class SegmentName(StrEnum):
    """The name of a grouping of customers, products or purchases."""

    ACTIVITY = "activity"
    CUSTOMER = "customer"
    PRODUCT = "product"
    CATEGORY = "category"
    PURCHASE = "purchase"


@app.command()
def evaluate(
    k: Annotated[int, typer.Option("--k", "-k", help="Length of the lists: 5, 10 or 20.")] = 10,
    by: Annotated[
        SegmentName | None,
        typer.Option(
            help="Group by customer activity, known or new customers, known or new products, product category, or new "
            "and repeat purchases."
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(help="Start of the run id of another model; by default the published one, or the newest."),
    ] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show the ranking metrics of the published model and the baselines.

    Without a published model, the newest one is shown, also if it was rejected.
    Differences to the baselines have 95 % intervals. docs/evaluation.md defines the metrics.
    With --json, the output has all list lengths and segments and ignores --k and --by.
    """
    settings = load_settings(warehouse=warehouse)
    with ServingCopy(settings) as copy:
        runs = copy.get_model_runs()
        run_id = _select_run(runs, copy.published.run_id, run)
        if as_json:
            console.print_json(
                {
                    "run_id": run_id,
                    "is_published": run_id is not None and run_id == copy.published.run_id,
                    "rejection_reason": _get_rejection_reason(runs, run_id),
                    "repeat_purchases": copy.get_shop_repeats(),
                    "has_repeats": not copy.get_metrics(SegmentName.PURCHASE, run_id).empty,
                    "metrics": copy.get_metrics(run_id=run_id),
                    "differences": copy.get_metric_differences(run_id=run_id),
                    "segments": {
                        segment: {
                            "metrics": copy.get_metrics(segment, run_id),
                            "differences": copy.get_metric_differences(segment, run_id),
                        }
                        for segment in SegmentName
                    },
                }
            )
            return
        # A shop with repeat purchases shows new and repeat purchases below all of them.
        segments = ("all", SegmentName.PURCHASE) if by is None else (by,)
        metrics = pd.concat([copy.get_metrics(segment, run_id) for segment in segments])
        differences = pd.concat([copy.get_metric_differences(segment, run_id) for segment in segments])
        missing_metrics_reason = copy.explain_missing_metrics()
        shop_repeats = copy.get_shop_repeats()
        has_repeats = not copy.get_metrics(SegmentName.PURCHASE, run_id).empty
        published_run_id = copy.published.run_id
    model_tables.print_repeats(shop_repeats)
    if not metrics.empty and shop_repeats is not None and bool(shop_repeats["is_repeat_shop"]) != has_repeats:
        console.print_line(
            f"Model {run_id} was measured under another rule: purchased products were {'' if has_repeats else 'not '}"
            "recommended again. `recomart train` measures a model under the present one."
        )
    if metrics.empty and by == SegmentName.PURCHASE:
        console.print_line("There are no metrics by purchase: purchased products are not recommended again.")
    elif metrics.empty:
        console.print_line(
            missing_metrics_reason
            if run_id in (None, published_run_id)
            else f"Model {run_id} could not be evaluated: its test window has no relevant products of customers."
        )
    else:
        if k not in set(metrics["k"]):
            lengths = ", ".join(str(length) for length in sorted(set(metrics["k"])))
            raise RecomartError(f"no metrics for --k {k}. Choose from {lengths}")
        model_tables.print_comparison(
            f"the published model {run_id}" if run_id == published_run_id else f"model {run_id}",
            metrics[metrics["k"] == k],
            differences[differences["k"] == k],
            by_segment=metrics["segment_value"].nunique() > 1 or by is not None,
        )
    _print_run_notes(runs, run_id, published_run_id)
    _print_serving_note(settings, published_run_id)


@app.command("off-policy")
def show_off_policy(
    run_id: Annotated[str, typer.Argument(help="Start of the model's run id; see `recomart models`.")],
    days: Annotated[int, typer.Option(min=1, help="Number of the newest days whose impressions count.")] = 28,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Estimate from the log what customers would have done with the lists of a model that does not serve.

    Needs logged lists with explored places (variable explore_share). Impressions after the end of the model's training
    data count. docs/off_policy.md describes the estimates and their limits.
    """
    settings = load_settings(warehouse=warehouse)
    with console.StepProgress() as progress:
        progress.on_step("off-policy")
        check = check_off_policy(settings, run_id, days, progress.on_stage)
    if as_json:
        console.print_json(check)
    elif check.missing_reason is not None:
        console.print_line(f"No estimate for model {check.run_id}: {check.missing_reason}")
    else:
        model_tables.print_off_policy(check)


def _select_run(runs: pd.DataFrame, published_run_id: str | None, run_prefix: str | None) -> str | None:
    """Return the run whose id begins with `run_prefix`; by default the published run or, without one, the newest.

    The result is None without a run. `runs` are the rows of `ServingCopy.get_model_runs`, newest first.

    Raises:
        RecomartError: No run, or more than one, has such an id.
    """
    run_ids: list[str] = runs["run_id"].tolist()
    if run_prefix is None:
        return published_run_id or next(iter(run_ids), None)
    matches = [run_id for run_id in run_ids if run_id.startswith(run_prefix)]
    if len(matches) != 1:
        raise RecomartError(
            f"{len(matches)} runs of the published copy have an id that begins with {run_prefix!r}. `recomart models` "
            "lists the models"
        )
    return matches[0]


def _get_rejection_reason(runs: pd.DataFrame, run_id: str | None) -> str | None:
    """Return why the gates rejected a model; None for one that passed them."""
    reasons = runs.loc[runs["run_id"] == run_id, "rejection_reason"].dropna()
    return None if reasons.empty else str(reasons.iloc[0])


def _print_run_notes(runs: pd.DataFrame, run_id: str | None, published_run_id: str | None) -> None:
    """Print why the shown model is not the published one, and whether the newest one was rejected."""
    if runs.empty:
        return
    newest_run_id = str(runs["run_id"].iloc[0])
    if published_run_id is None:
        console.print_line("No model is published: all customers get popular products.")
    if (reason := _get_rejection_reason(runs, newest_run_id)) and newest_run_id != published_run_id:
        hint = "" if run_id == newest_run_id else f". `recomart evaluate --run {newest_run_id}` shows its metrics"
        console.print_line(f"The newest model {newest_run_id} was rejected: {reason}{hint}")


def _print_serving_note(settings: Settings, published_run_id: str | None) -> None:
    """Print a note when another model serves than the published one."""
    # The published metrics can be shown while another process uses the warehouse, or without it.
    with suppress(RecomartError):
        serving_run = find_serving_run(list_model_runs(settings.model_copy(update={"wait_seconds": 0})))
        if serving_run is not None and serving_run.run_id != published_run_id:
            console.print_line(
                f"The serving model is {serving_run.run_id}, which is not published yet. `recomart publish` publishes "
                "its lists and metrics"
            )
