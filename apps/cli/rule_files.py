"""CSV files of merchandising rules."""

import csv
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from warehouse.errors import RecomartError
from warehouse.rules.rule import Rule, end_after
from warehouse.rules.rule_store import parse_new_rule

OTHER_FIELDS = ("valid_from", "valid_until", "is_stopped")
"""Fields of a rule that a file does not have under their names."""

COLUMNS = ("first_day", "last_day", *(name for name in Rule.model_fields if name not in OTHER_FIELDS))
"""Columns of a file; placements are separated by blanks."""


def read_rule_file(file: Path) -> dict[int, Rule]:
    """Return the rules of a CSV file by the line in which they end; it has columns of COLUMNS in any order.

    Raises:
        RecomartError: The file cannot be read, or a line has no valid rule.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as content:
            reader = csv.DictReader(content, strict=True)
            _check_columns(file, reader.fieldnames or [])
            rules = dict(_parse_row(file, reader.line_num, row) for row in reader)
    except OSError as error:
        raise RecomartError(f"no rule added: {file} cannot be read: {error.strerror}. Name a CSV file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecomartError(f"no rule added: {file} is not a CSV file in UTF-8: {error}. Save it as one") from error
    if not rules:
        raise RecomartError(f"no rule added: {file} has no rules. Write a line for each rule below the columns")
    return rules


def _check_columns(file: Path, columns: Sequence[str]) -> None:
    for number, name in enumerate(columns):
        if name not in COLUMNS:
            raise RecomartError(
                f"no rule added: {file}, line 1: unknown column '{name}'. The columns are {', '.join(COLUMNS)}, "
                "separated by commas"
            )
        if name in columns[:number]:
            raise RecomartError(f"no rule added: {file}, line 1: column '{name}' is there twice. Remove one of them")


def _parse_row(file: Path, line: int, row: dict[str | None, Any]) -> tuple[int, Rule]:
    location = f"no rule added: {file}, line {line}"
    if None in row:
        raise RecomartError(f"{location}: the line has more values than columns. Quote values with commas")
    fields: dict[str, Any] = {name: value.strip() for name, value in row.items() if name and value and value.strip()}
    fields["placements"] = fields.get("placements", "").split()
    first_day, last_day = fields.pop("first_day", None), fields.pop("last_day", None)
    try:
        fields["valid_from"] = first_day and date.fromisoformat(first_day)
        fields["valid_until"] = last_day and end_after(date.fromisoformat(last_day), location)
    except ValueError as error:
        raise RecomartError(f"{location}: {error}. Write days like 2026-01-31") from error
    return line, parse_new_rule(fields, location)
