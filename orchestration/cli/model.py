"""Commands about what is learned: train, and measure."""

from typing import Annotated

import typer

from models_ml.config import TrainConfig
from orchestration import console, steps
from orchestration.cli.options import Json, Warehouse, app, settings_from
from orchestration.training import train as train_model
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


@app.command()
def evaluate(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Show how well the published model ranks, beside its baselines."""
    with ServingCopy(settings_from(warehouse=warehouse)) as copy:
        metrics = copy.metrics()
    if as_json:
        console.print_json({"metrics": metrics})
    else:
        console.print_metrics(metrics)
