"""Tables of recommendations and explanations."""

from apps.cli.console import print_line, print_table, to_records
from apps.recommendations.recommendation_lists import Explanation, RecommendationList


def print_recommendations(title: str, recommendations: RecommendationList) -> None:
    """Print recommendations with their reasons, then the notes."""
    columns = ["rank", "product_id", "product_name", "category", "brand", "price", "score", "reason"]
    print_table(title, to_records(recommendations.recommendations), columns)
    for note in recommendations.notes:
        print_line(note)
    if recommendations.experiment is not None:
        print_line(f"experiment '{recommendations.experiment}', arm '{recommendations.arm}'")


def print_explanation(explanation: Explanation) -> None:
    """Print a score and the contributions that add up to it."""
    product = f"{explanation.product_name or ''} ({explanation.product_id})".strip()
    if explanation.score is not None:
        print_line(f"{product}: score {explanation.score:.4f}, the sum of these contributions:\n")
        print_table("Contributions of past products", to_records(explanation.contributions))
        if len(explanation.feature_contributions):
            print_table("Contributions of the customer's features", to_records(explanation.feature_contributions))
    for note in explanation.notes:
        print_line(note)
