"""Commands that run the whole house: the demo shop, and the pipeline over a shop of one's own."""

from typing import Annotated

import typer

from apps.cli import console, data_tables, model_tables
from apps.cli.demo import DEMO_SHOP_CONFIG, collect_demo_outcome, print_demo_outcome
from apps.cli.options import Json, Landing, SourcesFile, Warehouse, load_settings
from orchestration import pipeline
from orchestration.config_files import read_train_config
from orchestration.demo_data import generate_demo_shop
from orchestration.feed_accounting import read_feed_status
from warehouse.demo.config import DemoConfig
from warehouse.publishing.serving_copy import ServingCopy

app = typer.Typer()


@app.command("demo")
def run_demo(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Make the demo shop, run the whole pipeline over it, and show what came out."""
    settings = load_settings(warehouse=warehouse)
    with console.StepProgress() as progress:
        generate_demo_shop(settings, DEMO_SHOP_CONFIG, progress)
        report = pipeline.run_pipeline(settings, read_train_config(settings), progress)
    outcome = collect_demo_outcome(settings, report)
    if as_json:
        console.print_json(outcome)
    else:
        print_demo_outcome(outcome)


@app.command("demo-data")
def generate_demo_data(
    customers: Annotated[int, typer.Option(help="Customers who ever sign up.")] = DEMO_SHOP_CONFIG.customers,
    products: Annotated[int, typer.Option(help="Products that are ever on sale.")] = DEMO_SHOP_CONFIG.products,
    days: Annotated[int, typer.Option(help="Days of history.")] = DEMO_SHOP_CONFIG.days,
    events: Annotated[int, typer.Option(help="Clickstream events, about.")] = DEMO_SHOP_CONFIG.events,
    dirt: Annotated[float, typer.Option(help="How much dirt is planted, as a share of rows.")] = DEMO_SHOP_CONFIG.dirt,
    seed: Annotated[int, typer.Option(help="Another seed, another shop.")] = DEMO_SHOP_CONFIG.seed,
    overwrite: Annotated[bool, typer.Option(help="Replace a demo shop that is there already.")] = False,
    warehouse: Warehouse = None,
    landing: Landing = None,
    as_json: Json = False,
) -> None:
    """Write the landing files of a believable shop, dirt included, and the truth about both."""
    settings = load_settings(warehouse=warehouse, landing=landing)
    config = DemoConfig(customers=customers, products=products, days=days, events=events, dirt=dirt, seed=seed)
    with console.StepProgress() as progress:
        summary = generate_demo_shop(settings, config, progress, overwrite=overwrite)
    if as_json:
        console.print_json(summary)


@app.command("run")
def run_full_pipeline(
    train: Annotated[
        bool | None, typer.Option("--train/--no-train", help="Train a new model, or none; else the policy decides.")
    ] = None,
    sources: SourcesFile = None,
    landing: Landing = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Fetch, load, build, train, score, evaluate and publish: the same steps as Dagster's job."""
    settings = load_settings(sources=sources, landing=landing, warehouse=warehouse)
    with console.StepProgress() as progress:
        report = pipeline.run_pipeline(settings, read_train_config(settings), progress, is_training_requested=train)
    status_rows = read_feed_status(settings)
    with ServingCopy(settings) as copy:
        metrics, why_none = copy.get_metrics(), copy.explain_missing_metrics()
    if as_json:
        console.print_json({"status": status_rows, "metrics": metrics, **vars(report)})
        return
    data_tables.print_load(report.load)
    for warning in report.marts.warnings + report.recommendations.warnings:
        console.print_line(f"dbt test warned: {warning}")
    data_tables.print_status(status_rows)
    model_tables.print_metrics(metrics, why_none)
    console.print_line(f"{report.seconds['all']:.0f} s in all, {report.peak_memory_mib:,} MiB of memory at the most")
