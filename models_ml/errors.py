"""Errors whose message contains the reason and the remedy."""


class ModelError(Exception):
    """Data, settings or an artifact cannot be used; the message contains the reason and the remedy."""


class UnknownIdError(ModelError):
    """A customer or product is unknown to the model."""
