"""Draw the README's architecture picture: `.venv/bin/python docs/pictures/draw_architecture.py`.

The picture has a white background and dark text, so that it is readable on light and dark pages.
"""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

PICTURE_FILE = Path(__file__).resolve().parent / "architecture.svg"

MARGIN = 16
BOX_WIDTH, BOX_HEIGHT = 164, 82
BOX_GAP = 34
GROUP_PADDING = 10
GROUP_HEADER = 26
ROW_TOPS = (58, 216)
FOOTER_TOP = 326
FOOTER_HEIGHT = 44
COLUMN_COUNT = 5
PICTURE_WIDTH = 2 * (MARGIN + GROUP_PADDING) + COLUMN_COUNT * BOX_WIDTH + (COLUMN_COUNT - 1) * BOX_GAP
PICTURE_HEIGHT = FOOTER_TOP + FOOTER_HEIGHT + MARGIN

INK = "#1f2933"
ARROW_COLOR = "#52606d"
STYLE = """
    text { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2933; }
    .title { font-size: 15px; font-weight: 600; }
    .detail { font-size: 13px; }
    .package { font-size: 13px; font-weight: 600; font-family: ui-monospace, Menlo, Consolas, monospace; }
"""


class Group(NamedTuple):
    """Adjacent steps that one package does."""

    package: str
    row: int
    first_column: int
    column_count: int
    fill: str
    stroke: str


class Box(NamedTuple):
    """A step of the pipeline: its name, and two lines about its data."""

    title: str
    details: tuple[str, str]


GROUPS = (
    Group("warehouse/loading", 0, 0, 2, "#e6f0fa", "#7da7d0"),
    Group("dbt_project", 0, 2, 3, "#fdeee2", "#d9a06c"),
    Group("models_ml", 1, 0, 2, "#efe8f8", "#a98fd0"),
    Group("dbt_project", 1, 2, 1, "#fdeee2", "#d9a06c"),
    Group("warehouse/publishing", 1, 3, 1, "#e6f0fa", "#7da7d0"),
    Group("apps", 1, 4, 1, "#e4f3ea", "#76b48f"),
)

ROWS = (
    (
        Box("Landing files", ("CSV and JSON, or", "fetched over HTTP")),
        Box("Raw", ("every line as text,", "with file and line")),
        Box("Staging", ("typed columns,", "one view per kind")),
        Box("Intermediate", ("clean, duplicate or", "quarantined rows")),
        Box("Marts", ("facts, features,", "training data")),
    ),
    (
        Box("Model", ("ALS matrix factors,", "served after gates")),
        Box("Candidates", ("300 products for", "each customer")),
        Box("Recommendations", ("rules applied,", "a reason for each")),
        Box("Published copy", ("verified, versioned,", "read-only")),
        Box("App and service", ("Streamlit console,", "HTTP API")),
    ),
)

FOOTER = ("orchestration", "Dagster or the command recomart run does these steps in order; dbt tests check every table")


def get_box_x(column: int) -> int:
    """Return the left edge of a column's boxes."""
    return MARGIN + GROUP_PADDING + column * (BOX_WIDTH + BOX_GAP)


def draw_group(group: Group) -> str:
    """Return the rectangle around a package's boxes, and the package's name."""
    x = get_box_x(group.first_column) - GROUP_PADDING
    y = ROW_TOPS[group.row] - GROUP_HEADER
    width = group.column_count * BOX_WIDTH + (group.column_count - 1) * BOX_GAP + 2 * GROUP_PADDING
    height = GROUP_HEADER + BOX_HEIGHT + GROUP_PADDING
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{group.fill}" stroke="{group.stroke}"/>'
        f'<text class="package" x="{x + GROUP_PADDING}" y="{y + 18}">{escape(group.package)}</text>'
    )


def draw_box(box: Box, row: int, column: int) -> str:
    """Return a step's box with its three lines of text."""
    x, y = get_box_x(column), ROW_TOPS[row]
    middle = x + BOX_WIDTH // 2
    lines = [("title", box.title, 27), ("detail", box.details[0], 49), ("detail", box.details[1], 67)]
    texts = "".join(
        f'<text class="{style}" x="{middle}" y="{y + offset}" text-anchor="middle">{escape(text)}</text>'
        for style, text, offset in lines
    )
    return (
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" fill="#ffffff" stroke="{INK}"/>{texts}'
    )


def draw_arrow(path: str) -> str:
    """Return an arrow along an SVG path."""
    return f'<path d="{path}" fill="none" stroke="{ARROW_COLOR}" stroke-width="2" marker-end="url(#head)"/>'


def draw_arrows() -> Iterator[str]:
    """Yield the arrows within both rows, and the one from the first row to the second."""
    for top in ROW_TOPS:
        for column in range(COLUMN_COUNT - 1):
            start, end = get_box_x(column) + BOX_WIDTH, get_box_x(column + 1)
            yield draw_arrow(f"M {start} {top + BOX_HEIGHT // 2} H {end - 2}")
    # The arrow enters right of the middle, beside the package's name.
    last, first = get_box_x(COLUMN_COUNT - 1) + BOX_WIDTH // 2, get_box_x(0) + BOX_WIDTH * 3 // 4
    bottom = ROW_TOPS[0] + BOX_HEIGHT
    between = (bottom + GROUP_PADDING + ROW_TOPS[1] - GROUP_HEADER) // 2
    yield draw_arrow(f"M {last} {bottom} V {between} H {first} V {ROW_TOPS[1] - 2}")


def draw_footer() -> str:
    """Return the bar of the package that runs all steps."""
    package, text = FOOTER
    return (
        f'<rect x="{MARGIN}" y="{FOOTER_TOP}" width="{PICTURE_WIDTH - 2 * MARGIN}" height="{FOOTER_HEIGHT}" rx="8" '
        f'fill="#f1f3f5" stroke="#9aa5b1"/>'
        f'<text class="package" x="{MARGIN + 12}" y="{FOOTER_TOP + 27}">{escape(package)}</text>'
        f'<text class="detail" x="{MARGIN + 140}" y="{FOOTER_TOP + 27}">{escape(text)}</text>'
    )


def draw_picture() -> str:
    """Return the whole picture as SVG."""
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M 0 0 L 8 4 L 0 8 z" fill="{ARROW_COLOR}"/></marker>'
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {PICTURE_WIDTH} {PICTURE_HEIGHT}" role="img">',
        "<title>From landing files to the app and the HTTP service, with the package that does each step</title>",
        f"<style>{STYLE}</style><defs>{head}</defs>",
        f'<rect width="{PICTURE_WIDTH}" height="{PICTURE_HEIGHT}" rx="10" fill="#ffffff"/>',
        *map(draw_group, GROUPS),
        *(draw_box(box, row, column) for row, boxes in enumerate(ROWS) for column, box in enumerate(boxes)),
        *draw_arrows(),
        draw_footer(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PICTURE_FILE.write_text(draw_picture(), encoding="utf-8")
