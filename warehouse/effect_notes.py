"""Notes on the effect of recommendations: what is inferred or missing."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from pydantic import BaseModel


class EffectNote(NamedTuple):
    """What is inferred or missing."""

    text: str
    """Sentences without commands or settings."""
    hint: str = ""
    """What an engineer does or reads about it."""


def describe_limits(
    clean_rows: Mapping[str, int],
    totals: Sequence[BaseModel],
    first_measured_day: date | None,
    *,
    has_experiments: bool,
) -> list[EffectNote]:
    """Return what is inferred or missing.

    Args:
        clean_rows: Number of clean rows by feed kind.
        totals: Figures of all recommendations, by basis.
        first_measured_day: Day of the first measured impression.
        has_experiments: Whether an experiment is declared.
    """
    notes = []
    if not clean_rows.get("recommendation_lists"):
        notes.append(
            EffectNote(
                "No logged list is built yet, so nothing can be said about recommendations, and experiments have no "
                "customers.",
                "A publication logs its lists unless RECOMART_EFFECT_DEPTH is 0, and the next build reads the log "
                "(`recomart run --force`).",
            )
        )
    elif not totals:
        notes.append(EffectNote("No impression and no action since the first logged list yet."))
    if not clean_rows.get("impressions"):
        notes.append(
            EffectNote(
                "The shop has no impressions. They are inferred: a live list counts as seen on days on which its "
                "customer acted. Click-through rates can be too low or too high; compare them with one another only.",
                "A feed of kind impressions measures them (docs/effect.md).",
            )
        )
    elif first_measured_day is not None:
        notes.append(
            EffectNote(
                f"The first measured impression is of {first_measured_day.day} {first_measured_day:%b %Y}. From the "
                "first one since a list was logged on, none is inferred.",
                "Leave tests of the front end out of the feed (docs/effect.md).",
            )
        )
    if not clean_rows.get("events"):
        notes.append(EffectNote("The shop has no events, so clicks and carts are not known."))
    if not has_experiments:
        notes.append(
            EffectNote(
                "No experiment is declared. The figures state which purchases followed a recommendation, not that it "
                "caused them; an experiment measures that.",
                "docs/experiments.md describes one.",
            )
        )
    return notes
