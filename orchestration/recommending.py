"""Answers to `recomart recommend`: a known customer's stored list, or a fresh one for a basket."""

from dataclasses import dataclass, field

import pandas as pd

from warehouse.errors import RecomartError
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
        notes.append(f"there are {len(products)} to show: no more are on sale, or dbt's variable top_n keeps no more")
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
        # The model does not know what is on sale: ask for everything, keep the best that is.
        answer = recommender.recommend(basket=basket, n=len(recommender.products))
        facts = copy.products([item.product_id for item in answer.items] + basket).set_index("product_id")
    on_sale = set(facts.index[facts["is_available"]])
    best = [item for item in answer.items if item.product_id in on_sale][:n]
    rows = []
    for rank, item in enumerate(best, start=1):
        known = facts.loc[item.product_id].to_dict()
        because = facts["product_name"].get(item.reason_product_id, item.reason_product_id)
        rows.append({
            "rank": rank,
            "product_id": item.product_id,
            **{name: known.get(name) for name in ("product_name", "category", "brand", "price")},
            "score": item.score,
            "reason": f"Goes with {because}" if because else "Popular",
        })  # fmt: skip
    notes = (
        [f"not known to the model, left out: {', '.join(answer.unknown_products)}"] if answer.unknown_products else []
    )
    return Recommendations(f"Top {len(rows)} for the basket {', '.join(basket)}", pd.DataFrame(rows), notes)
