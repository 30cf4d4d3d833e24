"""Queries of the published copy about placements: their settings, and the lists that were made for them."""

from dataclasses import dataclass

import pandas as pd

from warehouse.errors import RecomartError
from warehouse.formatting import format_names
from warehouse.publishing.serving_copy import ServingCopy

HOME = "home"
"""The placement of the customers' lists in `rec_top_n`."""

USER_KINDS = ("personal", "home", "bought", "viewed")
"""Kinds of lists that are of a customer."""

CATEGORY_KINDS = ("new", "popular")
"""Kinds of lists that are of a category: the given one, or a customer's favourite one."""


class UnknownPlacementError(RecomartError):
    """A placement is not declared, or its lists are not of what was given."""


@dataclass(frozen=True)
class Placement:
    """A place of the shop that shows lists; a row of `rec_placements`."""

    placement: str
    title: str
    list_kind: str
    list_length: int
    max_per_category: int | None
    fallback: str | None

    def check_owner(self, user_id: str | None, product_id: str | None, category: str | None) -> None:
        """Check that a list of the placement is of what is given.

        Raises:
            UnknownPlacementError: It is of something else.
        """
        if self.list_kind == "basket":
            owner = "a basket"
        elif self.list_kind in USER_KINDS:
            owner = "" if user_id is not None and product_id is None and category is None else "a customer"
        elif self.list_kind in CATEGORY_KINDS:
            owner = "" if product_id is None else "a category, or of a customer with a favourite one"
        else:
            owner = "" if product_id is not None and category is None else "a product"
        if owner:
            raise UnknownPlacementError(f"placement '{self.placement}' shows a list of {owner}. Use another placement")


OLD_PLACEMENTS = (
    Placement(HOME, "Home page", "personal", 1000, None, "popular"),
    Placement("product_page", "Product page", "similar", 1000, None, "popular"),
    Placement("basket", "Basket", "basket", 1000, None, "popular"),
)
"""The placements of a copy that an earlier version of RecoMart published."""


def list_placements(copy: ServingCopy) -> list[Placement]:
    """Return the placements of a copy: the one of the customers' lists, then the others by title."""
    if "rec_placements" not in copy.published.rows:
        return list(OLD_PLACEMENTS)
    placements = [
        Placement(
            str(row["placement"]),
            # A copy that an earlier version of RecoMart published has no titles.
            str(row["placement"] if pd.isna(row.get("title")) else row["title"]),
            str(row["list_kind"]),
            int(row["list_length"]),
            None if pd.isna(row["max_per_category"]) else int(row["max_per_category"]),
            None if pd.isna(row["fallback"]) else str(row["fallback"]),
        )
        for row in copy.query_frame("select * from rec_placements").to_dict("records")
    ]
    return sorted(placements, key=lambda placement: (placement.placement != HOME, placement.title))


def get_placement(copy: ServingCopy, name: str) -> Placement:
    """Return a placement by its name.

    Raises:
        UnknownPlacementError: The copy has no such placement.
    """
    placements = list_placements(copy)
    for placement in placements:
        if placement.placement == name:
            return placement
    names = format_names([placement.placement for placement in placements])
    raise UnknownPlacementError(
        f"there is no placement '{name}'. Use {names}, or declare it in dbt_project/seeds/placements.csv"
    )


def read_placement_list(
    copy: ServingCopy,
    placement: Placement,
    *,
    user_id: str | None = None,
    product_id: str | None = None,
    category: str | None = None,
    rule_set: str | None = None,
) -> pd.DataFrame:
    """Return a list of a placement, best first; rows of `rec_placement_lists`.

    A list of a customer follows the rules of the customer. A list of a product or category follows those of the rule
    set, and of no favourite category.
    """
    if placement.list_kind in USER_KINDS:
        return copy.query_frame(
            "select * from rec_placement_lists where placement = ? and user_id = ? order by rank",
            placement.placement,
            user_id,
        )
    return copy.query_frame(
        """
        select *
        from rec_placement_lists
        where
            placement = ? and rule_profile = ?
            and list_product_id is not distinct from ? and list_category is not distinct from ?
        order by rank
        """,
        placement.placement,
        copy.get_rule_profile(placement.placement, rule_set),
        product_id,
        category,
    )


def list_categories(copy: ServingCopy, placement: str) -> list[str | None]:
    """Return the categories with a list of a placement, by name; first None if all categories have a list together."""
    rows = copy.query_frame(
        """
        select distinct list_category
        from rec_placement_lists
        where placement = ? and user_id is null and list_product_id is null
        order by list_category nulls first
        """,
        placement,
    )
    return [None if pd.isna(category) else str(category) for category in rows["list_category"]]


def find_list_category(copy: ServingCopy, placement: Placement, user_id: str | None) -> str | None:
    """Return the favourite category of a customer if the placement has a list of it, None otherwise."""
    if user_id is None:
        return None
    rows = copy.query_frame(
        """
        select favourite_category
        from dim_users
        where user_id = ? and favourite_category in (
            select list_category from rec_placement_lists where placement = ?
        )
        """,
        user_id,
        placement.placement,
    )
    return None if rows.empty else str(rows["favourite_category"].iloc[0])
