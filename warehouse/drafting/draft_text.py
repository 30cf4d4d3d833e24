"""The text of a drafted sources file, with doubts as comments."""

import textwrap

import yaml

from warehouse.drafting.feed_drafts import FeedDraft
from warehouse.drafting.shop_drafts import SourcesDraft, format_globs
from warehouse.formatting import UNPRINTABLE_PATTERN, format_names, make_printable

LINE_WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Writes lists in one line, and `columns` with one column in a line."""


class _Columns(dict[str, object]):
    pass


_Dumper.add_representer(_Columns, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, False))


def write_draft(draft: SourcesDraft, folder: str) -> str:
    """Return the YAML text of a draft. A feed that lacks a required column is written as a comment."""
    lines = [
        *_comment(
            f"A draft from samples of the files in {folder}. Read every line before the first load; comments that "
            "begin with ? are doubts. `recomart sources check` shows what the columns become."
        ),
        "",
        "feeds:",
    ]
    for name, feed in draft.feeds.items():
        lines += ["", *(_write_feed(name, feed))]
    if draft.unused_files:
        lines += ["", *_comment("Files that no feed uses:")]
        for path, reason in draft.unused_files.items():
            lines += _comment(f"{path}: {reason}", indent="  ")
    return "\n".join(lines) + "\n"


def _write_feed(name: str, feed: FeedDraft) -> list[str]:
    kind = {"kind": feed.kind} if feed.kind != name else {}
    settings = {**kind, "files": format_globs(feed.globs), **feed.settings, "columns": _Columns(feed.columns)}
    text = _dump({name: settings}, allow_unicode=True)
    if UNPRINTABLE_PATTERN.search(text.replace("\n", "")):
        # Marks of direction, which PyYAML does not escape by themselves.
        text = _dump({name: settings}, allow_unicode=False)
    doubts = [f"? {doubt}" for doubt in feed.doubts]
    if unused_names := [*feed.unused_names, *feed.unused_joined_names]:
        doubts.append(f"Not mapped: {format_names(unused_names)}")
    for column in feed.missing_columns:
        doubts.insert(0, f"? No name looks like {column}, which a feed of {feed.kind} needs. Map it.")
    prefix = "# " if feed.missing_columns else ""
    live_comment = ["    # expected_every: 1d  # if files keep arriving: a build warns when none came for a day"]
    return [
        *(f"  {line}" for doubt in doubts for line in _comment(doubt)),
        *(f"  {prefix}{line}" for line in text.rstrip().split("\n")),
        *(live_comment if len(feed.paths) > 1 else []),
    ]


def _dump(settings: dict[str, object], *, allow_unicode: bool) -> str:
    text: str = yaml.dump(
        settings,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=allow_unicode,
        width=LINE_WIDTH,
        default_flow_style=None,
    )
    return text


def _comment(text: str, indent: str = "") -> list[str]:
    text = make_printable(" ".join(text.split()))
    return textwrap.wrap(text, LINE_WIDTH + 2, initial_indent=f"# {indent}", subsequent_indent=f"# {indent}  ")
