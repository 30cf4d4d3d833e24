"""Texts and tables that several benchmarks print."""

from collections.abc import Sequence

from apps.benchmarks.ranking_differences import NdcgDifference
from apps.benchmarks.targets import Target
from apps.cli import console


def describe_machine(machine: dict[str, str | int | float]) -> str:
    """Return the properties of the machine on one line."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())


def print_targets(targets: Sequence[Target], default_size: str) -> None:
    """Print each target with the measured value and its outcome; the targets hold for the default size."""
    rows = [
        {
            "target": target.name,
            "value": target.value,
            "limit": _describe_limit(target),
            "outcome": _describe_outcome(target, default_size),
        }
        for target in targets
    ]
    console.print_table("Targets", rows)


def exit_if_missed(benchmark: str, targets: Sequence[Target]) -> None:
    """Exit with status 1 if a measured value misses its target."""
    missed = [target.name for target in targets if target.is_met is False]
    if missed:
        console.exit_with_error(f"benchmark failed: {benchmark}: not met: {', '.join(missed)}")


def format_relative_difference(difference: NdcgDifference | None) -> str:
    """Return the relative difference with its interval; an empty text when there is none."""
    if difference is None or difference.relative_difference is None:
        return ""
    bounds = (difference.relative_lower_bound, difference.relative_upper_bound)
    return "{:+.1%} ({:+.1%} to {:+.1%})".format(difference.relative_difference, *bounds)


def _describe_limit(target: Target) -> str:
    limits = (("at least", target.min_value), ("at most", target.max_value))
    return ", ".join(f"{kind} {limit:,.4g}" for kind, limit in limits if limit is not None)


def _describe_outcome(target: Target, default_size: str) -> str:
    if target.is_met is not None:
        return "met" if target.is_met else "not met"
    return "not measured" if target.value is None else f"not measured (for {default_size})"
