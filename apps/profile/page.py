"""The profile page: a text and a chart for each section, in one self-contained HTML file."""

import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from apps.profile.cards import Card, build_card, render_page
from apps.profile.queries import QueryCompiler, run_queries
from apps.profile.sections import CHAPTERS, Finding, Section
from warehouse.atomic_files import write_text_atomically
from warehouse.errors import RecomartError
from warehouse.settings import Settings


@dataclass(frozen=True)
class ProfileSummary:
    """The path of a written page, its sentences, and the duration of the run."""

    path: Path
    sentences: dict[str, str]
    """The sentence of each section, by title."""
    seconds: float


def write_profile(settings: Settings, compile_queries: QueryCompiler, output: Path | None = None) -> ProfileSummary:
    """Write the data profile of a warehouse to `output`, by default profile.html in the warehouse folder.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse, the marts are not built, or `output` is a folder.
        OSError: The file cannot be written.
    """
    start_seconds = time.perf_counter()
    path = output or settings.profile_file
    if path.is_dir():
        raise RecomartError(f"cannot write the profile: {path} is a folder. Give the path of a file with --output")
    results = run_queries(settings, compile_queries)
    chapters = {
        name: [_build_section_card(section, results) for section in sections] for name, sections in CHAPTERS.items()
    }
    write_text_atomically(path, _render_profile(results["profile_overview"].iloc[0], chapters))
    sentences = {card.title: card.sentence for cards in chapters.values() for card in cards}
    return ProfileSummary(path, sentences, time.perf_counter() - start_seconds)


def _build_section_card(section: Section, results: dict[str, pd.DataFrame]) -> Card:
    frames = [results[name] for name in section.analyses]
    if section.measure is not None:
        frames = [frame[frame["measure"] == section.measure] for frame in frames]
    finding = Finding(section.empty_message) if frames[0].empty else section.build_finding(*frames)
    return build_card(section.title, finding, section.analyses)


def _render_profile(overview: "pd.Series[float]", chapters: dict[str, list[Card]]) -> str:
    tiles = ("customers", "buyers", "products", "events", "transactions", "transaction_lines", "return_lines")
    return render_page(
        "page.html.j2",
        {name.replace("_", " "): f"{overview[name]:,.0f}" for name in tiles},
        chapters,
        first_action_at=overview["first_action_at"],
        last_action_at=overview["last_action_at"],
    )
