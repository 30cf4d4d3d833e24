"""TODO."""

import pandas as pd

from apps.cli.console import print_line, print_table, to_records
from apps.recommendation_queries import Explanation, RecommendationList


def print_recommendations(title: str, recommendations: RecommendationList) -> None:
    """Print a top list with its reasons."""
    columns = ["rank", "product_id", "product_name", "category", "brand", "price", "score", "reason"]
    # No score put there what is pinned.
    products = recommendations.recommendations.assign(score=lambda rows: rows["score"].mask(rows["source"] == "pinned"))
    print_table(title, to_records(products), columns)
    for note in recommendations.notes:
        print_line(note)


def print_explanation(explanation: Explanation) -> None:
    """Print what a score is the sum of."""
    product = f"{explanation.product_name or ''} ({explanation.product_id})".strip()
    if explanation.score is not None:
        print_line(f"{product} scores {explanation.score:.4f}, the sum of these:\n")
        print_table("Past products", to_records(explanation.contributions))
    for note in explanation.notes:
        print_line(note)


def print_customers(customers: pd.DataFrame) -> None:
    """Print customers, one a line."""
    columns = ["user_id", "last_seen_at", "event_count", "purchase_count", "total_spend", "favourite_category"]
    print_table("Customers", to_records(customers), columns)
