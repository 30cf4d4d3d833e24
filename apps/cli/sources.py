"""Commands for the sources file: draft one from a folder of files, and check one on the first rows."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from apps.cli import console
from apps.cli.options import Json, Landing, SourcesFile, load_settings
from orchestration.sources_check import FeedCheck, check_sources
from warehouse.drafting.draft_text import write_draft
from warehouse.drafting.shop_drafts import draft_sources
from warehouse.errors import RecomartError
from warehouse.formatting import format_count

app = typer.Typer(help="Draft a sources file from a folder of files, or check one on the first rows.")

COLUMN_HEADINGS = ("column", "name", "values", "missing", "not_understood", "first", "last")


@app.command()
def draft(
    folder: Annotated[Path, typer.Argument(help="Folder of the landing files.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; by default the draft is printed.")
    ] = None,
) -> None:
    """Draft a sources file from the files in a folder, with doubts as comments.

    The draft guesses the kind of each feed, its columns, formats, decimal mark, event types, lists and joined files.
    """
    if not folder.is_dir():
        raise RecomartError(f"{folder}: no such folder. Name the folder of the landing files")
    if output is not None and output.exists():
        raise RecomartError(f"{output}: the file exists. Name another file, or delete it first")
    text = write_draft(draft_sources(folder, load_settings().linked_folders), str(folder))
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RecomartError(f"{output}: the draft cannot be written: {error.strerror}. Name another file") from error
    command = shlex.join(["recomart", "sources", "check", "--sources", str(output), "--landing", str(folder)])
    console.print_line(f"{output} written. Read it, then run `{command}`")


@app.command()
def check(sources: SourcesFile = None, landing: Landing = None, as_json: Json = False) -> None:
    """Show what every mapped column becomes in the first thousand rows of each feed.

    Nothing is loaded into the warehouse.
    """
    feeds = check_sources(load_settings(sources=sources, landing=landing))
    if as_json:
        console.print_json([feed.model_dump() for feed in feeds])
        return
    for feed in feeds:
        print_feed(feed)


def print_feed(feed: FeedCheck) -> None:
    """Print what the columns of a feed become, and the texts and lines that were not understood."""
    rows = [{name: column.model_dump()[name] for name in COLUMN_HEADINGS} for column in feed.columns]
    excluded = f", {feed.excluded_rows:,} of them excluded" if feed.excluded_rows else ""
    if not feed.columns:
        console.print_line(f"{feed.feed}: the first {feed.rows:,} rows; their columns are in the feed that they join")
    else:
        console.print_table(f"{feed.feed}: the first {feed.rows:,} rows{excluded}", rows)
    for column in feed.columns:
        if column.texts_not_understood:
            texts = ", ".join(f"{text!r} ({count:,})" for text, count in column.texts_not_understood.items())
            console.print_line(f"{feed.feed}.{column.column}: not understood: {texts}")
    if feed.keep_days:
        console.print_line(
            f"{feed.feed}: {feed.expired_rows:,} of these rows are older than {format_count(feed.keep_days, 'day')} "
            "(keep_days); a run erases such rows, also from the landing files"
        )
    if feed.first_error:
        rejected = format_count(feed.rejected_lines, "line")
        console.print_line(f"{feed.feed}: {rejected} rejected; first error: {feed.first_error}")
