"""The profile page: a text and a chart for each section, in one self-contained HTML file."""

import base64
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from apps.profile.charts import render_svg
from apps.profile.queries import QueryCompiler, run_queries
from apps.profile.sections import CHAPTERS, Finding, Section
from warehouse.atomic_files import write_text_atomically
from warehouse.errors import RecomartError
from warehouse.formatting import make_lines_printable
from warehouse.settings import Settings

TEMPLATE = "page.html.j2"


@dataclass(frozen=True)
class Card:
    """A rendered section of the page."""

    title: str
    sentence: str
    analyses: tuple[str, ...]
    """Names of the dbt analyses that the section shows."""

    alt_text: str
    """Description of the chart for screen readers."""

    chart: str | None
    """The SVG as a data URL; None for a section without a chart."""

    table: list[dict[str, Any]]
    """Rows of the table above the chart."""


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
    chapters = {name: [_build_card(section, results) for section in sections] for name, sections in CHAPTERS.items()}
    page = _render_page(results["profile_overview"].iloc[0], chapters)
    write_text_atomically(path, make_lines_printable(page))
    sentences = {card.title: card.sentence for cards in chapters.values() for card in cards}
    return ProfileSummary(path, sentences, time.perf_counter() - start_seconds)


def _build_card(section: Section, results: dict[str, pd.DataFrame]) -> Card:
    frames = [results[name] for name in section.analyses]
    if section.measure is not None:
        frames = [frame[frame["measure"] == section.measure] for frame in frames]
    finding = Finding(section.empty_message) if frames[0].empty else section.build_finding(*frames)
    chart = None
    if finding.draw_chart is not None:
        svg = render_svg(finding.draw_chart, finding.height)
        chart = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
    alt_text = f"{finding.alt_text} {finding.sentence}"
    return Card(section.title, finding.sentence, section.analyses, alt_text, chart, finding.table)


def _render_page(overview: "pd.Series[float]", chapters: dict[str, list[Card]]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tiles = ("customers", "buyers", "products", "events", "transactions", "transaction_lines", "return_lines")
    return environment.get_template(TEMPLATE).render(
        tiles={name.replace("_", " "): f"{overview[name]:,.0f}" for name in tiles},
        first_action_at=overview["first_action_at"],
        last_action_at=overview["last_action_at"],
        chapters=chapters,
    )
