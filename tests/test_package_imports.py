"""Who may import whom: a room knows nothing of those above it, and every other way through stands here with why."""

import ast
from collections.abc import Iterator

import pytest

from warehouse.settings import PROJECT_ROOT

ALLOWED_PACKAGES: dict[str, set[str]] = {
    "warehouse": set(),
    "models_ml": set(),
    "apps": {"warehouse", "models_ml"},
    "orchestration": {"warehouse", "models_ml"},
}

ALLOWED_EXCEPTIONS = {
    # The one place that answers questions: the command line asks it as the service does.
    ("orchestration", "apps.recommendation_queries"),
    # `recomart serve` starts the service.
    ("apps.cli.recommendations", "apps.service.app"),
}
"""Who imports what all the same."""


def find_imports(package: str) -> Iterator[tuple[str, str]]:
    """Every module of a room with each name that it imports, in functions as well, by their full names."""
    for file in (PROJECT_ROOT / package).rglob("*.py"):
        module = ".".join(file.relative_to(PROJECT_ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((module, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from ((module, f"{node.module}.{alias.name}") for alias in node.names)


def is_within(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def find_used_exceptions(module: str, name: str) -> set[tuple[str, str]]:
    return {(who, what) for who, what in ALLOWED_EXCEPTIONS if is_within(module, who) and is_within(name, what)}


@pytest.mark.parametrize("room", ALLOWED_PACKAGES)
def test_a_room_imports_only_the_rooms_that_it_stands_on(room: str) -> None:
    out_of_bounds = ALLOWED_PACKAGES.keys() - ALLOWED_PACKAGES[room] - {room}
    found = list(find_imports(room))
    strange = [
        f"{module} imports {name}"
        for module, name in found
        if name.partition(".")[0] in out_of_bounds and not find_used_exceptions(module, name)
    ]

    assert found
    assert strange == []


def test_every_other_way_is_taken() -> None:
    assert {
        way for module, name in find_imports("orchestration") for way in find_used_exceptions(module, name)
    } == ALLOWED_EXCEPTIONS
