"""Commands for recommendations: show, explain, publish and serve them."""

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
        raise typer.BadParameter("an id must have at least one character")
    return value


UserOption = Annotated[str | None, typer.Option(help="Customer id.", callback=_validate_id)]
BasketOption = Annotated[str | None, typer.Option(help="Product ids separated by commas, for an unknown customer.")]
ListLength = Annotated[int, typer.Option("-n", min=1, max=1000, help="Number of products.")]


@app.command()
def recommend(
    user: UserOption = None,
    basket: BasketOption = None,
    n: ListLength = 10,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show recommendations for a customer or a basket.

    An unknown customer gets popular products.
    """
    _require_user_or_basket(user, basket)
    with RecommendationQueries(load_settings(warehouse=warehouse)) as queries:
        if user is not None:
            recipient, recommendations = f"customer {user}", queries.recommend_for_customer(user, n)
        else:
            products = _split_basket(basket)
            recipient, recommendations = f"the basket {', '.join(products)}", queries.recommend_for_basket(products, n)
    _print_recommendations(f"Top {len(recommendations.recommendations)} for {recipient}", recommendations, as_json)


@app.command("similar")
def show_similar(
    product: Annotated[str, typer.Argument(help="Product id.", callback=_validate_id)],
    n: ListLength = 10,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show the products most similar to a product."""
    with RecommendationQueries(load_settings(warehouse=warehouse)) as queries:
        similar = queries.find_similar(product, n)
    title = f"{format_count(len(similar.recommendations), 'product')} similar to {product}"
    _print_recommendations(title, similar, as_json)


@app.command()
def explain(
    product: Annotated[str, typer.Option(help="Id of the product whose score is explained.", callback=_validate_id)],
    user: UserOption = None,
    basket: BasketOption = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show how much each past product adds to a product's score.

    The past products are those of a customer or of a basket.
    """
    _require_user_or_basket(user, basket)
    with RecommendationQueries(load_settings(warehouse=warehouse)) as queries:
        explanation = queries.explain(product, user_id=user, basket=None if user is not None else _split_basket(basket))
    if as_json:
        console.print_json(explanation)
    else:
        recommendation_tables.print_explanation(explanation)


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 stands for all addresses of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    warehouse: Warehouse = None,
) -> None:
    """Serve recommendations over HTTP; see docs/serving.md.

    The service also returns similar products and explanations.
    """
    uvicorn.run(create_app(load_settings(warehouse=warehouse)), host=host, port=port)


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
        recommendation_tables.print_customers(customers)


@app.command()
def publish(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Publish the current recommendations."""
    published = pipeline.publish_copy(load_settings(warehouse=warehouse))
    _print_published(published, as_json)


@app.command("published")
def show_published(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Show which published copy is live, with its data and model."""
    # Opening the copy also checks that its file still exists.
    with ServingCopy(load_settings(warehouse=warehouse)) as copy:
        _print_published(copy.published, as_json)


def _require_user_or_basket(user: str | None, basket: str | None) -> None:
    if (user is None) == (basket is None):
        raise typer.BadParameter("give either --user or --basket")


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
            console.print_line("model: none; all customers get popular products")
        else:
            trained = f" trained {published.trained_at:%Y-%m-%d %H:%M:%S} UTC" if published.trained_at else ""
            dataset = f" on dataset {published.dataset_hash[:16]}" if published.dataset_hash else ""
            console.print_line(f"model: {published.run_id},{trained}{dataset}")
        console.print_table("Tables", [{"table": name, "rows": count} for name, count in published.rows.items()])
