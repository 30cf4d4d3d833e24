"""Command groups that import a command's module when the command is named.

torch, dlt and matplotlib take one to two seconds to import, and the help page of `recomart` needs none of them.
"""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class CommandEntry(NamedTuple):
    """Where a command is defined, and what it does."""

    module: str
    """Module in apps.cli whose `app` holds the command."""

    summary: str
    """The command's line in the help page of its group."""


class LazyGroup(TyperGroup):
    """A group whose help page needs the summaries only."""

    entries: Mapping[str, CommandEntry]

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the help page."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """Return a stub with the summary; None when there is no such command."""
        entry = self.entries.get(cmd_name)
        return None if entry is None else TyperCommand(cmd_name, help=entry.summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the named command from its own module, with the summary above its help text."""
        name, stub, remaining = super().resolve_command(ctx, args)
        if name is None or stub is None:
            return name, stub, remaining
        entry = self.entries[name]
        group = typer.main.get_group(importlib.import_module(f"apps.cli.{entry.module}").app)
        command = group.commands.get(name, group)
        command.help = f"{entry.summary}\n\n{command.help or ''}".strip()
        return name, command, remaining


def lazy_app(entries: Mapping[str, CommandEntry], **options: Any) -> typer.Typer:
    """Return a Typer application of commands that are imported when they are named."""
    group = type("Group", (LazyGroup,), {"entries": entries})
    app = typer.Typer(cls=group, no_args_is_help=True, add_completion=False, **options)
    # Typer makes a group only of an application that has a callback or commands.
    app.callback()(lambda: None)
    return app
