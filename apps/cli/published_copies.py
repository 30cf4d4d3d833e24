"""Commands for the published copy: publish it, show it, list its customers."""

from typing import Annotated

import pandas as pd
import typer

from apps.cli import console
from apps.cli.options import Json, Warehouse, load_settings
from orchestration.steps import publish_copy
from warehouse.publishing.live_copy import PublishedCopy, verify_copy
from warehouse.publishing.serving_copy import ServingCopy

app = typer.Typer()


@app.command("customers")
def list_customers(
    search: Annotated[str, typer.Argument(help="Part of a customer id.")] = "",
    n: Annotated[int, typer.Option("-n", min=1, help="Maximum number of customers.")] = 10,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """List customers, the most active first."""
    with ServingCopy(load_settings(warehouse=warehouse)) as copy:
        customers = copy.search_customers(search, n)
    if as_json:
        console.print_json({"customers": customers})
    else:
        _print_customers(customers)


@app.command()
def publish(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Publish the current recommendations."""
    published = publish_copy(load_settings(warehouse=warehouse))
    _print_published(published, as_json)


@app.command("published")
def show_published(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Show which published copy is live, with its data and model.

    The command reads the whole copy and compares its checksum.
    """
    settings = load_settings(warehouse=warehouse)
    with ServingCopy(settings) as copy:
        verify_copy(settings, copy.published)
        _print_published(copy.published, as_json)


def _print_published(published: PublishedCopy, as_json: bool) -> None:
    if as_json:
        console.print_json(published)
    else:
        console.print_line(f"{published.file} is live since {published.published_at:%Y-%m-%d %H:%M:%S} UTC")
        if published.newest_row_at:
            console.print_line(f"data: until {published.newest_row_at:%Y-%m-%d %H:%M:%S} UTC")
        if published.run_id is None:
            console.print_line("model: none; all customers get popular products")
        else:
            training_text = f", trained {published.trained_at:%Y-%m-%d %H:%M:%S} UTC" if published.trained_at else ""
            dataset_text = f", dataset {published.dataset_hash[:16]}" if published.dataset_hash else ""
            console.print_line(f"model: {published.run_id}{training_text}{dataset_text}")
        console.print_table("Tables", [{"table": name, "rows": count} for name, count in published.rows.items()])


def _print_customers(customers: pd.DataFrame) -> None:
    """Print one line for each customer."""
    columns = ["user_id", "last_seen_at", "event_count", "purchase_count", "total_spend", "favourite_category"]
    console.print_table("Customers", console.to_records(customers), columns)
