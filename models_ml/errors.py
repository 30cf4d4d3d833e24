"""Errors whose message says what failed and what to do."""


class ModelError(Exception):
    """Data, settings or an artifact cannot be used; the message names the cause and what to do."""


class UnknownIdError(ModelError):
    """The model does not know a customer or product."""
