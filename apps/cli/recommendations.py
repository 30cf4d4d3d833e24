"""Commands about what customers are offered: show it, explain it, publish it, and serve it over HTTP."""

from typing import Annotated

import typer
import uvicorn

from apps.cli import console, recommendation_tables
from apps.cli.options import Json, Warehouse, load_settings
from apps.recommendation_queries import RecommendationList, RecommendationQueries
from apps.service.app import create_app
from orchestration import pipeline
from warehouse.formatting import format_count
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.serving_copy import ServingCopy

app = typer.Typer()


def _validate_id(value: str | None) -> str | None:
    if value == "":
        raise typer.BadParameter("an id has one character at least")
    return value


UserOption = Annotated[str | None, typer.Option(help="A customer's id.", callback=_validate_id)]
BasketOption = Annotated[str | None, typer.Option(help="Product ids with commas between, for somebody unknown.")]
ListLength = Annotated[int, typer.Option("-n", min=1, max=1000, help="How many products.")]


@app.command()
def recommend(
    user: UserOption = None,
    basket: BasketOption = None,
    n: ListLength = 10,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show the top products of a customer, or of whoever holds a basket; of somebody unknown, what is popular."""
    _require_user_or_basket(user, basket)
    with RecommendationQueries(load_settings(warehouse=warehouse)) as storefront:
        if user is not None:
            whose, offers = f"customer {user}", storefront.recommend_for_customer(user, n)
        else:
            products = _split_basket(basket)
            whose, offers = f"the basket {', '.join(products)}", storefront.recommend_for_basket(products, n)
    _print_recommendations(f"Top {len(offers.recommendations)} for {whose}", offers, as_json)


@app.command("similar")
def show_similar(
    product: Annotated[str, typer.Argument(help="A product's id.", callback=_validate_id)],
    n: ListLength = 10,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show the products that the model finds most like a product."""
    with RecommendationQueries(load_settings(warehouse=warehouse)) as storefront:
        offers = storefront.find_similar(product, n)
    _print_recommendations(f"{format_count(len(offers.recommendations), 'product')} like {product}", offers, as_json)


@app.command()
def explain(
    product: Annotated[
        str, typer.Option(help="The id of the product whose score is to be explained.", callback=_validate_id)
    ],
    user: UserOption = None,
    basket: BasketOption = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show what every past product of a customer, or of a basket, adds to the model's score of a product."""
    _require_user_or_basket(user, basket)
    with RecommendationQueries(load_settings(warehouse=warehouse)) as storefront:
        explanation = storefront.explain(
            product, user_id=user, basket=None if user is not None else _split_basket(basket)
        )
    if as_json:
        console.print_json(explanation)
    else:
        recommendation_tables.print_explanation(explanation)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every one of the machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    warehouse: Warehouse = None,
) -> None:
    """Answer over HTTP: recommendations, similar products, explanations; see docs/serving.md."""
    uvicorn.run(create_app(load_settings(warehouse=warehouse)), host=host, port=port)


@app.command("customers")
def list_customers(
    search: Annotated[str, typer.Argument(help="Part of a customer's id.")] = "",
    n: Annotated[int, typer.Option("-n", min=1, help="How many customers.")] = 10,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """List customers, the busiest first."""
    with ServingCopy(load_settings(warehouse=warehouse)) as copy:
        found = copy.search_customers(search, n)
    if as_json:
        console.print_json({"customers": found})
    else:
        recommendation_tables.print_customers(found)


@app.command()
def publish(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Publish the recommendations as they are in the warehouse."""
    published = pipeline.publish_copy(load_settings(warehouse=warehouse))
    _print_published(published, as_json)


@app.command("published")
def show_published(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Say which copy is live, since when, and from which data and model."""
    # Opened, as its readers would: the pointer may outlive its file.
    with ServingCopy(load_settings(warehouse=warehouse)) as copy:
        _print_published(copy.published, as_json)


def _require_user_or_basket(user: str | None, basket: str | None) -> None:
    if (user is None) == (basket is None):
        raise typer.BadParameter("name either a customer with --user or a basket with --basket")


def _split_basket(basket: str | None) -> list[str]:
    return [product.strip() for product in (basket or "").split(",") if product.strip()]


def _print_recommendations(title: str, recommendations: RecommendationList, as_json: bool) -> None:
    if as_json:
        console.print_json(recommendations)
    else:
        recommendation_tables.print_recommendations(title, recommendations)


def _print_published(published: PublishedCopy, as_json: bool) -> None:
    if as_json:
        console.print_json(published)
    else:
        console.print_line(f"{published.file} is live since {published.published_at:%Y-%m-%d %H:%M:%S} UTC")
        if published.newest_row_at:
            console.print_line(f"data: until {published.newest_row_at:%Y-%m-%d %H:%M:%S} UTC")
        if published.run_id is None:
            console.print_line("model: none; everybody is offered what is popular")
        else:
            trained = f" trained {published.trained_at:%Y-%m-%d %H:%M:%S} UTC" if published.trained_at else ""
            dataset = f" on dataset {published.dataset_hash[:16]}" if published.dataset_hash else ""
            console.print_line(f"model: {published.run_id},{trained}{dataset}")
        console.print_table("Tables", [{"table": name, "rows": rows} for name, rows in published.rows.items()])
