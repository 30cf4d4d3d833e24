"""Reading of regular files only: the opening of a named pipe waits until another process writes to it."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular_file(file: Path) -> BufferedReader:
    """Open a file for reading; links are followed.

    Raises:
        OSError: The file is missing, cannot be opened, or is no regular file.
    """
    # Without the flag, the opening of a pipe would wait.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(file))
    return os.fdopen(descriptor, "rb")


def read_regular_file(file: Path) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: The file is missing, cannot be read, or is no regular file.
    """
    with open_regular_file(file) as opened:
        return opened.read()
