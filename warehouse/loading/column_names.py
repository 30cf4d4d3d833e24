"""Names of columns in the headers of files: unique ones, and problems of headers."""

from collections import Counter
from collections.abc import Sequence

from warehouse.formatting import format_names
from warehouse.sources.columns import split_json_path
from warehouse.sources.declaration import Feed

MAX_COLUMNS = 50_000
"""Maximum number of columns of a file, and of undeclared names of a feed that are saved."""


def name_columns(fields: list[str], feed: Feed) -> tuple[str, ...]:
    """Return a unique name for each column of a header.

    Unnamed columns at the end, as spreadsheets write them, get a name from their position. A name that occurs again
    gets its position too, unless the feed declares the name: then the file cannot be read, and the name stays.
    """
    return make_names_unique([field.strip().replace("\r\n", "\n") for field in fields], feed)


def make_names_unique(names: Sequence[str], feed: Feed) -> tuple[str, ...]:
    """Return a name for each column: a unique one, except for repeated names that the feed declares."""
    last_named = max((position for position, name in enumerate(names, start=1) if name), default=0)
    # The values of a struct or list are declared by their paths.
    paths = (split_json_path(name) if feed.is_json else (name,) for name in (*feed.mapped_names, *feed.condition_names))
    declared_names = {path[0] for path in paths}
    unique_names: list[str] = []
    taken_names, earlier_names = set(names), set[str]()
    for position, name in enumerate(names, start=1):
        unique_name = name
        if (not name and position > last_named) or (name in earlier_names and name not in declared_names):
            unique_name = f"{name} (column {position})" if name else f"column {position}"
            while unique_name in taken_names:
                unique_name += " again" if name else " without a name"
        unique_names.append(unique_name)
        earlier_names.add(unique_name)
        taken_names.add(unique_name)
    return tuple(unique_names)


def find_header_problem(names: tuple[str, ...], feed: Feed) -> str | None:
    """Describe why a file with these columns cannot be loaded, or return None."""
    if problem := find_count_problem(len(names)) or find_repeated_name(names):
        return problem
    for column, name in feed.required_names:
        if name not in names:
            return f"the header has no '{name}' (for {column}); it has {format_names(list(names))}"
    if any("\0" in name for name in names):
        return "the header has a name with a zero byte"
    return None


def find_count_problem(column_count: int) -> str | None:
    """Describe that a file has too many columns, or return None."""
    if column_count <= MAX_COLUMNS:
        return None
    return f"it has {column_count:,} columns where {MAX_COLUMNS:,} are the maximum. Deliver their values as rows"


def find_repeated_name(names: Sequence[str]) -> str | None:
    """Describe a name that two columns have, or return None."""
    repeated_names = sorted(name for name, count in Counter(names).items() if count > 1)
    return f"the header has the column '{repeated_names[0]}' twice" if repeated_names else None
