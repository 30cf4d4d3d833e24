"""Command groups that import a command's module when the command is named.

Importing torch, dlt and matplotlib takes one to two seconds, and `recomart --help` needs none of them.
"""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from warehouse.errors import RecomartError


class CommandEntry(NamedTuple):
    """The module of a command and its line in the help page."""

    module: str
    """Module in apps.cli whose `app` holds the command."""

    summary: str
    """First line of the command's help text."""


class LazyGroup(TyperGroup):
    """A command group that builds its help page from the summaries."""

    entries: Mapping[str, CommandEntry]

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option `--help` without a type."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.metavar = ""
        return option

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names of all commands in the order of the help page."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002
        """Return a placeholder with the summary; None for an unknown command."""
        entry = self.entries.get(cmd_name)
        return None if entry is None else TyperCommand(cmd_name, help=entry.summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Import the module of the named command and return the command itself."""
        name, placeholder, remaining_args = super().resolve_command(ctx, args)
        if name is None or placeholder is None:
            return name, placeholder, remaining_args
        group = _import_commands(self.entries[name].module)
        # The module of a command group, such as `datasets`, has no command of the group's name.
        command = group.commands.get(name, group)
        _hide_flag_types(command, ctx)
        return name, command, remaining_args


@functools.cache
def _import_commands(module_name: str) -> Any:
    """Import a module and return the group of its commands, which refuse texts that are not UTF-8."""
    module = importlib.import_module(f"apps.cli.{module_name}")
    for command in module.app.registered_commands:
        command.callback = _check_texts_of(command.callback)
    return typer.main.get_group(module.app)


def _check_texts_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the function of a command: check its texts, not its paths, before the call.

    Python reads each argument's byte that is not UTF-8 as half a surrogate pair, which no id can have and DuckDB
    refuses.
    """

    @functools.wraps(function)
    def call(**values: Any) -> Any:
        for value in values.values():
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text):
                    raise RecomartError(f"'{text}' is not valid UTF-8 text. Give the argument in UTF-8")
        return function(**values)

    return call


def _hide_flag_types(command: Any, ctx: Any) -> None:
    """Remove the type `<bool>` of flags, which take no value, from the help page of a command."""
    for parameter in command.get_params(ctx):
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    for subcommand in getattr(command, "commands", {}).values():
        _hide_flag_types(subcommand, ctx)


def create_lazy_app(entries: Mapping[str, CommandEntry], **options: Any) -> typer.Typer:
    """Return a Typer application that imports each command's module when the command is named."""
    group = type("Group", (LazyGroup,), {"entries": entries})
    app = typer.Typer(cls=group, no_args_is_help=True, add_completion=False, **options)
    # Typer creates a group only for an application with a callback or commands.
    app.callback()(lambda: None)
    return app
