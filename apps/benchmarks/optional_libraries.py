"""Libraries to compare with, which only the extra `bench` installs."""

from importlib.util import find_spec

from warehouse.errors import RecomartError


def require_library(library: str, alternative: str = "") -> None:
    """Check that a library is installed; `alternative` is added to the message.

    Raises:
        RecomartError: The library is not installed.
    """
    if find_spec(library) is None:
        raise RecomartError(
            f"{library} is not installed. Run `pip install -c constraints.txt -e '.[bench]'`{alternative}"
        )
