"""Commands about what customers are offered: show it, and publish it."""

from typing import Annotated, Any

import typer

from orchestration import console, steps
from orchestration.cli.options import Json, Warehouse, app, settings_from
from orchestration.recommending import recommend_for_basket, recommend_for_customer
from warehouse.publish import current
from warehouse.serving import ServingCopy


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
    settings = settings_from(warehouse=warehouse)
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
    with ServingCopy(settings_from(warehouse=warehouse)) as copy:
        found = copy.customers(search, n)
    if as_json:
        console.print_json({"customers": found})
    else:
        console.print_customers(found)


@app.command()
def publish(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Publish the recommendations as they are in the warehouse."""
    published = steps.publish_copy(settings_from(warehouse=warehouse))
    _print_published(published, as_json)


@app.command()
def published(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Say which copy is live, since when, and from which model."""
    _print_published(current(settings_from(warehouse=warehouse)), as_json)


def _print_published(published: Any, as_json: bool) -> None:
    if as_json:
        console.print_json(published)
    else:
        console.say(
            f"{published.file} is live since {published.published_at:%Y-%m-%d %H:%M:%S} UTC, "
            f"with the recommendations of model run {published.run_id or '(none: popularity)'}"
        )
        console.print_table("Tables", [{"table": name, "rows": rows} for name, rows in published.rows.items()])
