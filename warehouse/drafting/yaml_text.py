"""The text of a drafted sources file, with doubts as comments."""

import textwrap

import yaml

from warehouse.drafting.feed_drafts import FeedDraft, SourcesDraft
from warehouse.formatting import format_names

LINE_WIDTH = 110


def write_draft(draft: SourcesDraft, folder: str) -> str:
    """Return the YAML text of a draft. A feed that lacks a required column is written as a comment."""
    lines = [
        *_comment(
            f"A draft from samples of the files in {folder}. Read every line before the first load; comments that "
            "begin with ? are doubts. `recomart sources check` shows what the columns become."
        ),
        "",
        "feeds:" if any(not feed.missing_columns for feed in draft.feeds.values()) else "feeds: {}",
    ]
    for name, feed in draft.feeds.items():
        lines += ["", *(_write_feed(name, feed))]
    if draft.unused_files:
        lines += ["", *_comment("Files that no feed uses:")]
        for path, reason in draft.unused_files.items():
            lines += _comment(f"  {path}: {reason}")
    return "\n".join(lines) + "\n"


def _write_feed(name: str, feed: FeedDraft) -> list[str]:
    kind = {"kind": feed.kind} if feed.kind != name else {}
    settings = {name: {**kind, "files": feed.glob, **feed.settings}}
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=LINE_WIDTH, default_flow_style=None)
    doubts = [f"? {doubt}" for doubt in feed.doubts]
    mapped_names = set(map(str, feed.settings["columns"].values()))
    unused_names = [column for column in feed.names if column not in mapped_names]
    if unused_names:
        doubts.append(f"Not mapped: {format_names(unused_names)}")
    for column in feed.missing_columns:
        doubts.insert(0, f"? No name looks like {column}, which a feed of {feed.kind} needs. Map it.")
    prefix = "# " if feed.missing_columns else ""
    return [
        *(f"  {line}" for doubt in doubts for line in _comment(doubt)),
        *(f"  {prefix}{line}" for line in text.rstrip().split("\n")),
    ]


def _comment(text: str) -> list[str]:
    indent = " " * (len(text) - len(text.lstrip()))
    lines = textwrap.wrap(text.strip(), LINE_WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")
    return [f"# {line}" for line in lines]
