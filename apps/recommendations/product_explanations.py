"""Explanations of a product's score for a customer or a basket."""

import pandas as pd

from apps.recommendations.arm_models import NO_LIST_POLICY, POPULARITY_POLICY, ArmModels
from apps.recommendations.recommendation_lists import Explanation, note_unknown_products
from models_ml.inference.baskets import Basket
from warehouse.publishing.serving_copy import ServingCopy


def explain_product(
    serving_copy: ServingCopy,
    arm_models: ArmModels,
    product_id: str,
    *,
    user_id: str | None = None,
    basket: Basket | None = None,
) -> Explanation:
    """Return what each past product of a customer or of a basket, and each feature, adds to a product's score.

    In an experiment, the model is that of the customer's arm.

    Raises:
        UnknownIdError: The product is unknown.
    """
    arm = arm_models.assign_arm(user_id)
    notes = []
    if arm is not None and arm.policy in (NO_LIST_POLICY, POPULARITY_POLICY):
        lists = "gets no recommendations" if arm.policy == NO_LIST_POLICY else "gets popular products"
        notes.append(
            f"customer '{user_id}' {lists} in arm '{arm.arm}' of experiment '{arm.experiment}'; the score is that "
            "of the published model"
        )
        arm = None
    # The published interactions, which the lists are scored with, may be newer than the model's training data.
    interactions = None if user_id is None else serving_copy.get_interactions(user_id)
    explanation = arm_models.get_recommender(arm).explain(
        product_id,
        user_id=user_id,
        basket=basket if interactions is None else interactions,
        repeat_scores=None if user_id is None else serving_copy.get_repeat_scores(user_id),
    )
    if explanation.unknown_products:
        notes.append(note_unknown_products(explanation.unknown_products))
    if explanation.source == "popularity":
        owner = "the basket" if user_id is None else f"customer '{user_id}'"
        notes.append(f"no past product of {owner} is known: there is no score to explain")
    past_products = [part.product_id for part in explanation.contributions]
    names = serving_copy.get_products([product_id, *past_products]).set_index("product_id")["product_name"]
    contributions = pd.DataFrame(
        {
            "product_id": past_products,
            "product_name": [names.get(product) for product in past_products],
            "contribution": [part.contribution for part in explanation.contributions],
        }
    )
    return Explanation(
        product_id,
        names.get(product_id),
        explanation.score,
        contributions,
        pd.DataFrame(
            [vars(part) for part in explanation.feature_contributions],
            columns=["feature", "value", "contribution"],
        ),
        is_fallback=explanation.source == "popularity",
        notes=notes,
    )
