"""Cards of a page: a sentence, a table and a chart each; and the rendering of pages into one self-contained file."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from apps.profile.charts import render_svg
from apps.profile.sections import Finding
from warehouse.formatting import make_lines_printable


@dataclass(frozen=True)
class Card:
    """A rendered section of a page."""

    title: str
    sentence: str
    sources: tuple[str, ...]
    """Names of the dbt analyses or marts that the section shows."""

    alt_text: str
    """Description of the chart for screen readers."""

    chart: str | None
    """The SVG as a data URL; None for a section without a chart."""

    table: list[dict[str, Any]]
    """Rows of the table above the chart."""


def build_card(title: str, finding: Finding, sources: tuple[str, ...]) -> Card:
    """Return the card of a finding with its chart drawn."""
    chart = None
    if finding.draw_chart is not None:
        svg = render_svg(finding.draw_chart, finding.height)
        chart = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
    return Card(title, finding.sentence, sources, f"{finding.alt_text} {finding.sentence}", chart, finding.table)


def render_page(template: str, tiles: Mapping[str, str], chapters: Mapping[str, list[Card]], **values: Any) -> str:
    """Return the HTML of a page with figures in tiles at the top, and the cards of its chapters."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(tiles=tiles, chapters=chapters, **values)
    return make_lines_printable(page)
