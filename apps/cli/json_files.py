"""The option `--json FILE` of the benchmarks: checked before the benchmark, written after it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from warehouse.errors import RecomartError


def require_writable(context: typer.Context, file: Path | None) -> Path | None:
    """Return the file if it can be written; its content does not change, and no new file remains.

    Raises:
        RecomartError: The file is a folder, its folder does not exist, or it cannot be opened for writing.
    """
    if file is None or context.resilient_parsing:
        return file
    # A new file is made and removed where a link points to.
    target = Path(os.path.realpath(file))
    try:
        if target.is_dir():
            raise RecomartError(f"cannot write --json {file}: it is a folder. Give the path of a file")
        if not target.parent.is_dir():
            raise RecomartError(
                f"cannot write --json {file}: the folder {target.parent} does not exist. Create it first"
            )
        # A pipe is not opened, because its reader would see an end of the file.
        if target.is_file() or not target.exists():
            _open_for_writing(target)
    except OSError as error:
        raise _as_write_error(file, error) from error
    return file


JsonFile = Annotated[
    Path | None, typer.Option("--json", help="File for all figures, as JSON.", callback=require_writable)
]


@contextmanager
def write_at_end(file: Path | None, result: BaseModel) -> Iterator[None]:
    """Write the result to the file when the block ends, also after an error, such as that of a closed pipe.

    Raises:
        RecomartError: The file cannot be written.
    """
    try:
        yield
    finally:
        if file:
            try:
                file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
            except OSError as error:
                raise _as_write_error(file, error) from error


def _open_for_writing(file: Path) -> None:
    """Open the file and close it; the permissions alone do not say whether the file system can be written."""
    is_new = not file.exists()
    file.open("a").close()
    if is_new:
        file.unlink()


def _as_write_error(file: Path, error: OSError) -> RecomartError:
    return RecomartError(f"cannot write --json {file}: {error.strerror}. Give another file")
