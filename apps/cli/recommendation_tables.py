"""TODO."""

import pandas as pd

from apps.cli.console import print_table, say, to_records
from apps.recommendation_queries import Explanation, Offers


def print_offers(title: str, offers: Offers) -> None:
    """Print a top list with its reasons."""
    columns = ["rank", "product_id", "product_name", "category", "brand", "price", "score", "reason"]
    # No score put there what is pinned.
    products = offers.products.assign(score=lambda rows: rows["score"].mask(rows["source"] == "pinned"))
    print_table(title, to_records(products), columns)
    for note in offers.notes:
        say(note)


def print_explanation(explanation: Explanation) -> None:
    """Print what a score is the sum of."""
    product = f"{explanation.product_name or ''} ({explanation.product_id})".strip()
    if explanation.score is not None:
        say(f"{product} scores {explanation.score:.4f}, the sum of these:\n")
        print_table("Past products", to_records(explanation.contributions))
    for note in explanation.notes:
        say(note)


def print_customers(customers: pd.DataFrame) -> None:
    """Print customers, one a line."""
    columns = ["user_id", "last_seen_at", "event_count", "purchase_count", "total_spend", "favourite_category"]
    print_table("Customers", to_records(customers), columns)
