"""Commands for models: list and evaluate them."""

from contextlib import suppress
from enum import StrEnum
from typing import Annotated

import typer

from apps.cli import console, model_tables
from apps.cli.options import Json, Warehouse, load_settings
from orchestration.model_registry import find_serving_run, list_model_runs
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
    """The name of a grouping of customers or products."""

    ACTIVITY = "activity"
    CUSTOMER = "customer"
    PRODUCT = "product"
    CATEGORY = "category"


@app.command()
def evaluate(
    k: Annotated[int, typer.Option("--k", "-k", help="Length of the lists: 5, 10 or 20.")] = 10,
    by: Annotated[
        SegmentName | None,
        typer.Option(
            help="Group by customer activity, known or new customers, known or new products, or product category."
        ),
    ] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show the ranking metrics of the published model and the baselines.

    Differences to the baselines have 95 % intervals. docs/evaluation.md defines the metrics.
    With --json, the output has all list lengths and segments and ignores --k and --by.
    """
    settings = load_settings(warehouse=warehouse)
    with ServingCopy(settings) as copy:
        published_run_id = copy.published.run_id
        if as_json:
            console.print_json(
                {
                    "run_id": published_run_id,
                    "metrics": copy.get_metrics(),
                    "differences": copy.get_metric_differences(),
                    "segments": {
                        segment: {
                            "metrics": copy.get_metrics(segment),
                            "differences": copy.get_metric_differences(segment),
                        }
                        for segment in SegmentName
                    },
                }
            )
            return
        segment = "all" if by is None else by.value
        metrics, differences = copy.get_metrics(segment), copy.get_metric_differences(segment)
        missing_metrics_reason = copy.explain_missing_metrics()
    if metrics.empty:
        console.print_line(missing_metrics_reason)
        _print_serving_note(settings, published_run_id)
        return
    if k not in set(metrics["k"]):
        lengths = ", ".join(str(length) for length in sorted(set(metrics["k"])))
        raise RecomartError(f"no metrics for --k {k}. Choose from {lengths}")
    model_tables.print_comparison(
        published_run_id, metrics[metrics["k"] == k], differences[differences["k"] == k], by_segment=by is not None
    )
    _print_serving_note(settings, published_run_id)


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
