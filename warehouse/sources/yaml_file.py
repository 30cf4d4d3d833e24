"""Reading and checking of a sources file, with errors that name the setting or the line."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.sources.columns import RAW_COLUMNS
from warehouse.sources.declaration import Sources
from warehouse.validation_messages import locate_problem


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
        data = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)
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
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise RecomartError(f"{location}: the sources file is not valid YAML: {problem}") from error
    except (ValueError, RecursionError) as error:
        # PyYAML builds dates without a check of the day, and nests calls as deep as the lists.
        raise RecomartError(
            f"{path}: the sources file is not valid YAML: {error}. Put texts that look like dates in quotes"
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
            return f"it must be given, because the feed's name is not one of {', '.join(RAW_COLUMNS)}"
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
