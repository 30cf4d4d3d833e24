"""Errors that a user can act on."""


class RecomartError(Exception):
    """Something a user can mend; the message says what is wrong, where, and what to do."""


class WarehouseBusyError(RecomartError):
    """Another process is writing the warehouse."""


class DiskFullError(RecomartError):
    """No more can be written where the warehouse is."""
