"""The start page: the state of the day."""
