"""Commands that show recommendations and similar products, and explain scores."""

from typing import Annotated

import typer

from apps.cli import console, recommendation_tables
from apps.cli.options import Json, Warehouse, load_settings
from apps.recommendations.recommendation_lists import RecommendationList
from apps.recommendations.recommendation_queries import RecommendationQueries
from warehouse.formatting import format_count
from warehouse.publishing.placement_queries import get_placement

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
    product: Annotated[
        str | None, typer.Option(help="Product id, for the list of its page.", callback=_validate_id)
    ] = None,
    category: Annotated[str | None, typer.Option(help="Category, in any casing.", callback=_validate_id)] = None,
    placement: Annotated[
        str | None,
        typer.Option(
            help="Place of the shop (seed placements); by default home, basket, product_page or popular_in_category."
        ),
    ] = None,
    n: ListLength = 10,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show recommendations for a customer, a basket, a product's page or a category.

    Popular products are shown for an unknown customer or product and for a basket without a known product.
    """
    owners = {"home": user, "basket": basket, "product_page": product, "popular_in_category": category}
    given_owners = {name: owner for name, owner in owners.items() if owner is not None}
    if len(given_owners) != 1:
        raise typer.BadParameter("give one of --user, --basket, --product and --category")
    ((default_placement, owner),) = given_owners.items()
    with RecommendationQueries(load_settings(warehouse=warehouse)) as queries:
        declared_placement = get_placement(queries.serving_copy, placement or default_placement)
        if basket is not None and declared_placement.list_kind == "basket":
            products = _split_basket(basket)
            owner = f"the basket {', '.join(products)}"
            recommendations = queries.recommend_for_basket(products, n, placement=declared_placement.placement)
        else:
            owner = f"customer {user}" if user is not None else owner
            recommendations = queries.recommend_for_placement(
                declared_placement, n, user_id=user, product_id=product, category=category and category.lower()
            )
    title = f"Top {len(recommendations.recommendations)} for {owner}"
    if placement is not None:
        title = f"{title}, placement {placement}"
    _print_recommendations(title, recommendations, as_json)


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
