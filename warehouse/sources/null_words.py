"""Words that stand for a missing value in the files of shops."""

NULL_WORDS = (
    *("na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "(null)", "none", "(none)", "nil"),
    *("undefined", "(not set)", "\\n", "-", "--"),
)
"""Words for a missing value, in lower case: those that pandas, DuckDB, MySQL, JavaScript and Google Analytics write."""

MISSING_USER_WORDS = ("0", "-1", "guest", "anonymous", "00000000-0000-0000-0000-000000000000")
"""Further words for a missing customer, in lower case: the ids that shop systems give to guests."""

DEFAULT_WORD = "default"
"""Word in a declared list that means the default words of the column."""


def get_default_null_words(column: str) -> tuple[str, ...]:
    """Return the default words for a missing value of a column of the raw tables.

    Names of products and event types have none: any text can be a name, and an unknown event type is quarantined.
    """
    if column in ("product_name", "event_type"):
        return ()
    return (*NULL_WORDS, *MISSING_USER_WORDS) if column == "user_id" else NULL_WORDS
