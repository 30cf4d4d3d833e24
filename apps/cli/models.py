"""Commands for models: train, tune, evaluate, list and promote."""

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
        typer.Option(help="Start of the hash of a dataset version to train on; see `recomart datasets`."),
    ] = None,
    warm_start: Annotated[
        bool, typer.Option(help="Start from the factors and selected parameters of the serving model; faster.")
    ] = False,
    config: ConfigFile = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Train a model on the current marts, evaluate it, and apply the gates.

    A model that passes the gates scores all customers; `recomart publish` publishes its recommendations.
    A rejected model does not serve; `recomart models` shows the reasons.
    """
    settings = load_settings(warehouse=warehouse)
    train_config = read_train_config(settings, config)
    with console.StepProgress() as progress:
        progress.on_step("train")
        oracle = read_oracle(settings.demo_truth_dir)
        summary = train_model(
            settings, train_config, progress.on_stage, dataset=dataset, is_warm_start=warm_start, oracle=oracle
        )
        progress.on_step_done("train", pipeline.describe_training(summary), summary.seconds)
        progress.on_step("score")
        scoring = score_customers(settings, progress.on_stage)
        progress.on_step_done("score", pipeline.describe_scoring(scoring), scoring.seconds if scoring else 0.0)
        progress.on_step("recommend")
        dbt_result = pipeline.build_recommendations(settings, progress.on_dbt)
        progress.on_step_done("recommend", pipeline.describe_dbt(dbt_result), dbt_result.seconds)
    if as_json:
        console.print_json(summary)
    else:
        model_tables.print_metrics(summary.metrics)
        model_tables.print_gates(summary.gates)


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


@app.command()
def promote(
    run_id: Annotated[str, typer.Argument(help="Start of the model's run id; see `recomart models`.")],
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Make a model serve: score with it, build the recommendations and publish them.

    The model may be an older or a rejected one.
    """
    settings = load_settings(warehouse=warehouse)
    with console.StepProgress() as progress:
        progress.on_step("score")
        scoring = score_customers(settings, progress.on_stage, run_id_prefix=run_id)
        assert scoring is not None
        progress.on_step_done("score", pipeline.describe_scoring(scoring), scoring.seconds)
        progress.on_step("recommend")
        dbt_result = pipeline.build_recommendations(settings, progress.on_dbt)
        progress.on_step_done("recommend", pipeline.describe_dbt(dbt_result), dbt_result.seconds)
        published = pipeline.publish_copy(settings)
    if as_json:
        console.print_json({"scoring": scoring, "published": published})
    else:
        console.print_line(f"{published.file} is live with model {published.run_id}")


class Segment(StrEnum):
    """A grouping of customers or products."""

    ACTIVITY = "activity"
    CUSTOMER = "customer"
    PRODUCT = "product"
    CATEGORY = "category"


@app.command()
def tune(
    seconds: Annotated[float, typer.Option(help="Seconds to search; the first trial always finishes.", min=1)] = 600,
    trials: Annotated[
        int | None, typer.Option(help="Maximum number of trials, including those of earlier searches.", min=1)
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Start of the hash of a dataset version to tune on; by default the current marts."),
    ] = None,
    adopt: Annotated[
        bool, typer.Option(help="Use the best settings for all later training of this warehouse.")
    ] = False,
    config: ConfigFile = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Search for the training settings that rank best in the validation window.

    A search continues where the last one stopped.
    """
    settings = load_settings(warehouse=warehouse)
    train_config = read_train_config(settings, config)
    with console.StepProgress() as progress:
        progress.on_step("tune")
        started = time.perf_counter()
        summary = tune_config(
            settings,
            train_config,
            progress.on_stage,
            seconds=seconds,
            max_trials=trials,
            dataset=dataset,
            adopt=adopt,
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
        missing_metrics_reason = copy.explain_missing_metrics()
    if metrics.empty:
        console.print_line(missing_metrics_reason)
        return
    if k not in set(metrics["k"]):
        lengths = ", ".join(str(length) for length in sorted(set(metrics["k"])))
        raise RecomartError(f"no metrics for --k {k}. Choose from {lengths}")
    model_tables.print_comparison(
        metrics[metrics["k"] == k], differences[differences["k"] == k], by_segment=by is not None
    )
