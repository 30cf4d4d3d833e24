"""Commands for versions of the training data."""

from typing import Annotated

import typer

from apps.cli import console
from apps.cli.dataset_diff import DatasetDiff, diff_versions
from apps.cli.options import Json, Warehouse, load_settings
from orchestration.dataset_versions import DatasetVersion, list_dataset_versions
from warehouse.formatting import format_count

app = typer.Typer(invoke_without_command=True)

SHORT_HASH_CHARS = 12
"""Characters of a hash in tables; the commands accept any unique start of a hash."""


@app.callback()
def list_versions(context: typer.Context, warehouse: Warehouse = None, as_json: Json = False) -> None:
    """List the versions of the training data, or compare two.

    The newest version comes first. `recomart train --dataset HASH` trains on a version.
    """
    if context.invoked_subcommand is not None:
        return
    settings = load_settings(warehouse=warehouse)
    versions = list_dataset_versions(settings)
    if as_json:
        console.print_json({"datasets": versions})
    elif versions:
        console.print_table("Datasets", [_build_row(version) for version in versions])
    else:
        console.print_line(f"no dataset version in {settings.warehouse} yet. Run `recomart train` to create one")


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="Start of the hash of the first version.")],
    after: Annotated[str, typer.Argument(help="Start of the hash of the second version.")],
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Compare two versions: settings, files, customers, products, product features and pairs."""
    difference = diff_versions(load_settings(warehouse=warehouse), before, after)
    if as_json:
        console.print_json(difference)
    else:
        _print_diff(difference)


def _build_row(version: DatasetVersion) -> dict[str, object]:
    return {
        "hash": version.dataset_hash[:SHORT_HASH_CHARS],
        **version.model_dump(include={"created_at", "as_of", "interactions", "users", "products"}),
        "training_runs": f"{format_count(len(version.runs), 'run')}, the last {version.runs[-1]}"
        if version.runs
        else "none",
        "serving": "yes" if version.is_serving else "",
        "files": f"missing: {', '.join(version.missing_files)}" if version.missing_files else "complete",
    }


def _print_diff(difference: DatasetDiff) -> None:
    names = ("dataset_hash", "created_at", "as_of", "interactions", "users", "products")
    sides = {"before": difference.before, "after": difference.after}
    console.print_table(
        "Versions", [{"version": side, **{name: manifest[name] for name in names}} for side, manifest in sides.items()]
    )
    console.print_table("Rows", difference.rows)
    console.print_table("Customer-product pairs, as of now", [difference.pairs])
    console.print_table("Customers and products, as of now", difference.entities)
    console.print_table("Products in both versions, or customers, with other features, as of now", difference.features)
    console.print_table("Largest changes of strength", difference.largest_changes)
    console.print_table("Changed settings", difference.settings)
    for change, files in difference.files.items():
        if files:
            more = f" and {len(files) - 5:,} more" if len(files) > 5 else ""
            console.print_line(f"{format_count(len(files), 'file')} {change}: {', '.join(files[:5])}{more}")
