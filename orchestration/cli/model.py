"""Commands about what is learned: train, and measure."""

from enum import StrEnum
from typing import Annotated

import typer

from models_ml.config import TrainConfig
from orchestration import console, steps
from orchestration.cli.options import Json, Warehouse, app, settings_from
from orchestration.training import train as train_model
from warehouse.errors import RecomartError
from warehouse.serving import ServingCopy


@app.command()
def train(
    dataset: Annotated[
        str | None,
        typer.Option(
            help="A dataset version to train on, by its hash or the beginning of it; see `recomart datasets`."
        ),
    ] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Train on the feature marts as they are, evaluate, and write candidates; `recomart publish` then shows them."""
    settings = settings_from(warehouse=warehouse)
    with console.StepProgress() as progress:
        progress.on_step("train")
        summary = train_model(settings, TrainConfig(), progress.on_training, dataset=dataset)
        progress.on_step_done("train", steps.describe_training(summary), summary.seconds)
        progress.on_step("recommend")
        built = steps.build_recommendations(settings, progress.on_dbt)
        progress.on_step_done("recommend", steps.describe_dbt(built), built.seconds)
    if as_json:
        console.print_json(summary)
    else:
        console.print_metrics(summary.metrics)


class Segment(StrEnum):
    """By what customers or products are told apart."""

    ACTIVITY = "activity"
    CUSTOMER = "customer"
    PRODUCT = "product"
    CATEGORY = "category"


@app.command()
def evaluate(
    k: Annotated[int, typer.Option("--k", "-k", help="Length of the lists: 5, 10 or 20.")] = 10,
    by: Annotated[
        Segment | None,
        typer.Option(
            help="Apart by customers' activity, known or new customers, known or new products, or category of product."
        ),
    ] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show how well the published model ranks beside its baselines, with 95 % intervals of what it is better by.

    `--json` has every list length and segment, whatever the other options say. docs/evaluation.md defines the metrics.
    """
    with ServingCopy(settings_from(warehouse=warehouse)) as copy:
        if as_json:
            console.print_json(
                {
                    "metrics": copy.metrics(),
                    "differences": copy.metric_differences(),
                    "segments": {
                        segment: {"metrics": copy.metrics(segment), "differences": copy.metric_differences(segment)}
                        for segment in Segment
                    },
                }
            )
            return
        segment = "all" if by is None else by.value
        metrics, differences = copy.metrics(segment), copy.metric_differences(segment)
    if metrics.empty:
        console.print_metrics(metrics)
        return
    if k not in set(metrics["k"]):
        lengths = ", ".join(str(length) for length in sorted(set(metrics["k"])))
        raise RecomartError(f"nothing is measured at --k {k}; lists are measured at {lengths}")
    console.print_comparison(metrics[metrics["k"] == k], differences[differences["k"] == k], by_segment=by is not None)
