"""Links to the form of a new rule, which set its kind and its products."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import streamlit as st

from apps.merchandiser.page_list import show_page_link
from warehouse.rules.rule import RuleKind

LinkScope = Literal["product", "brand", "category"]

KIND_PARAM = "rule_kind"
VALUE_PARAMS: Mapping[LinkScope, str] = {
    "product": "rule_product",
    "brand": "rule_brand",
    "category": "rule_category",
}
"""Query parameters of the value of each scope."""


class FormLink(NamedTuple):
    """What a link sets in the form; the texts of an address can be wrong."""

    kind: str | None
    scope: LinkScope | None
    value: str | None


def show_form_link(label: str, kind: RuleKind, scope: LinkScope, value: str) -> None:
    """Show a link to the form of a rule of a kind, for a product, a brand or a category. The label is Markdown."""
    show_page_link("rules", label, {"rules_section": "Add a rule", KIND_PARAM: kind, VALUE_PARAMS[scope]: value})


def pop_form_link() -> FormLink | None:
    """Return what the address sets and remove it from the address; None without parameters of the form."""
    params = {
        name: st.query_params.pop(name) for name in (KIND_PARAM, *VALUE_PARAMS.values()) if name in st.query_params
    }
    if not params:
        return None
    scope = next((scope for scope, name in VALUE_PARAMS.items() if name in params), None)
    return FormLink(params.get(KIND_PARAM), scope, None if scope is None else params[VALUE_PARAMS[scope]])
