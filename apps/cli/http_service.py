"""The command that starts the HTTP service."""

from typing import Annotated

import typer
import uvicorn

from apps.cli.options import Warehouse, load_settings
from apps.service.app import create_app

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 stands for all addresses of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    warehouse: Warehouse = None,
) -> None:
    """Serve recommendations over HTTP; see docs/serving.md.

    The service also returns similar products and explanations.
    """
    uvicorn.run(create_app(load_settings(warehouse=warehouse)), host=host, port=port)
