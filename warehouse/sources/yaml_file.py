"""Reading and checking of a sources file, with errors that name the setting or the line."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.sources.columns import SHOP_KINDS
from warehouse.sources.declaration import Sources
from warehouse.validation_messages import locate_problem

MAX_FILE_BYTES = 512 << 10
"""Maximum size of a sources file, which takes some seconds to parse."""

MAX_VALUES = 50_000
"""Maximum number of values of a sources file, where each alias counts as the values that it stands for."""

MAX_FEEDS = 1_000
"""Maximum number of feeds."""

MAX_INTEGER_BITS = 1_000
"""Maximum size of a number. Python does not write much larger ones as text."""


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML loader that rejects duplicate keys, of which PyYAML would keep only the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(
                    problem="a name is expected, not a list or mapping. Put the name in quotes",
                    problem_mark=key_node.start_mark,
                )
            if key in keys:
                raise yaml.MarkedYAMLError(problem=f"the key '{key}' occurs twice", problem_mark=key_node.start_mark)
            keys.add(key)
        return super().construct_mapping(node, deep)


def read_sources(path: Path) -> Sources:
    """Read and check a sources file.

    Raises:
        RecomartError: The file is missing, is not valid YAML, or has an invalid setting.
    """
    try:
        data = yaml.load(_read_text(path), _UniqueKeyLoader)
        _check_values(data)
    except FileNotFoundError:
        raise RecomartError(f"{path}: no such sources file. Name one with --sources") from None
    except UnicodeDecodeError as error:
        raise RecomartError(
            f"{path}: the sources file is not UTF-8 text (byte {error.start + 1:,}). Save it as UTF-8"
        ) from error
    except OSError as error:
        raise RecomartError(f"{path}: the sources file cannot be read: {error.strerror}. Name a file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        location = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RecomartError(f"{location}: the sources file is not valid YAML: {problem}") from error
    except RecursionError:
        # PyYAML nests calls as deep as the lists.
        raise RecomartError(f"{path}: the sources file is nested too deep. Correct its brackets and indents") from None
    except ValueError as error:
        # PyYAML builds dates without a check of the day.
        raise RecomartError(
            f"{path}: the sources file cannot be read: {error}. Correct it; texts that look like dates need quotes"
        ) from error
    try:
        return Sources.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        setting_path, problem = locate_problem(first, Sources)
        more = f" (and {format_count(error.error_count() - 1, 'further problem')})" if error.error_count() > 1 else ""
        raise RecomartError(
            f"{locate_setting(path, setting_path)}: {setting_path + ': ' if setting_path else ''}"
            f"{_describe_yaml_problem(first) or problem}{more}"
        ) from error


def _read_text(path: Path) -> str:
    # A pipe or device has no end.
    if path.exists() and not path.is_file():
        raise RecomartError(f"{path}: the sources file is no regular file. Name a file")
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise RecomartError(
            f"{path}: the sources file has more than {MAX_FILE_BYTES >> 10:,} KiB. Name a file that declares feeds"
        )
    return content.decode("utf-8")


def _check_values(data: Any) -> None:
    """Check the number of values and feeds, and the texts.

    Raises:
        ValueError: There are too many, also by aliases of aliases, or a text is no Unicode text.
    """
    feeds = data.get("feeds") if isinstance(data, dict) else None
    if isinstance(feeds, dict) and len(feeds) > MAX_FEEDS:
        raise ValueError(f"it declares {len(feeds):,} feeds where {MAX_FEEDS:,} are the maximum")
    values, count = [data], 0
    while values:
        value = values.pop()
        count += 1
        if count > MAX_VALUES:
            raise ValueError(f"it has more than {MAX_VALUES:,} values, or an alias that contains itself")
        if isinstance(value, dict):
            values += [*value, *value.values()]
        elif isinstance(value, list):
            values += value
        elif isinstance(value, str) and ("\0" in value or any("\ud800" <= char <= "\udfff" for char in value)):
            raise ValueError(f"the text {value[:50]!r} has a character that is none in Unicode texts")
        elif isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
            raise ValueError("a number is too large")


def locate_setting(path: Path, setting: str) -> str:
    """Return the sources file and, where the file has the setting or a part of its path, the line.

    `setting` is a path such as `feeds.events.columns.user_id`.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return str(path)
    line = None
    while isinstance(node, yaml.MappingNode):
        # A key can contain dots, so the longest key that fits is the right one.
        keys = {str(key.value): (key, value) for key, value in node.value}
        fitting_keys = [key for key in keys if setting == key or setting.startswith(f"{key}.")]
        if not fitting_keys:
            break
        name = max(fitting_keys, key=len)
        key_node, node = keys[name]
        line = key_node.start_mark.line + 1
        setting = setting[len(name) + 1 :]
    return f"{path}, line {line}" if line else str(path)


def _describe_yaml_problem(error: ErrorDetails) -> str | None:
    """Describe a mistake that only a YAML file can have; None for other mistakes."""
    value = error["input"]
    match error["type"]:
        case "missing" if error["loc"][-1] == "kind":
            return f"it must be given, because the feed's name is not one of {', '.join(SHOP_KINDS)}"
        case "string_type" if value is None:
            return "it has no value. Set a text, or remove the setting"
        case "string_type" if isinstance(value, list | dict):
            return "it must be a text, not a list or mapping"
        case "string_type":
            return f"YAML reads this as {_dump_yaml(value)}, which is not a text. Put it in quotes"
        case _:
            return None


def _dump_yaml(value: Any) -> str:
    return yaml.safe_dump(value).splitlines()[0]
