"""Commands that generate the demo shop and run the whole pipeline."""

from typing import Annotated

import typer

from apps.cli import console, data_tables, model_tables
from apps.cli.options import Json, Landing, SourcesFile, Warehouse, load_settings
from orchestration import pipeline
from orchestration.config_files import read_train_config
from orchestration.demo_data import generate_demo_shop
from orchestration.feed_accounting import read_feed_status
from orchestration.run_state import NOTHING_NEW_MESSAGE
from warehouse.demo.config import DemoConfig
from warehouse.publishing.serving_copy import ServingCopy

app = typer.Typer()

DEMO_SHOP_CONFIG = DemoConfig()
"""The configuration of the shop that `make demo` generates."""


@app.command("demo")
def run_demo(
    days: Annotated[
        int, typer.Option(min=0, help="Days on which customers see the live lists; new ones every second day.")
    ] = 0,
    effect: Annotated[
        float, typer.Option(min=0, max=10, help="Planted effect of the lists on these days; 0 for none.")
    ] = DEMO_SHOP_CONFIG.effect,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Generate the demo shop, run the whole pipeline on it, and show the results.

    With --days, half of the customers see the lists on each further day, and the measured effect is shown beside the
    planted one.
    """
    # Imported here, because it needs torch, which `recomart run` imports only when there is something to do.
    from apps.cli.demo import collect_demo_outcome, print_demo_outcome
    from orchestration.demo_days import run_demo_days

    settings = load_settings(warehouse=warehouse)
    shop = DEMO_SHOP_CONFIG.model_copy(update={"effect": effect})
    config = read_train_config(settings)
    further_days = None
    with console.StepProgress() as progress:
        generate_demo_shop(settings, shop, progress)
        if days:
            further_days = run_demo_days(settings, shop, config, days, progress)
            report = further_days.report
        else:
            report = pipeline.run_pipeline(settings, config, progress, is_forced=True)
    outcome = collect_demo_outcome(settings, report, further_days)
    if as_json:
        console.print_json(outcome)
    else:
        print_demo_outcome(outcome)


@app.command("demo-data")
def generate_demo_data(
    customers: Annotated[int, typer.Option(help="Customers over the whole history.")] = DEMO_SHOP_CONFIG.customers,
    products: Annotated[int, typer.Option(help="Products over the whole history.")] = DEMO_SHOP_CONFIG.products,
    days: Annotated[int, typer.Option(help="Days of history.")] = DEMO_SHOP_CONFIG.days,
    events: Annotated[int, typer.Option(help="Approximate number of clickstream events.")] = DEMO_SHOP_CONFIG.events,
    dirt: Annotated[float, typer.Option(help="Share of rows with planted errors.")] = DEMO_SHOP_CONFIG.dirt,
    seed: Annotated[int, typer.Option(help="Random seed.")] = DEMO_SHOP_CONFIG.seed,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing demo shop.")] = False,
    warehouse: Warehouse = None,
    landing: Landing = None,
    as_json: Json = False,
) -> None:
    """Write the landing files of a synthetic shop and the truth behind them.

    The truth files describe the planted errors and the real preferences of the customers.
    """
    settings = load_settings(warehouse=warehouse, landing=landing)
    config = DemoConfig(customers=customers, products=products, days=days, events=events, dirt=dirt, seed=seed)
    with console.StepProgress() as progress:
        summary = generate_demo_shop(settings, config, progress, overwrite=overwrite)
    if as_json:
        console.print_json(summary)


@app.command("run")
def run_full_pipeline(
    train: Annotated[
        bool | None,
        typer.Option("--train/--no-train", help="Train a new model, or none; by default the policy decides."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Run every step, even if nothing has changed.")] = False,
    sources: SourcesFile = None,
    landing: Landing = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Run the whole pipeline: fetch, load, build, train, score, evaluate and publish.

    The steps are those of the Dagster job. The run ends after the load when nothing has changed since the last one.
    """
    settings = load_settings(sources=sources, landing=landing, warehouse=warehouse)
    with console.StepProgress() as progress:
        report = pipeline.run_pipeline(
            settings, read_train_config(settings), progress, is_training_requested=train, is_forced=force
        )
    status_rows = read_feed_status(settings)
    with ServingCopy(settings) as copy:
        metrics, missing_metrics_reason = copy.get_metrics(), copy.explain_missing_metrics()
        shop_repeats = copy.get_shop_repeats()
    if as_json:
        console.print_json({"status": status_rows, "metrics": metrics, **vars(report)})
        return
    data_tables.print_load(report.load)
    data_tables.print_test_warnings(report)
    data_tables.print_status(status_rows)
    model_tables.print_repeats(shop_repeats)
    model_tables.print_metrics(metrics, missing_metrics_reason)
    if not report.reasons:
        console.print_line(f"{NOTHING_NEW_MESSAGE}. `recomart run --force` runs every step.")
    console.print_line(f"{report.seconds['all']:.0f} s in total, peak memory {report.peak_memory_mib:,} MiB")
