"""The fields of a merchandising rule, and their checks."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from warehouse.errors import RecomartError
from warehouse.validation_messages import locate_problem

RuleKind = Literal["block", "pin", "boost", "bury", "promote", "cap", "repurchase", "fatigue"]
RuleScope = Literal["product", "brand", "category", "price", "new"]

Selection = tuple[RuleScope, str]
"""Scope and value of a rule; prices and new products, and all other brands or categories, have the value ''."""

SCOPES_BY_KIND: Mapping[RuleKind, tuple[RuleScope, ...]] = {
    "block": ("product", "brand", "category", "price", "new"),
    "pin": ("product",),
    "boost": ("product", "brand", "category", "price", "new"),
    "bury": ("product", "brand", "category", "price", "new"),
    "promote": ("product", "brand", "category", "price", "new"),
    "cap": ("category", "brand"),
    "repurchase": ("category",),
    "fatigue": ("category",),
}

NUMBER_BY_KIND: Mapping[RuleKind, str] = {
    "pin": "position",
    "boost": "factor",
    "bury": "factor",
    "promote": "every",
    "cap": "max_products",
    "repurchase": "after_days",
    "fatigue": "max_impressions",
}
"""The field with the number of each kind of rule."""

SCOPES_WITH_VALUE: tuple[RuleScope, ...] = ("product", "brand", "category")
"""Scopes that name a product, a brand or a category."""

KINDS_WITHOUT_VALUE = ("cap", "repurchase", "fatigue")
"""Kinds whose rule without a value is for all categories or brands without a rule of their own."""

KINDS_WITHOUT_PLACEMENTS = ("repurchase", "fatigue")
"""Kinds that depend on the history of a customer, and not on the place that shows the list."""

DAY_NAMES = {"valid_from": "first_day", "valid_until": "last_day"}
"""Names in messages, options and files of the fields that hold days."""


class ProductSelection(NamedTuple):
    """A way to select the products of a rule."""

    scope: RuleScope
    is_for_others: bool = False
    """Whether the rule is for all brands or categories without a rule of their own."""


def list_selections(kind: RuleKind) -> list[ProductSelection]:
    """Return the ways in which a rule of a kind can select its products."""
    scopes = SCOPES_BY_KIND[kind]
    others = scopes if kind in KINDS_WITHOUT_VALUE else ()
    return [*map(ProductSelection, scopes), *(ProductSelection(scope, is_for_others=True) for scope in others)]


class RuleFieldError(RecomartError):
    """A field of a rule is wrong."""

    def __init__(self, location: str, field: str, problem: str) -> None:
        super().__init__(f"{location}: {f'{field}: ' if field else ''}{problem}. Correct the rule")
        self.field = field
        """Name of the field; empty if it is unknown."""
        self.problem = problem
        """What is wrong, without the name of the field."""


class Rule(BaseModel):
    """A merchandising rule; docs/merchandising_rules.md describes the kinds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: RuleKind
    """What the rule does: block, pin, boost, bury, promote, cap, repurchase or fatigue."""
    scope: RuleScope
    """What selects the products: one product, a brand, a category, a range of prices, or new products."""
    value: str | None = None
    """Product id, brand or category; none for all brands or categories, and for prices and new products."""
    min_price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Lowest price of the products."""
    max_price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Price that the products are below."""
    max_age_days: int | None = Field(default=None, ge=1, le=3650)
    """Number of days in which the products were first seen."""
    position: int | None = Field(default=None, ge=1, le=1000)
    """Position of a pinned product in the list, from 1."""
    factor: float | None = Field(default=None, gt=1, le=100)
    """Factor by which a boost divides the rank of a product, or a bury multiplies it."""
    every: int | None = Field(default=None, ge=2, le=1000)
    """A promoted product has at least each place whose rank is a multiple of this number."""
    max_products: int | None = Field(default=None, ge=1, le=1_000_000)
    """Maximum number of products of the category or brand in a list; none for no cap where all others have one."""
    after_days: int | None = Field(default=None, ge=0, le=1_000_000)
    """Days from a purchase until the product may be recommended again; none for never where all others may."""
    max_impressions: int | None = Field(default=None, ge=1, le=1_000_000)
    """Impressions without an action after which a product goes behind the others; none for never where others do."""
    placements: tuple[str, ...] = ()
    """Placements of the rule; none for all."""
    favourite_category: str | None = None
    """Favourite category of the customers that the rule is for; none for all."""
    rule_set: str | None = None
    """Rule set of an experiment's arm that the rule is for; none for all lists."""
    valid_from: date | None = None
    """First day (UTC); none for no limit."""
    valid_until: date | None = None
    """Day after the last day (UTC); none for no limit."""
    reason: str | None = None
    """Reason of the rule, for colleagues."""
    is_draft: bool = False
    """Whether the rule changes no list until it is submitted."""
    is_stopped: bool = False
    """Whether the rule was stopped before its last day."""

    @field_validator("value", "favourite_category", "rule_set", "reason")
    @classmethod
    def _strip(cls, text: str | None) -> str | None:
        return text.strip() or None if text is not None else None

    @model_validator(mode="after")
    def _check(self) -> Self:
        scopes = SCOPES_BY_KIND[self.kind]
        if self.scope not in scopes:
            raise ValueError(
                f"scope: a rule of kind {self.kind} selects products by {' or '.join(scopes)}, not {self.scope}"
            )
        if self.kind in KINDS_WITHOUT_PLACEMENTS and self.placements:
            raise ValueError(
                f"placements: a rule of kind {self.kind} has none: it is for customers, not for a place of the shop"
            )
        self._check_selection()
        self._check_number()
        if self.valid_from is not None and self.valid_until is not None and self.valid_until <= self.valid_from:
            raise ValueError("last_day: it is before the first day")
        return self

    def _check_selection(self) -> None:
        has_value = self.scope in SCOPES_WITH_VALUE
        if has_value and self.value is None and self.kind not in KINDS_WITHOUT_VALUE:
            raise ValueError(f"value: the rule names no {self.scope}")
        if not has_value and self.value is not None:
            raise ValueError(f"value: a rule with scope {self.scope} has none")
        has_price = self.min_price is not None or self.max_price is not None
        if has_price != (self.scope == "price"):
            raise ValueError("min_price: a rule with scope price has min_price or max_price, and no other rule has")
        if self.min_price is not None and self.max_price is not None and self.max_price <= self.min_price:
            raise ValueError("max_price: it is not above min_price")
        if (self.max_age_days is not None) != (self.scope == "new"):
            raise ValueError("max_age_days: a rule with scope new has it, and no other rule has")

    def _check_number(self) -> None:
        number = NUMBER_BY_KIND.get(self.kind)
        for name in sorted(set(NUMBER_BY_KIND.values())):
            if name != number and getattr(self, name) is not None:
                raise ValueError(f"{name}: a rule of kind {self.kind} has none")
        # A cap or repurchase rule without a number lifts the rule for all others.
        is_optional = self.kind in KINDS_WITHOUT_VALUE and self.value is not None
        if number is not None and getattr(self, number) is None and not is_optional:
            raise ValueError(f"{number}: a rule of kind {self.kind} needs it")

    def describe(self) -> str:
        """Return what the rule does, in a few words."""
        factor = "" if self.factor is None else f"{self.factor:g}"
        action = {
            "block": "block",
            "pin": f"pin at position {self.position}",
            "boost": f"boost by factor {factor}",
            "bury": f"bury by factor {factor}",
            "promote": f"promote at least every {self.every}. place:",
            "cap": f"at most {self.max_products} products of" if self.max_products else "no cap for",
            "repurchase": (
                "never recommend again after a purchase:"
                if self.after_days is None
                else f"recommend again {self.after_days} days after a purchase:"
            ),
            "fatigue": (
                "never put behind the others:"
                if self.max_impressions is None
                else f"put behind the others after {self.max_impressions} impressions without an action:"
            ),
        }[self.kind]
        return f"{action} {self.describe_products()}"

    def describe_products(self) -> str:
        """Return which products the rule selects."""
        if self.scope == "price":
            return " and ".join(
                text
                for text in (
                    f"prices from {self.min_price:g}" if self.min_price is not None else "",
                    f"prices below {self.max_price:g}" if self.max_price is not None else "",
                )
                if text
            )
        if self.scope == "new":
            return f"products first seen in the last {self.max_age_days} days"
        if self.value is None:
            return f"each other {self.scope}"
        return f"{self.scope} {self.value}"

    def describe_lists(self) -> str:
        """Return which lists the rule is for."""
        parts = [
            f"placements {', '.join(self.placements)}" if self.placements else "all placements",
            f"favourite category {self.favourite_category}" if self.favourite_category else "",
            f"rule set {self.rule_set}" if self.rule_set else "",
        ]
        return ", ".join(part for part in parts if part)

    @property
    def is_enabled(self) -> bool:
        """Whether the rule is neither a draft nor stopped."""
        return not self.is_draft and not self.is_stopped

    @property
    def last_day(self) -> date | None:
        """The last day (UTC) of the rule; None for no limit."""
        return self.valid_until - timedelta(days=1) if self.valid_until else None

    @property
    def selection(self) -> Selection:
        """Scope and value; brands and categories match in any casing and are in lower case, product ids are exact."""
        value = self.value or ""
        return self.scope, value if self.scope == "product" else value.lower()

    def has_common_days(self, other: Self) -> bool:
        """Return whether there is a day on which both rules hold."""
        starts = [rule.valid_from for rule in (self, other) if rule.valid_from is not None]
        ends = [rule.valid_until for rule in (self, other) if rule.valid_until is not None]
        return not starts or not ends or max(starts) < min(ends)


def end_after(last_day: date, location: str) -> date:
    """Return the day after the last day of a rule, on which it no longer holds.

    Raises:
        RuleFieldError: The calendar has no such day; the message begins with the location.
    """
    if last_day == date.max:
        raise RuleFieldError(location, "last_day", f"{last_day} is too late. A rule without an end has none")
    return last_day + timedelta(days=1)


def parse_rule(fields: Mapping[str, object], location: str) -> Rule:
    """Return a rule.

    Raises:
        RuleFieldError: A field is wrong; the message begins with the location.
    """
    try:
        return Rule.model_validate(fields)
    except ValidationError as error:
        name, problem = locate_problem(error.errors()[0], Rule, "field")
        raise RuleFieldError(location, DAY_NAMES.get(name, name), problem) from error
