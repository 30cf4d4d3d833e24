"""The form of a new rule: the kind decides which fields it has."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import streamlit as st

from apps.merchandiser.amounts import parse_amount
from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.placements.placement_picker import get_placement_titles
from apps.merchandiser.products.product_choice import choose_found_product
from apps.merchandiser.rules.form_link import pop_form_link
from apps.merchandiser.rules.rule_labels import (
    FIELD_LABELS,
    KIND_LABELS,
    NUMBER_DEFAULTS,
    NUMBER_HELP,
    NUMBER_PLACEHOLDERS,
    SELECTION_LABELS,
)
from warehouse.change_log import MAX_CHANGE_TEXT_LENGTH
from warehouse.errors import RecomartError
from warehouse.publishing.audience_queries import list_favourite_categories
from warehouse.publishing.published_rules import check_rule_values, list_facet_values
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import (
    KINDS_WITHOUT_PLACEMENTS,
    NUMBER_BY_KIND,
    SCOPES_WITH_VALUE,
    ProductSelection,
    Rule,
    RuleFieldError,
    RuleKind,
    end_after,
    list_selections,
)
from warehouse.rules.rule_store import get_today, parse_new_rule

FIELD_WIDTH = 260
DEFAULT_KIND: RuleKind = "block"
"""Kind of a rule when a link to the form has none."""
FORM_KEY_PREFIX = "rule_form_"
NUMBER_KEY = "rule_form_number"

NO_END = "Until stopped"
LENGTHS_IN_DAYS: Mapping[str, int] = {"1 week": 7, "2 weeks": 14}
"""Lengths of rules that begin today, by their labels."""
OTHER_DAYS = "Other days"


def show_rule_form(copy: ServingCopy) -> tuple[Rule | None, list[str]]:
    """Show the form; return its rule, or None and what is wrong."""
    _follow_address(copy)
    problems: list[str] = []

    def read(name: str, read_field: Callable[[], Any]) -> Any:
        try:
            return read_field()
        except RecomartError as error:
            problems.append(f"{FIELD_LABELS[name]}: {error}")
            return None

    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            kind = _choose_kind()
            selection = _choose_selection(list_selections(kind))
        fields: dict[str, Any] = {"kind": kind, "scope": selection.scope}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            fields |= _show_product_fields(copy, selection, read)
            number = NUMBER_BY_KIND.get(kind)
            if number is not None:
                fields[number] = read(number, lambda: _ask_number(number, NUMBER_HELP[number]))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            fields |= _show_list_fields(copy, has_placements=kind not in KINDS_WITHOUT_PLACEMENTS)
        fields["reason"] = st.text_input(
            FIELD_LABELS["reason"],
            key=_make_key("reason"),
            max_chars=MAX_CHANGE_TEXT_LENGTH,
            placeholder="Why, for colleagues",
            width=FIELD_WIDTH * 2,
            persist_state="session",
        )
    return (None, problems) if problems else _make_rule(copy, fields, selection)


def clear_form() -> None:
    """Empty the form, before it is shown."""
    state = st.session_state
    for key in [key for key in state if str(key).startswith(_make_key(""))]:
        del state[key]
    # With the same keys, the browser would send the texts of before again.
    state[NUMBER_KEY] = state.get(NUMBER_KEY, 0) + 1


def _follow_address(copy: ServingCopy) -> None:
    """Set the kind and the products of a link, before the form is shown; show a message about a wrong link."""
    link = pop_form_link()
    if link is None:
        return
    clear_form()
    state = st.session_state
    kind = next((name for name in KIND_LABELS if name == (link.kind or DEFAULT_KIND)), None)
    selections = [] if kind is None else list_selections(kind)
    has_known_value = link.scope in (None, "product") or link.value in query_once(list_facet_values, copy, link.scope)
    if kind is None or not has_known_value or not (link.scope is None or ProductSelection(link.scope) in selections):
        text = shorten_text(" ".join(filter(None, link)), 100)
        st.warning(
            f"The form has no fields for the link “{escape_markdown(text)}”. Fill in the form.",
            icon=":material/link_off:",
        )
        return
    state[_make_key("kind")] = kind
    if link.scope is not None:
        state[_make_selection_key(selections)] = ProductSelection(link.scope)
        state[_make_key("product_search" if link.scope == "product" else link.scope)] = link.value


def _make_rule(copy: ServingCopy, fields: dict[str, Any], selection: ProductSelection) -> tuple[Rule | None, list[str]]:
    if fields.get("value") is None and not selection.is_for_others and selection.scope in SCOPES_WITH_VALUE:
        return None, [f"{FIELD_LABELS[selection.scope]}: it is missing. Choose one"]
    try:
        rule = parse_new_rule(fields, "rule")
        check_rule_values(copy, rule)
    except RuleFieldError as error:
        return None, [f"{FIELD_LABELS.get(error.field, error.field)}: {error.problem}. Correct the field"]
    except RecomartError as error:
        return None, [str(error)]
    return rule, []


def _choose_kind() -> RuleKind:
    return st.selectbox(
        FIELD_LABELS["kind"],
        list(KIND_LABELS),
        format_func=lambda name: KIND_LABELS[name],
        key=_make_key("kind"),
        width=400,
        persist_state="session",
    )


def _choose_selection(selections: list[ProductSelection]) -> ProductSelection:
    return st.selectbox(
        FIELD_LABELS["scope"],
        selections,
        format_func=lambda selection: SELECTION_LABELS[selection],
        # Each set of selections is a field of its own, which begins at the first one.
        key=_make_selection_key(selections),
        width=FIELD_WIDTH,
        persist_state="session",
    )


def _show_product_fields(
    copy: ServingCopy, selection: ProductSelection, read: Callable[[str, Callable[[], Any]], Any]
) -> dict[str, Any]:
    """Show the fields that select the products; return their fields of the rule."""
    if selection.is_for_others:
        return {}
    match selection.scope:
        case "product":
            return {"value": choose_found_product(copy, "Product", _make_key("product"))}
        case "brand" | "category":
            return {"value": _choose(selection.scope, query_once(list_facet_values, copy, selection.scope))}
        case "price":
            return {
                "min_price": read("min_price", lambda: _ask_number("min_price")),
                "max_price": read("max_price", lambda: _ask_number("max_price")),
            }
        case "new":
            return {"max_age_days": read("max_age_days", lambda: _ask_number("max_age_days"))}


def _show_list_fields(copy: ServingCopy, *, has_placements: bool) -> dict[str, Any]:
    """Show the fields for the lists and the days of the rule; return their fields of the rule."""
    placements: list[str] = []
    if has_placements:
        titles = get_placement_titles(copy)
        placements = st.multiselect(
            FIELD_LABELS["placements"],
            list(titles),
            format_func=lambda name: titles.get(name, name),
            placeholder="All",
            key=_make_key("placements"),
            width=FIELD_WIDTH,
            persist_state="session",
        )
    category = _choose("favourite_category", query_once(list_favourite_categories, copy), "Any")
    return {"placements": placements, "favourite_category": category, **_show_day_fields()}


def _show_day_fields() -> dict[str, Any]:
    """Show the choice of the rule's days; return their fields of the rule."""
    choice = st.segmented_control(
        FIELD_LABELS["days"],
        [NO_END, *LENGTHS_IN_DAYS, OTHER_DAYS],
        default=NO_END,
        required=True,
        key=_make_key("days"),
        persist_state="session",
    )
    first_day: date | None = None
    last_day: date | None = None
    if choice in LENGTHS_IN_DAYS:
        # A week includes its first and its last day.
        last_day = get_today() + timedelta(days=LENGTHS_IN_DAYS[choice] - 1)
        st.caption(f"Last day: {last_day:%a} {last_day.day} {last_day:%b %Y} (UTC)", width="content")
    elif choice == OTHER_DAYS:
        first_day, last_day = (
            st.date_input(FIELD_LABELS[name], value=None, key=_make_key(name), width=180, persist_state="session")
            for name in ("first_day", "last_day")
        )
    return {"valid_from": first_day, "valid_until": None if last_day is None else end_after(last_day, "rule")}


def _choose(name: str, options: list[str], placeholder: str = "Choose one") -> str | None:
    return st.selectbox(
        FIELD_LABELS[name],
        options,
        index=None,
        placeholder=placeholder,
        key=_make_key(name),
        width=FIELD_WIDTH,
        persist_state="session",
    )


def _ask_number(name: str, help_text: str | None = None) -> float | None:
    text = st.text_input(
        FIELD_LABELS[name],
        NUMBER_DEFAULTS.get(name, ""),
        key=_make_key(name),
        help=help_text,
        placeholder=NUMBER_PLACEHOLDERS.get(name),
        width=FIELD_WIDTH,
        persist_state="session",
    )
    return parse_amount(text)


def _make_selection_key(selections: Sequence[ProductSelection]) -> str:
    return _make_key("selection_" + "_".join(f"{scope}{is_for_others:d}" for scope, is_for_others in selections))


def _make_key(name: str) -> str:
    return f"{FORM_KEY_PREFIX}{st.session_state.get(NUMBER_KEY, 0)}_{name}"
