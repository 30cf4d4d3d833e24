"""Commands for the merchandising rules."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from apps.cli import console
from apps.cli.options import Json, Warehouse, load_settings
from apps.cli.rule_files import read_rule_file
from orchestration.steps import apply_rules
from warehouse.accounts import get_account_name
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import POINTER_FILE
from warehouse.publishing.published_rules import (
    check_rule_values,
    describe_unknown_placements,
    list_wider_selections,
    read_applied_changes,
)
from warehouse.publishing.rule_preview import preview_rule
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule, RuleKind, RuleScope, end_after
from warehouse.rules.rule_overview import describe_changes, describe_rules
from warehouse.rules.rule_relations import RuleRelations
from warehouse.rules.rule_store import RuleStore, StoredRule, get_today, parse_new_rule
from warehouse.settings import Settings

app = typer.Typer(help="Add, submit, stop, undo and list merchandising rules, and build the lists by them.")

APPLY_HINT = "`recomart rules apply` builds and publishes the lists by the rules; the next run does so too"

MAX_PREVIEWED_PRODUCTS = 5
"""Maximum number of products that a preview lists as coming in, and as going out."""

MAX_NOTES = 20
"""Maximum number of notes on other rules for the same products."""

MAX_COMPARED_RULES = 1000
"""Maximum number of new rules that are compared with the others: the time grows with the square of the number."""

RuleId = Annotated[str, typer.Argument(help="Id of the rule, such as r3.")]
User = Annotated[str | None, typer.Option(help="Your name, for the history; by default that of the system's account.")]
Why = Annotated[str | None, typer.Option(help="Reason, for colleagues.")]


@app.command()
def add(
    kind: Annotated[RuleKind | None, typer.Argument(help="What the rule does.")] = None,
    product: Annotated[str | None, typer.Option(help="Product id.")] = None,
    brand: Annotated[str | None, typer.Option(help="Brand, in any casing.")] = None,
    category: Annotated[str | None, typer.Option(help="Category, in any casing.")] = None,
    other_brands: Annotated[
        bool, typer.Option("--other-brands", help="All brands without a cap of their own.")
    ] = False,
    other_categories: Annotated[
        bool, typer.Option("--other-categories", help="All categories without a rule of their own.")
    ] = False,
    min_price: Annotated[float | None, typer.Option(help="Lowest price of the products.")] = None,
    max_price: Annotated[float | None, typer.Option(help="Price that the products are below.")] = None,
    new_days: Annotated[
        int | None, typer.Option(help="Days before the newest data in which products were first seen.")
    ] = None,
    position: Annotated[int | None, typer.Option(help="pin: position in the list, from 1.")] = None,
    factor: Annotated[float | None, typer.Option(help="boost: divides the rank; bury: multiplies it.")] = None,
    every: Annotated[int | None, typer.Option(help="promote: 3 gives at least every third place.")] = None,
    max_products: Annotated[int | None, typer.Option(help="cap: products in a list; left out for no cap.")] = None,
    after_days: Annotated[
        int | None, typer.Option(help="repurchase: days after a purchase; left out for never.")
    ] = None,
    max_impressions: Annotated[
        int | None, typer.Option(help="fatigue: impressions without an action; left out for never.")
    ] = None,
    # A list is the only default that Typer takes for an option that may be repeated; it is never changed.
    placements: Annotated[list[str], typer.Option("--placement", help="Placement; may be repeated.")] = [],  # noqa: B006
    favourite_category: Annotated[
        str | None, typer.Option(help="Only for customers of this favourite category.")
    ] = None,
    rule_set: Annotated[
        str | None, typer.Option(help="Only for an experiment's arm with policy rules:RULE_SET.")
    ] = None,
    first_day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day (UTC), such as 2026-01-31.")
    ] = None,
    last_day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day (UTC).")] = None,
    is_draft: Annotated[bool, typer.Option("--draft", help="Save a draft, which changes no list.")] = False,
    is_preview: Annotated[
        bool, typer.Option("--preview", help="Show what the rule would change in the published lists; save nothing.")
    ] = False,
    file: Annotated[Path | None, typer.Option(help="CSV file of rules, in place of a kind and its options.")] = None,
    why: Why = None,
    user: User = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Add a rule, or all rules of a CSV file; all or none.

    Example: `recomart rules add boost --brand acme --factor 2 --last-day 2030-01-31 --why "winter campaign"`.
    """
    settings = load_settings(warehouse=warehouse)
    if file is not None:
        numbers = (position, factor, every, max_products, after_days, max_impressions)
        selections = (product, brand, category, min_price, max_price, new_days, favourite_category, rule_set)
        has_options = any(option is not None for option in (kind, *numbers, *selections, first_day, last_day))
        if has_options or other_brands or other_categories or placements:
            raise RecomartError("no rule added: --file is beside fields of a rule. Write the fields into the file")
        draft = {"is_draft": True} if is_draft else {}
        rules_by_location = {
            f"{file}, line {line}: ": rule.model_copy(update=draft) for line, rule in read_rule_file(file).items()
        }
    else:
        if kind is None:
            raise RecomartError("no rule added: the kind is missing. Name a kind, or a CSV file with --file")
        scope, value = _choose_selection(
            (product is not None, "product", product),
            (brand is not None, "brand", brand),
            (other_brands, "brand", None),
            (category is not None, "category", category),
            (other_categories, "category", None),
            (min_price is not None or max_price is not None, "price", None),
            (new_days is not None, "new", None),
        )
        fields = {
            "kind": kind, "scope": scope, "value": value, "min_price": min_price, "max_price": max_price,
            "max_age_days": new_days, "position": position, "factor": factor, "every": every,
            "max_products": max_products, "after_days": after_days, "max_impressions": max_impressions,
            "placements": placements,
            "favourite_category": favourite_category, "rule_set": rule_set,
            "valid_from": first_day and first_day.date(),
            "valid_until": last_day and end_after(last_day.date(), "no rule added"),
            "reason": why, "is_draft": is_draft,
        }  # fmt: skip
        rules_by_location = {"": parse_new_rule(fields, "no rule added")}
    _check_values(settings, rules_by_location)
    rules, store = list(rules_by_location.values()), RuleStore(settings)
    earlier_rules = list(store.read_rules().values())
    if is_preview:
        _print_relations(
            settings, earlier_rules, {f"rule {number}": rule for number, rule in enumerate(rules, start=1)}
        )
        for rule in rules:
            _print_preview(settings, rule, as_json)
        return
    added = store.add(rules, _get_user(user), why)
    _print_rules("Added", settings, added, as_json)
    _print_relations(settings, earlier_rules, {stored.rule_id: stored.rule for stored in added})


