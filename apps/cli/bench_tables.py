"""Texts and tables that several benchmarks print."""

from collections.abc import Sequence

from apps.benchmarks.targets import Target
from apps.cli import console

TARGET_OUTCOMES = {None: "not measured", True: "met", False: "not met"}


def describe_machine(machine: dict[str, str | int | float]) -> str:
    """Return the properties of the machine on one line."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())


def print_targets(targets: Sequence[Target]) -> None:
    """Print each target with the measured value and its outcome."""
    rows = [{**target.model_dump(exclude={"is_met"}), "outcome": TARGET_OUTCOMES[target.is_met]} for target in targets]
    console.print_table("Targets", rows)
