"""The command that starts the HTTP service."""

from typing import Annotated

import typer

from apps.cli.options import Warehouse, load_settings
from apps.service.http_server import create_server, raise_file_limit

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 stands for all addresses of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    keys: Annotated[
        bool | None,
        typer.Option(
            "--keys/--no-keys",
            help="Whether requests need an API key [RECOMART_SERVICE_REQUIRE_KEYS]; by default they do unless the host "
            "is a loopback address.",
        ),
    ] = None,
    warehouse: Warehouse = None,
) -> None:
    """Serve recommendations over HTTP; see docs/serving.md.

    The service also returns similar products and explanations.
    """
    settings = load_settings(warehouse=warehouse)
    if keys is not None:
        settings = settings.model_copy(update={"service_require_keys": keys})
    raise_file_limit()
    create_server(settings, host, port).run()
