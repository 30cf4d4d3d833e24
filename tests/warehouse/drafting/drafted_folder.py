"""Helpers of the tests of drafts: landing files, and drafts that must be valid declarations."""

from pathlib import Path
from typing import Any

import yaml

from warehouse.drafting.draft_text import write_draft
from warehouse.drafting.shop_drafts import draft_sources
from warehouse.sources.yaml_file import read_sources


def put(landing: Path, path: str, *lines: str) -> None:
    file = landing / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write(landing: Path) -> str:
    return write_draft(draft_sources(landing), "landing")


def list_doubts(landing: Path) -> str:
    return "\n".join(str(doubt) for feed in draft_sources(landing).feeds.values() for doubt in feed.doubts)


def draft(landing: Path) -> dict[str, Any]:
    """Return the drafted feeds; the text must be a valid sources file."""
    text = write(landing)
    file = landing.parent / "sources.yml"
    file.write_text(text, encoding="utf-8")
    read_sources(file)
    feeds: dict[str, Any] = yaml.safe_load(text)["feeds"]
    return feeds
