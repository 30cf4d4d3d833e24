"""Answers to `recomart recommend`: a known customer's stored list, or a fresh one for a basket."""

from dataclasses import dataclass, field

import pandas as pd

from warehouse.errors import RecomartError
from warehouse.offer_rules import PINNED_REASON
from warehouse.serving import ServingCopy
from warehouse.settings import Settings


@dataclass(frozen=True)
class Recommendations:
    """A top list and what there is to say about it."""

    title: str
    products: pd.DataFrame
    """rank, product_id, product_name, category, brand, price, score, reason; best first."""

    notes: list[str] = field(default_factory=list)


def recommend_for_customer(settings: Settings, user_id: str, n: int) -> Recommendations:
    """The published list of a customer, the shop's rules applied.

    Raises:
        RecomartError: The customer does not exist, or nothing is published.
    """
    with ServingCopy(settings) as copy:
        copy.customer(user_id)
        products = copy.recommendations(user_id, n)
    notes = []
    if len(products) < n:
        notes.append(
            f"there are {len(products)} to show: the shop's rules leave no more, or dbt's variable top_n keeps no more"
        )
    return Recommendations(f"Top {len(products)} for customer {user_id}", products, notes)


def recommend_for_basket(settings: Settings, basket: list[str], n: int) -> Recommendations:
    """A list for somebody unknown, from the products at hand.

    Raises:
        RecomartError: Nothing is published, or no model has been trained.
        ModelError: None of the products is known to the model.
    """
    # torch takes a second to import, and every command imports this module.
    from models_ml.recommender import Recommender

    with ServingCopy(settings) as copy:
        run_id = copy.published.run_id
        if run_id is None:
            raise RecomartError("no model has been trained; run `recomart run` first")
        recommender = Recommender.load(settings.models_dir / run_id)
        # The model does not know the shop's rules: ask for everything, keep the best that they leave.
        answer = recommender.recommend(basket=basket, n=len(recommender.products))
        ranked = {item.product_id: item for item in answer.items}
        rules = copy.offer_rules()
        best = rules.best(ranked, n, without=basket)
        facts = copy.products([*ranked, *best, *basket]).set_index("product_id")
    rows = []
    for rank, product_id in enumerate(best, start=1):
        item = ranked.get(product_id)
        because = item and facts["product_name"].get(item.reason_product_id, item.reason_product_id)
        reason = f"Goes with {because}" if because else "Popular"
        rows.append({
            "rank": rank,
            "product_id": product_id,
            **facts.loc[product_id, ["product_name", "category", "brand", "price"]].to_dict(),
            "score": item and item.score,
            "reason": PINNED_REASON if rules.is_pinned(product_id) else reason,
        })  # fmt: skip
    notes = (
        [f"not known to the model, left out: {', '.join(answer.unknown_products)}"] if answer.unknown_products else []
    )
    return Recommendations(f"Top {len(rows)} for the basket {', '.join(basket)}", pd.DataFrame(rows), notes)
