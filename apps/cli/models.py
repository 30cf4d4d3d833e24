"""Commands about what is learned: train, and measure."""

import time
from enum import StrEnum
from typing import Annotated

import typer

from apps.cli import console, model_tables
from apps.cli.options import ConfigFile, Json, Warehouse, load_settings
from models_ml.evaluation.baselines import read_oracle
from orchestration import pipeline
from orchestration.batch_scoring import score_customers
from orchestration.config_files import read_train_config
from orchestration.model_registry import list_model_runs
from orchestration.training_run import train_model
from orchestration.tuning_run import tune_config
from warehouse.errors import RecomartError
from warehouse.publishing.serving_copy import ServingCopy

app = typer.Typer()


@app.command()
def train(
    dataset: Annotated[
        str | None,
        typer.Option(
            help="A dataset version to train on, by its hash or the beginning of it; see `recomart datasets`."
        ),
    ] = None,
    warm_start: Annotated[
        bool, typer.Option(help="Start from the serving model's factors and go by what it picked; quicker.")
    ] = False,
    config: ConfigFile = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Train on the feature marts as they are, evaluate, and judge; a model that passes the gates writes candidates.

    `recomart publish` then shows them. One that does not is listed with the reasons by `recomart models`.
    """
    settings = load_settings(warehouse=warehouse)
    by = read_train_config(settings, config)
    with console.StepProgress() as progress:
        progress.on_step("train")
        oracle = read_oracle(settings.demo_truth_dir)
        summary = train_model(settings, by, progress.on_stage, dataset=dataset, is_warm_start=warm_start, oracle=oracle)
        progress.on_step_done("train", pipeline.describe_training(summary), summary.seconds)
        progress.on_step("score")
        scoring = score_customers(settings, progress.on_stage)
        progress.on_step_done("score", pipeline.describe_scoring(scoring), scoring.seconds if scoring else 0.0)
        progress.on_step("recommend")
        built = pipeline.build_recommendations(settings, progress.on_dbt)
        progress.on_step_done("recommend", pipeline.describe_dbt(built), built.seconds)
    if as_json:
        console.print_json(summary)
    else:
        model_tables.print_metrics(summary.metrics)
        model_tables.print_gates(summary.gates)


@app.command("models")
def list_models(
    n: Annotated[int, typer.Option("-n", min=1, help="How many, the newest ones.")] = 20,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """List the models: which one serves, which ones did, and which ones were held back, and why."""
    settings = load_settings(warehouse=warehouse)
    runs = list_model_runs(settings)[:n]
    if as_json:
        console.print_json({"models": [run.model_dump(mode="json") for run in runs]})
    elif not runs:
        console.print_line(f"there are no models in {settings.warehouse} yet; `recomart train` makes one")
    else:
        model_tables.print_models(runs)


@app.command()
def promote(
    run_id: Annotated[str, typer.Argument(help="The model's run id, or the beginning of it; `recomart models`.")],
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Let a model serve, an older one or one that was held back: score with it, build the lists and publish them."""
    settings = load_settings(warehouse=warehouse)
    with console.StepProgress() as progress:
        progress.on_step("score")
        scoring = score_customers(settings, progress.on_stage, run_id_prefix=run_id)
        assert scoring is not None
        progress.on_step_done("score", pipeline.describe_scoring(scoring), scoring.seconds)
        progress.on_step("recommend")
        built = pipeline.build_recommendations(settings, progress.on_dbt)
        progress.on_step_done("recommend", pipeline.describe_dbt(built), built.seconds)
        published = pipeline.publish_copy(settings)
    if as_json:
        console.print_json({"scoring": scoring, "published": published})
    else:
        console.print_line(f"{published.file} is live with model {published.run_id}")


class Segment(StrEnum):
    """By what customers or products are told apart."""

    ACTIVITY = "activity"
    CUSTOMER = "customer"
    PRODUCT = "product"
    CATEGORY = "category"


@app.command()
def tune(
    seconds: Annotated[
        float, typer.Option(help="How long to search; the first trial is always finished.", min=1)
    ] = 600,
    trials: Annotated[
        int | None, typer.Option(help="Trials in all, those of earlier searches included.", min=1)
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="A dataset version to tune on, by the start of its hash; else the marts as they are."),
    ] = None,
    adopt: Annotated[
        bool, typer.Option(help="Train this warehouse's models with the best settings from now on.")
    ] = False,
    config: ConfigFile = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Search for the settings that rank best in the validation window; a search goes on where the last one stopped."""
    settings = load_settings(warehouse=warehouse)
    by = read_train_config(settings, config)
    with console.StepProgress() as progress:
        progress.on_step("tune")
        started = time.perf_counter()
        summary = tune_config(
            settings, by, progress.on_stage, seconds=seconds, max_trials=trials, dataset=dataset, adopt=adopt
        )
        progress.on_step_done("tune", f"{len(summary.trials)} trials", time.perf_counter() - started)
    if as_json:
        console.print_json(summary)
    else:
        model_tables.print_tuning(summary, warehouse)


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
    with ServingCopy(load_settings(warehouse=warehouse)) as copy:
        if as_json:
            console.print_json(
                {
                    "metrics": copy.get_metrics(),
                    "differences": copy.get_metric_differences(),
                    "segments": {
                        segment: {
                            "metrics": copy.get_metrics(segment),
                            "differences": copy.get_metric_differences(segment),
                        }
                        for segment in Segment
                    },
                }
            )
            return
        segment = "all" if by is None else by.value
        metrics, differences = copy.get_metrics(segment), copy.get_metric_differences(segment)
        why_none = copy.explain_missing_metrics()
    if metrics.empty:
        console.print_line(why_none)
        return
    if k not in set(metrics["k"]):
        lengths = ", ".join(str(length) for length in sorted(set(metrics["k"])))
        raise RecomartError(f"nothing is measured at --k {k}; lists are measured at {lengths}")
    model_tables.print_comparison(
        metrics[metrics["k"] == k], differences[differences["k"] == k], by_segment=by is not None
    )
