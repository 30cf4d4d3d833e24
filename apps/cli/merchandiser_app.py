"""The command that starts the merchandiser app."""

import os
import sys
from typing import Annotated

import typer

from apps.cli import console
from apps.cli.options import Warehouse, load_settings
from apps.merchandiser.access import check_exposure
from warehouse.hosts import check_local_address
from warehouse.settings import PROJECT_ROOT

app = typer.Typer()

APP_FILE = PROJECT_ROOT / "apps" / "merchandiser" / "app.py"


@app.command("app")
def start_app(
    host: Annotated[str | None, typer.Option(help="Address to listen on [RECOMART_APP_HOST].")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on [RECOMART_APP_PORT].")] = None,
    can_edit: Annotated[
        bool | None,
        typer.Option("--edit/--read-only", help="Allow changes of the merchandising rules [RECOMART_APP_CAN_EDIT]."),
    ] = None,
    warehouse: Warehouse = None,
) -> None:
    """Start the Streamlit app for merchandisers: customers, products, and merchandising rules."""
    settings = load_settings(warehouse=warehouse, app_host=host, app_port=port, app_can_edit=can_edit)
    # Streamlit reads its configuration and its secrets from the folder .streamlit in the working directory.
    os.chdir(PROJECT_ROOT)
    check_local_address(settings.app_host, "--host or RECOMART_APP_HOST")
    check_exposure(settings)
    command = [sys.executable, "-m", "streamlit", "run", str(APP_FILE.relative_to(PROJECT_ROOT))]
    options = [f"--server.address={settings.app_host}", f"--server.port={settings.app_port}"]
    console.print_line(f"The app listens on http://{settings.app_host}:{settings.app_port} (Ctrl-C ends it)")
    sys.stdout.flush()
    os.execve(command[0], [*command, *options], settings.build_environment())
