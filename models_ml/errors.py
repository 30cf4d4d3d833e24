"""Errors that a user of the models can act on."""


class ModelError(Exception):
    """Data, settings or an artifact that cannot be used; the message says which, and what to do."""


class UnknownIdError(ModelError):
    """A customer or product that the model does not know."""