def _print_relations(settings: Settings, earlier_rules: Sequence[StoredRule], rules: Mapping[str, Rule]) -> None:
    """Print a note for each earlier rule for the products and lists of a new one; the new ones have names or ids."""
    if len(rules) > MAX_COMPARED_RULES:
        console.print_note(
            f"No notes on other rules for the same products: the file has {len(rules):,} rules, more than "
            f"{MAX_COMPARED_RULES:,}. `recomart rules list` has all rules"
        )
        return
    relations = RuleRelations({stored.rule_id: stored.rule for stored in earlier_rules}, get_today())
    notes = []
    with ExitStack() as stack:
        is_published = (settings.serving_dir / POINTER_FILE).exists()
        copy = stack.enter_context(ServingCopy(settings)) if is_published else None
        for name, rule in rules.items():
            wider_selections = [] if copy is None else list_wider_selections(copy, rule)
            notes += [f"{name}: {note}" for note in relations.describe(rule, wider_selections)]
            relations.add(name, rule)
    for note in notes[:MAX_NOTES]:
        console.print_note(f"Note on {note}")
    if len(notes) > MAX_NOTES:
        console.print_note(f"{len(notes) - MAX_NOTES:,} more notes. `recomart rules list` has all rules")


def _print_preview(settings: Settings, rule: Rule, as_json: bool) -> None:
    with ServingCopy(settings) as copy:
        preview = preview_rule(copy, rule)
    if as_json:
        # The compared lists would be up to 20,000 rows.
        console.print_json({name: value for name, value in vars(preview).items() if name != "lists"})
        return
    line = (
        f"{rule.describe()}: changes {preview.changed_count:,} of {preview.compared_count:,} compared lists. "
        f"Its products have {preview.place_share_before:.1%} of the places without it, "
        f"{preview.place_share_after:.1%} with it."
    )
    if preview.lost_dcg_share is not None:
        line += f" By the model's scores, the lists lose {preview.lost_dcg_share:.1%} of their gain (DCG)"
    console.print_line(line)
    for title, products in (("Products that come in", preview.entering), ("Products that go out", preview.leaving)):
        console.print_table(title, console.to_records(products.head(MAX_PREVIEWED_PRODUCTS)))


def _choose_selection(*selections: tuple[bool, RuleScope, str | None]) -> tuple[RuleScope, str | None]:
    """Return the scope and the value of a rule.

    Args:
        selections: Whether an option is given, its scope and its value.

    Raises:
        RecomartError: Not exactly one option is given.
    """
    given_selections = [(scope, value) for is_given, scope, value in selections if is_given]
    if len(given_selections) != 1:
        raise RecomartError(
            "no rule added: one option must select the products: --product, --brand, --category, --other-brands, "
            "--other-categories, --min-price and --max-price, or --new-days"
        )
    return given_selections[0]


