"""The libraries that the house is measured beside, which only the extra `bench` installs."""

from importlib.util import find_spec

from warehouse.errors import RecomartError


def require_library(library: str, alternative: str = "") -> None:
    """Let a library that is installed pass; `otherwise` is what else than installing it helps.

    Raises:
        RecomartError: It is not.
    """
    if find_spec(library) is None:
        raise RecomartError(
            f"{library} is not installed; `pip install -c constraints.txt -e '.[bench]'` brings it{alternative}"
        )
