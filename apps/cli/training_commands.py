"""Commands that train, tune and promote models."""

import time
from typing import Annotated

import typer

from apps.cli import console, model_tables, training_tables
from apps.cli.options import ConfigFile, Json, Warehouse, load_settings
from models_ml.evaluation.baselines import read_oracle
from models_ml.tuning_results import SearchInterruptedError
from orchestration.batch_scoring import score_customers
from orchestration.config_files import read_train_config
from orchestration.dataset_versions import read_shop_repeats
from orchestration.model_steps import describe_scoring, describe_training
from orchestration.progress import describe_dbt
from orchestration.steps import build_recommendations, publish_copy
from orchestration.training_run import train_model
from orchestration.tuning_run import measure_setting_trade_offs, tune_config
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings

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
            settings, train_config, progress.on_stage, hash_prefix=dataset, is_warm_start=warm_start, oracle=oracle
        )
        progress.on_step_done("train", describe_training(summary), summary.seconds)
        progress.on_step("score")
        try:
            scoring = score_customers(settings, progress.on_stage)
        except RecomartError as error:
            state = "rejected" if summary.rejection_reason else "waits to serve until a scoring succeeds"
            raise RecomartError(f"model {summary.run_id} is trained and {state}: {error}") from error
        progress.on_step_done("score", describe_scoring(scoring), scoring.seconds if scoring else 0.0)
        progress.on_step("recommend")
        dbt_result = build_recommendations(settings, progress.on_dbt)
        progress.on_step_done("recommend", describe_dbt(dbt_result), dbt_result.seconds)
    if as_json:
        console.print_json(summary)
    else:
        model_tables.print_repeats(read_shop_repeats(settings))
        model_tables.print_metrics(summary.metrics)
        training_tables.print_gates(summary.gates)
        if scoring is not None:
            _print_publish_hint(settings, scoring.run_id)


def _print_publish_hint(settings: Settings, serving_run_id: str) -> None:
    """Print how to publish the lists of the serving model, unless the published copy has them."""
    try:
        published_run_id = read_pointer(settings).run_id
    except RecomartError:
        console.print_line("Nothing is published yet. `recomart publish` publishes the new lists")
        return
    if published_run_id != serving_run_id:
        model = f"model {published_run_id}" if published_run_id else "no model"
        console.print_line(f"The published copy still has {model}. `recomart publish` publishes the new lists")


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
        progress.on_step_done("score", describe_scoring(scoring), scoring.seconds)
        progress.on_step("recommend")
        dbt_result = build_recommendations(settings, progress.on_dbt)
        progress.on_step_done("recommend", describe_dbt(dbt_result), dbt_result.seconds)
        published = publish_copy(settings)
    if as_json:
        console.print_json({"scoring": scoring, "published": published})
    else:
        console.print_line(f"{published.file} is live with model {published.run_id}")


@app.command()
def tune(
    seconds: Annotated[
        float, typer.Option(help="Seconds to search; the trial of the current settings always finishes.", min=1)
    ] = 600,
    trials: Annotated[
        int | None,
        typer.Option(help="Maximum number of trials, including those that earlier searches finished.", min=1),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Start of the hash of a dataset version to tune on; by default the current marts."),
    ] = None,
    adopt: Annotated[
        bool, typer.Option(help="Use the best settings for all later trainings of this warehouse.")
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
        start_seconds = time.perf_counter()
        try:
            summary = tune_config(
                settings,
                train_config,
                progress.on_stage,
                seconds=seconds,
                max_trials=trials,
                hash_prefix=dataset,
                adopt=adopt,
            )
        except SearchInterruptedError as interrupt:
            trial_count = interrupt.trial_count
            kept = f"{format_count(trial_count, 'trial')} {'is' if trial_count == 1 else 'are'} kept"
            console.print_note(f"interrupted: {kept}. Run the same command to continue")
            raise
        progress.on_step_done("tune", f"{len(summary.trials)} trials", time.perf_counter() - start_seconds)
    if as_json:
        console.print_json(summary)
    else:
        training_tables.print_tuning(summary, warehouse)


@app.command("trade-offs")
def show_trade_offs(
    dataset: Annotated[
        str | None,
        typer.Option(help="Start of the hash of a dataset version to measure; by default the current marts."),
    ] = None,
    config: ConfigFile = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show what the popularity damping and the re-ranking cost in NDCG, and what they gain.

    One model is fitted to the data before the validation window, and its lists are measured with each value.
    docs/training.md explains the settings, docs/evaluation.md the metrics.
    """
    settings = load_settings(warehouse=warehouse)
    train_config = read_train_config(settings, config)
    with console.StepProgress() as progress:
        progress.on_step("trade-offs")
        start_seconds = time.perf_counter()
        trade_offs = measure_setting_trade_offs(settings, train_config, progress.on_stage, hash_prefix=dataset)
        rows = [*trade_offs.dampings, *trade_offs.rerankings]
        progress.on_step_done("trade-offs", f"{len(rows)} settings", time.perf_counter() - start_seconds)
    if as_json:
        console.print_json({"k": train_config.selection_k, "trade_offs": rows})
    else:
        training_tables.print_trade_offs(trade_offs, train_config.selection_k)
