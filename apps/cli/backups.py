"""Commands that write a backup of the warehouse and restore it."""

from pathlib import Path
from typing import Annotated

import typer

from apps.cli import console
from apps.cli.options import Json, Warehouse, load_settings
from warehouse.backups.backup import create_backup
from warehouse.backups.restoration import restore_backup
from warehouse.formatting import format_count

app = typer.Typer()


@app.command()
def backup(
    destination: Annotated[Path, typer.Argument(help="Folder to create.")],
    with_landing: Annotated[bool, typer.Option(help="Copy the landing folder too.")] = False,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Copy the database, models, datasets and live copy into a new folder, and verify the copy.

    Writers wait during the copy. The app and the service go on.
    """
    settings = load_settings(warehouse=warehouse)
    folder = destination.expanduser().absolute()
    with console.StepProgress() as progress:
        progress.on_step("backup")
        manifest = create_backup(settings, folder, has_landing=with_landing, on_stage=progress.on_stage)
    if as_json:
        console.print_json(manifest)
    else:
        count = format_count(len(manifest.files), "file")
        console.print_line(f"{folder}: {count}, {manifest.size >> 20:,} MiB, verified")


@app.command()
def restore(
    backup: Annotated[Path, typer.Argument(help="Folder that `recomart backup` wrote.")],
    replace: Annotated[
        bool, typer.Option(help="Move the files that differ from the backup's into a folder `replaced-TIME`.")
    ] = False,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Restore the warehouse from a backup."""
    settings = load_settings(warehouse=warehouse)
    with console.StepProgress() as progress:
        progress.on_step("restore")
        manifest = restore_backup(
            settings, backup.expanduser().absolute(), is_replacing=replace, on_stage=progress.on_stage
        )
    if as_json:
        console.print_json(manifest)
    else:
        console.print_line(
            f"{settings.warehouse}: restored {format_count(len(manifest.files), 'file')} of the backup of "
            f"{manifest.created_at:%Y-%m-%d %H:%M:%S} UTC. `recomart run` loads the files that have arrived since"
        )
