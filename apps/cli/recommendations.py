"""Commands that show recommendations and similar products, and explain scores."""

from typing import Annotated

import typer

from apps.cli import console, recommendation_tables
from apps.cli.options import Json, Warehouse, load_settings
from apps.recommendation_queries import RecommendationList, RecommendationQueries
from warehouse.formatting import format_count

app = typer.Typer()


def _validate_id(value: str | None) -> str | None:
    if value == "":
        raise typer.BadParameter("an id must have at least one character")
    return value


UserOption = Annotated[str | None, typer.Option(help="Customer id.", callback=_validate_id)]
BasketOption = Annotated[str | None, typer.Option(help="Product ids separated by commas, instead of a customer id.")]
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

    Popular products are shown for an unknown customer and for a basket without a known product.
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
    """Show how much each product of a history or basket adds to a product's score."""
    _require_user_or_basket(user, basket)
    with RecommendationQueries(load_settings(warehouse=warehouse)) as queries:
        explanation = queries.explain(product, user_id=user, basket=None if user is not None else _split_basket(basket))
    if as_json:
        console.print_json(explanation)
    else:
        recommendation_tables.print_explanation(explanation)


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
