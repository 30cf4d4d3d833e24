"""Commands for the data of one customer: forget the customer, or export all that is known."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from apps.cli import console
from apps.cli.options import Json, Landing, SourcesFile, Warehouse, load_settings
from orchestration.forgetting.customer_erasure import (
    check_customer,
    describe_remaining,
    forget_customer,
    has_customers,
)
from orchestration.forgetting.customer_export import build_export, read_customer_rows
from orchestration.forgetting.traces import Trace, describe_search_limit
from warehouse.atomic_files import write_text_atomically
from warehouse.errors import RecomartError
from warehouse.formatting import format_count

app = typer.Typer()

UserId = Annotated[str, typer.Argument(metavar="USER", help="Customer id.")]


@app.command("customer")
def show_customer(
    user_id: UserId,
    export: Annotated[Path | None, typer.Option(help="Write all rows of the customer to this JSON file.")] = None,
    sources: SourcesFile = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show which tables have rows of a customer, or export these rows.

    The rows are the raw ones, as the files have them, and those of the marts.
    """
    tables = read_customer_rows(load_settings(sources=sources, warehouse=warehouse), user_id)
    if not tables:
        raise RecomartError(f"no table has rows of customer '{user_id}'. `recomart customers` lists customers")
    document = build_export(user_id, tables)
    if export is not None:
        # The file has personal data.
        write_text_atomically(export, document, mode=0o600)
    if as_json:
        console.print_json(json.loads(document))
    else:
        rows = [{"table": table, "rows": len(table_rows)} for table, table_rows in tables.items()]
        console.print_table(f"Customer {user_id}", rows)
        if export is not None:
            console.print_line(f"written to {export}. The file has personal data: delete it when it is handed over")


@app.command()
def forget(
    user_id: UserId,
    check: Annotated[bool, typer.Option("--check", help="Only show where the customer's id is.")] = False,
    sources: SourcesFile = None,
    landing: Landing = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Erase a customer from the files, tables, datasets, models and published copies.

    Landing files are rewritten, and later loads reject the customer's rows. After an error, or when it was killed, call
    the command again. docs/operations/customer_data.md describes what it erases.
    """
    start_seconds = time.perf_counter()
    settings = load_settings(sources=sources, landing=landing, warehouse=warehouse)
    before, unsearched = _split_traces(check_customer(settings, user_id))
    if check:
        after = before
    else:
        with console.StepProgress() as progress:
            progress.on_step("forget")
            after, unsearched = _split_traces(forget_customer(settings, user_id, progress))
            seconds = time.perf_counter() - start_seconds
            progress.on_step_done("forget", f"{format_count(len(before), 'place')} had the id", seconds)
    counts_before, counts_after = ({trace.describe(): trace.matches for trace in traces} for traces in (before, after))
    rows = [
        {"place": place, "before": counts_before.get(place, 0), "now": counts_after.get(place, 0)}
        for place in counts_after | counts_before
    ]
    if as_json:
        places = [trace.describe() for trace in unsearched]
        console.print_json({"is_forgotten": not (after or unsearched), "places": rows, "unsearched": places})
    elif rows:
        console.print_table("Places with the id", rows, ["place", "before"] if check else None)
        if not (check or has_customers(settings)):
            console.print_line(
                "no customer is left: there is no model, and all lists are empty until the next training"
            )
    elif unsearched:
        console.print_line(f"no place that can be searched has the id {user_id}")
    else:
        console.print_line(f"no place has the id {user_id}{'' if check else '. Later loads reject its rows'}")
    if not as_json:
        if limit := describe_search_limit(settings, user_id):
            console.print_line(limit)
        if unsearched:
            console.print_table("Files that cannot be searched", [{"file": trace.describe()} for trace in unsearched])
    if after and not check:
        raise RecomartError(
            f"{format_count(len(after), 'place')} still have the id {user_id}: "
            f"{describe_remaining(settings, user_id, after)}"
        )


def _split_traces(traces: Sequence[Trace]) -> tuple[list[Trace], list[Trace]]:
    """Return the places that have the id, and the files that cannot be searched."""
    return [trace for trace in traces if trace.matches], [trace for trace in traces if not trace.matches]