def _check_values(settings: Settings, rules_by_location: Mapping[str, Rule]) -> None:
    """Check the named products, brands, categories and placements, if a copy is published."""
    if not (settings.serving_dir / POINTER_FILE).exists():
        console.print_note("Nothing is published yet: products, brands and categories of the rules are not checked")
        return
    with ServingCopy(settings) as copy:
        for location, rule in rules_by_location.items():
            try:
                check_rule_values(copy, rule)
            except RecomartError as error:
                raise RecomartError(f"no rule added: {location}{error}") from error


@app.command("list")
def list_rules(
    has_ended: Annotated[bool, typer.Option("--all", help="Ended rules as well.")] = False,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """List the rules with their states: draft, waiting, live or ended, and what they wait for."""
    settings = load_settings(warehouse=warehouse)
    stored = list(RuleStore(settings).read_rules().values())
    rows = [row for row in _describe_rules(settings, stored) if has_ended or row["state"] != "ended"]
    _print_rows("Merchandising rules", rows, as_json)


@app.command()
def submit(
    rule_id: RuleId, why: Why = None, user: User = None, warehouse: Warehouse = None, as_json: Json = False
) -> None:
    """Make a draft a rule that the next lists follow."""
    settings = load_settings(warehouse=warehouse)
    _print_rules("Submitted", settings, [RuleStore(settings).submit(rule_id, _get_user(user), why)], as_json)


@app.command()
def stop(
    rule_id: RuleId, why: Why = None, user: User = None, warehouse: Warehouse = None, as_json: Json = False
) -> None:
    """End a rule today."""
    settings = load_settings(warehouse=warehouse)
    _print_rules("Stopped", settings, [RuleStore(settings).stop(rule_id, _get_user(user), why)], as_json)


@app.command()
def undo(
    rule_id: RuleId, why: Why = None, user: User = None, warehouse: Warehouse = None, as_json: Json = False
) -> None:
    """Undo the newest change of a rule; a second undo restores it."""
    settings = load_settings(warehouse=warehouse)
    stored = RuleStore(settings).undo(rule_id, _get_user(user), why)
    if stored is None and not as_json:
        console.print_line(f"rule {rule_id} is removed. {APPLY_HINT}")
    else:
        _print_rules("Undone", settings, [stored] if stored else [], as_json)


@app.command()
def history(
    rule_id: Annotated[str | None, typer.Argument(help="Id of a rule; by default all rules.")] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show who changed which rule, when and why, with the rule before and after."""
    changes = RuleStore(load_settings(warehouse=warehouse)).read_history(rule_id)
    if as_json:
        console.print_json({"changes": changes})
        return
    console.print_table("Changes of the merchandising rules", describe_changes(changes))


@app.command()
def apply(
    warehouse: Warehouse = None,
    is_json_lines: Annotated[
        bool,
        typer.Option("--json-lines", help="Print the progress and the result as JSON, one object a line."),
    ] = False,
) -> None:
    """Build the lists by the rules, with the serving model, and publish them."""
    settings = load_settings(warehouse=warehouse)
    if is_json_lines:
        result, published = apply_rules(settings, lambda progress: console.print_json_line(progress._asdict()))
        console.print_json_line({"published_at": published.published_at, "warnings": result.warnings})
        return
    with console.StepProgress() as progress:
        progress.on_step("rules")
        result, published = apply_rules(settings, progress.on_dbt)
    for warning in result.warnings:
        console.print_warning(warning)
    console.print_line(f"{published.file} is live since {published.published_at:%Y-%m-%d %H:%M:%S} UTC")
    stored = list(RuleStore(settings).read_rules().values())
    _print_rows("Live rules", [row for row in _describe_rules(settings, stored) if row["state"] == "live"], False)


def _get_user(user: str | None) -> str:
    name = user or get_account_name()
    if name is None:
        raise RecomartError("rules not changed: the system's account has no name. Name yourself with --user")
    return name


def _describe_rules(settings: Settings, stored: Sequence[StoredRule]) -> list[dict[str, Any]]:
    """Return the rows of rules, and print warnings of placements that are not declared."""
    applied_changes: Mapping[str, int] = {}
    if (settings.serving_dir / POINTER_FILE).exists():
        with ServingCopy(settings) as copy:
            applied_changes = read_applied_changes(copy)
            for warning in describe_unknown_placements(copy, stored, get_today())[:MAX_NOTES]:
                console.print_warning(warning)
    rows = describe_rules(stored, applied_changes, get_today())
    # The time of the change is in `recomart rules history`; the table is wide already.
    return [{name: value for name, value in row.items() if name != "changed_at"} for row in rows]


def _print_rules(action: str, settings: Settings, stored: Sequence[StoredRule], as_json: bool) -> None:
    _print_rows(action, _describe_rules(settings, stored), as_json)
    if not as_json:
        console.print_line(APPLY_HINT)


def _print_rows(title: str, rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        console.print_json({"rules": rows})
    else:
        console.print_table(title, rows)
