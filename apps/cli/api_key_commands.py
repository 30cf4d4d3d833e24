"""Commands for the API keys of the HTTP service."""

from typing import Annotated

import typer

from apps.cli import console
from apps.cli.options import Json, Warehouse, load_settings
from apps.service.api_keys import KeyScope, add_api_key, read_api_keys, revoke_api_key

app = typer.Typer(help="Add, list and revoke the API keys of the HTTP service.")

Name = Annotated[str, typer.Argument(help="Name of the key, such as the name of the program that uses it.")]


@app.command()
def add(
    name: Name,
    # A list is the only default that Typer takes for an option that may be repeated; it is never changed.
    scopes: Annotated[list[KeyScope], typer.Option("--scope", help="What the key permits; may be repeated.")] = [  # noqa: B006
        KeyScope.RECOMMENDATIONS
    ],
    valid_days: Annotated[
        float | None, typer.Option(min=1, help="Days until the key expires; by default it does not.")
    ] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Add a key and print it; it is shown only once.

    To rotate a key, add one under a new name, let the program use it, and revoke the old one.
    """
    key = add_api_key(load_settings(warehouse=warehouse), name, scopes, valid_days)
    if as_json:
        console.print_json({"name": name, "key": key})
    else:
        console.print_line(key)


@app.command("list")
def list_keys(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """List the keys with their scopes and times."""
    keys = read_api_keys(load_settings(warehouse=warehouse))
    rows = [key.model_dump(mode="python", exclude={"sha256"}) | {"is_expired": key.is_expired} for key in keys]
    if as_json:
        console.print_json({"keys": rows})
    else:
        console.print_table("API keys", [row | {"scopes": ", ".join(row["scopes"])} for row in rows])


@app.command()
def revoke(name: Name, warehouse: Warehouse = None) -> None:
    """Revoke a key; a running service refuses it from the next request."""
    revoke_api_key(load_settings(warehouse=warehouse), name)
    console.print_line(f"key '{name}' revoked")
