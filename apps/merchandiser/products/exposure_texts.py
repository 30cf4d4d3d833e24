"""The answer in words: what the lists show too much, too little and never."""

from collections.abc import Mapping, Sequence

from apps.merchandiser.markdown import shorten_text
from warehouse.formatting import format_count
from warehouse.publishing.product_queries import OVER_SHOWN_RATIO, ExposureSummary

OVER_SHOWN = "Shown too much"
"""Label of the list of products that are shown too much."""

WITHOUT_SALES_TEXT = "Without sales in the last 28 days, it is unknown what is shown too much."

MAX_NAMED_VALUES = 5
MAX_NAME_LENGTH = 40
PLURALS = {"category": "categories", "brand": "brands"}


def describe_exposure(summary: ExposureSummary) -> str:
    """Return what the lists show too much, too little and never, as a text without Markdown."""
    never_shown = summary.never_shown_product_count
    excluded = summary.product_count - summary.recommendable_product_count
    parts = [
        f"Of {format_count(summary.product_count, 'product')}, {summary.recommendable_product_count:,} can be in a "
        f"list{f'; {excluded:,} are not available or blocked' if excluded else ''}. "
        f"{never_shown:,} of these {summary.recommendable_product_count:,} "
        f"{'is' if never_shown == 1 else 'are'} never shown."
    ]
    if summary.over_shown_product_count is None:
        parts.append(WITHOUT_SALES_TEXT)
        return " ".join(parts)
    products = format_count(summary.over_shown_product_count, "product has", "products have")
    parts.append(
        f"{OVER_SHOWN}: {products} at least {OVER_SHOWN_RATIO} times as large a share of the places 1 to 10 as of the "
        f"sales; {_describe_values(summary.over_shown_values)}."
    )
    parts.append(f"The reverse, shown too little: {_describe_values(summary.under_shown_values)}.")
    return " ".join(parts)


def _describe_values(values_by_facet: Mapping[str, Sequence[str]]) -> str:
    texts = []
    for facet, values in values_by_facet.items():
        names = [shorten_text(value, MAX_NAME_LENGTH) for value in values[:MAX_NAMED_VALUES]]
        more = f" and {len(values) - MAX_NAMED_VALUES:,} more" if len(values) > MAX_NAMED_VALUES else ""
        noun = facet if len(values) == 1 else PLURALS[facet]
        texts.append(f"{noun} {', '.join(names)}{more}" if names else f"no {facet}")
    return ", ".join(texts) if not any(values_by_facet.values()) else "; ".join(texts)
