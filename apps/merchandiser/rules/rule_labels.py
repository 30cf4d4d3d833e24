"""Labels of the kinds, the product selections and the fields of rules."""

from collections.abc import Mapping

from warehouse.rules.rule import ProductSelection, RuleKind

KIND_LABELS: Mapping[RuleKind, str] = {
    "block": "Block: never recommend the products",
    "pin": "Pin: put a product at a fixed position",
    "boost": "Boost: move the products up",
    "bury": "Bury: move the products down",
    "promote": "Promote: give the products at least every n-th place",
    "cap": "Cap: limit the products of a brand or category in a list",
    "repurchase": "Repurchase: recommend bought products again after some days",
    "fatigue": "Fatigue: put products behind the others that a customer saw often without an action",
}

SELECTION_LABELS: Mapping[ProductSelection, str] = {
    ProductSelection("product"): "One product",
    ProductSelection("brand"): "Products of a brand",
    ProductSelection("category"): "Products of a category",
    ProductSelection("price"): "Products in a price band",
    ProductSelection("new"): "New products",
    ProductSelection("brand", is_for_others=True): "Each brand without a rule of its own",
    ProductSelection("category", is_for_others=True): "Each category without a rule of its own",
}

NUMBER_HELP: Mapping[str, str] = {
    "position": "From 1, the first place of the list.",
    "factor": (
        "A higher factor moves the products further: a boost divides the rank in the model's ranking by it, a bury "
        "multiplies the rank by it."
    ),
    "every": "From 2: with 3, at least every third place has one of the products.",
    "max_products": "An empty field means no cap, where all others have one.",
    "after_days": "An empty field means never, where all others may be recommended again.",
    "max_impressions": "An empty field means never, where all others step back.",
}
"""Explanations of the number of each kind."""

NUMBER_PLACEHOLDERS: Mapping[str, str] = {"factor": "Above 1, such as 2"}
"""Texts in empty fields of numbers."""

NUMBER_DEFAULTS: Mapping[str, str] = {"factor": "2"}
"""Texts with which fields of numbers begin."""

FIELD_LABELS: Mapping[str, str] = {
    "kind": "What the rule does",
    "scope": "Products",
    "value": "Products",
    "product": "Product",
    "brand": "Brand",
    "category": "Category",
    "min_price": "Price from",
    "max_price": "Price below",
    "max_age_days": "First seen in the last (days)",
    "position": "Position",
    "factor": "Factor",
    "every": "Every n-th place",
    "max_products": "Products in a list at most",
    "after_days": "Days after a purchase",
    "max_impressions": "Impressions without an action",
    "placements": "Placements",
    "favourite_category": "Favourite category of the customers",
    "days": "Days",
    "first_day": "First day (UTC)",
    "last_day": "Last day, included (UTC)",
    "reason": "Reason",
}
