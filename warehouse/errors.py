"""Errors that a user can act on."""


class RecomartError(Exception):
    """An error that a user can correct; the message contains the reason and the remedy."""


class NothingPublishedError(RecomartError):
    """No copy was published yet."""


class PublishedCopyError(RecomartError):
    """A published copy is missing, damaged or cannot be read."""


class TemporaryError(RecomartError):
    """An error that the same call may not raise again later, without a change of data or settings."""


class WarehouseBusyError(TemporaryError):
    """Another process is writing the warehouse."""


class DiskFullError(TemporaryError):
    """The disk of the warehouse folder is full, or a quota or size limit is reached."""
