"""Words of messages that every room gives."""


def counted(number: int, noun: str) -> str:
    """A number with its noun: '1 file', '0 files', '1,024 files'; nouns that take an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
