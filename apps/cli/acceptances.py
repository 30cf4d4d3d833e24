"""Command that lists refused tables and accepts failures of tests."""

from typing import Annotated

import typer

from apps.cli import console
from apps.cli.data_tables import list_refused_actions
from apps.cli.options import Json, Warehouse, load_settings
from orchestration.refusals import accept_failure, describe_refusals, find_refusals, list_accepted
from warehouse.errors import RecomartError
from warehouse.settings import Settings

app = typer.Typer()


@app.command()
def accept(
    test: Annotated[str | None, typer.Argument(help="Name of the failed test.")] = None,
    why: Annotated[str | None, typer.Option(help="Reason, for the log of acceptances.")] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Accept a failed test of the data, so that later steps read its tables; or list failures and acceptances.

    The acceptance holds for the rows that failed. With other rows, the test fails again.
    """
    settings = load_settings(warehouse=warehouse)
    if test is None:
        if why is not None:
            raise RecomartError("nothing accepted: --why without a test. Name the test")
        _show_acceptances(settings, as_json)
        return
    acceptance = accept_failure(settings, test, why or "")
    if as_json:
        console.print_json(acceptance)
    else:
        console.print_line(f"accepted: {test}: {acceptance.message}")
        console.print_line(f"{settings.accepted_failures_file} has the reason. Run `recomart run`")


def _show_acceptances(settings: Settings, as_json: bool) -> None:
    refusals, accepted = find_refusals(settings), list_accepted(settings)
    if as_json:
        rows = [{**acceptance.model_dump(), "is_current": is_current} for acceptance, is_current in accepted]
        console.print_json({"refusals": refusals, "acceptances": rows})
        return
    failed_tests = [
        {
            "test": refusal.name,
            "refuses": ", ".join(list_refused_actions([refusal])),
            **refusal.model_dump(include={"changed_at", "newest_load_id", "message"}),
        }
        for refusal in refusals
        if refusal.status == "fail"
    ]
    console.print_table("Failed tests", failed_tests)
    if refusals and not failed_tests:
        console.print_line(f"{describe_refusals(refusals)}\n")
    acceptances = [
        {
            **acceptance.model_dump(exclude={"fingerprint", "failure_count", "newest_load_id"}),
            "is_current": is_current,
        }
        for acceptance, is_current in accepted
    ]
    console.print_table("Acceptances", acceptances)
