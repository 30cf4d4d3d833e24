"""The `recomart` command."""

import sys
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from pydantic import ValidationError

from models_ml.config import TrainConfig
from models_ml.errors import ModelError
from orchestration import console, steps
from orchestration.demo import DEMO_SHOP, generate_demo_shop, look_around, print_demo
from orchestration.recommending import recommend_for_basket, recommend_for_customer
from orchestration.status import feed_status
from orchestration.training import train as train_model
from warehouse.demo.config import DemoConfig
from warehouse.errors import RecomartError
from warehouse.loading.loader import load as load_landing
from warehouse.publish import current
from warehouse.serving import ServingCopy
from warehouse.settings import Settings

app = typer.Typer(
    name="recomart",
    help="From a shop's raw files to personal recommendations, in one DuckDB warehouse.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Warehouse = Annotated[
    Path | None, typer.Option(help="Folder of the database, models and serving copies [RECOMART_WAREHOUSE].")
]
Landing = Annotated[Path | None, typer.Option(help="Folder of raw files [RECOMART_LANDING].")]
SourcesFile = Annotated[Path | None, typer.Option(help="YAML file that declares the feeds [RECOMART_SOURCES].")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def _settings(**given: Path | None) -> Settings:
    return Settings(**{name: path for name, path in given.items() if path is not None})  # type: ignore[arg-type]


@app.command()
def demo(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Make the demo shop, run the whole pipeline over it, and show what came out."""
    settings = _settings(warehouse=warehouse)
    with console.StepProgress() as progress:
        generate_demo_shop(settings, DEMO_SHOP, progress)
        report = steps.run_pipeline(settings, TrainConfig(), progress)
    outcome = look_around(settings, report)
    if as_json:
        console.print_json(outcome)
    else:
        print_demo(outcome)


@app.command("demo-data")
def demo_data(
    customers: Annotated[int, typer.Option(help="Customers who ever sign up.")] = DEMO_SHOP.customers,
    products: Annotated[int, typer.Option(help="Products that are ever on sale.")] = DEMO_SHOP.products,
    days: Annotated[int, typer.Option(help="Days of history.")] = DEMO_SHOP.days,
    events: Annotated[int, typer.Option(help="Clickstream events, about.")] = DEMO_SHOP.events,
    dirt: Annotated[float, typer.Option(help="How much dirt is planted, as a share of rows.")] = DEMO_SHOP.dirt,
    seed: Annotated[int, typer.Option(help="Another seed, another shop.")] = DEMO_SHOP.seed,
    overwrite: Annotated[bool, typer.Option(help="Replace a demo shop that is there already.")] = False,
    warehouse: Warehouse = None,
    landing: Landing = None,
    as_json: Json = False,
) -> None:
    """Write the landing files of a believable shop, dirt included, and the truth about both."""
    settings = _settings(warehouse=warehouse, landing=landing)
    config = DemoConfig(customers=customers, products=products, days=days, events=events, dirt=dirt, seed=seed)
    with console.StepProgress() as progress:
        summary = generate_demo_shop(settings, config, progress, overwrite=overwrite)
    if as_json:
        console.print_json(summary)


@app.command()
def load(
    sources: SourcesFile = None, landing: Landing = None, warehouse: Warehouse = None, as_json: Json = False
) -> None:
    """Load new and changed landing files into the raw tables."""
    settings = _settings(sources=sources, landing=landing, warehouse=warehouse)
    with console.StepProgress() as progress:
        progress.on_step("load")
        report = load_landing(settings, progress.on_files)
        progress.on_step_done("load", steps.describe_load(report), report.seconds)
    if as_json:
        console.print_json(report)
        return
    console.print_table("Loaded", [{"feed": name, **vars(feed)} for name, feed in report.feeds.items()])
    console.print_load(report)


@app.command()
def run(
    sources: SourcesFile = None, landing: Landing = None, warehouse: Warehouse = None, as_json: Json = False
) -> None:
    """Load, build, train, score, evaluate and publish: the same steps as Dagster's job."""
    settings = _settings(sources=sources, landing=landing, warehouse=warehouse)
    with console.StepProgress() as progress:
        report = steps.run_pipeline(settings, TrainConfig(), progress)
    status_rows = feed_status(settings)
    with ServingCopy(settings) as copy:
        metrics = copy.metrics()
    if as_json:
        console.print_json({"status": status_rows, "metrics": metrics, **vars(report)})
        return
    console.print_load(report.load)
    for warning in report.marts.warnings + report.recommendations.warnings:
        console.say(f"dbt test warned: {warning}")
    console.print_status(status_rows)
    console.print_metrics(metrics)
    console.say(f"{report.seconds['all']:.0f} s in all, {report.peak_memory_mib:,} MiB of memory at the most")


@app.command()
def status(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Show what arrived and what became of it, for each feed."""
    rows = feed_status(_settings(warehouse=warehouse))
    if as_json:
        console.print_json({"feeds": rows})
    else:
        console.print_status(rows)


@app.command()
def train(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Train on the feature marts as they are, evaluate, and write candidates; `recomart publish` then shows them."""
    settings = _settings(warehouse=warehouse)
    with console.StepProgress() as progress:
        progress.on_step("train")
        summary = train_model(settings, TrainConfig(), progress.on_training)
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
    with ServingCopy(_settings(warehouse=warehouse)) as copy:
        metrics = copy.metrics()
    if as_json:
        console.print_json({"metrics": metrics})
    else:
        console.print_metrics(metrics)


@app.command()
def recommend(
    user: Annotated[str | None, typer.Option(help="A customer's id.")] = None,
    basket: Annotated[str | None, typer.Option(help="Product ids with commas between, for somebody unknown.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many products.")] = 10,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show the top products of a customer, or of whoever holds a basket."""
    if (user is None) == (basket is None):
        raise typer.BadParameter("name either a customer with --user or a basket with --basket")
    settings = _settings(warehouse=warehouse)
    if user is not None:
        answer = recommend_for_customer(settings, user, n)
    else:
        answer = recommend_for_basket(settings, [item.strip() for item in (basket or "").split(",")], n)
    if as_json:
        console.print_json(answer)
    else:
        console.print_recommendations(answer)


@app.command()
def customers(
    search: Annotated[str, typer.Argument(help="Part of a customer's id.")] = "",
    n: Annotated[int, typer.Option("-n", min=1, help="How many customers.")] = 10,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """List customers, the busiest first."""
    with ServingCopy(_settings(warehouse=warehouse)) as copy:
        found = copy.customers(search, n)
    if as_json:
        console.print_json({"customers": found})
    else:
        console.print_customers(found)


@app.command()
def publish(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Publish the recommendations as they are in the warehouse."""
    published = steps.publish_copy(_settings(warehouse=warehouse))
    _print_published(published, as_json)


@app.command()
def published(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Say which copy is live, since when, and from which model."""
    _print_published(current(_settings(warehouse=warehouse)), as_json)


def _print_published(published: Any, as_json: bool) -> None:
    if as_json:
        console.print_json(published)
    else:
        console.say(
            f"{published.file} is live since {published.published_at:%Y-%m-%d %H:%M:%S} UTC, "
            f"with the recommendations of model run {published.run_id or '(none: popularity)'}"
        )
        console.print_table("Tables", [{"table": name, "rows": rows} for name, rows in published.rows.items()])


def main() -> None:
    """Run the command; what a user can mend ends in one line on standard error and exit status 1."""
    try:
        app()
    except (RecomartError, ModelError) as error:
        console.fail(str(error))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        console.fail(f"{error.title}: {where}: {problem['msg'].removeprefix('Value error, ')}")
    except (OSError, duckdb.Error) as error:
        # A full disk, a folder that may not be written, a memory limit: the message is the system's, one line of it.
        console.fail(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
    except KeyboardInterrupt:
        sys.exit(130)
