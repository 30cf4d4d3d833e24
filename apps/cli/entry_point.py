"""The entry point of the `recomart` command."""

import logging
import sys

from apps.cli.commands import app
from warehouse.formatting import make_lines_printable


class PrintableFormatter(logging.Formatter):
    """Formats log records without control characters, which names of files and processes can have."""

    def format(self, record: logging.LogRecord) -> str:
        return make_lines_printable(super().format(record))


def main() -> None:
    """Run the command; print an error that the user can fix on one line and exit with status 1."""
    if logging.lastResort:
        logging.lastResort.setFormatter(PrintableFormatter())
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        # Imported here, because the module imports DuckDB, which `--help` does not need.
        from apps.cli.error_messages import handle_error

        handle_error(error)
