"""Write the table of docs/operations/settings.md from the settings class."""

from pathlib import Path

from pydantic.fields import FieldInfo

from warehouse.settings import PROJECT_ROOT, Settings

PAGE = Path(__file__).with_name("settings.md")
HEADING = "| variable | default | meaning |\n|---|---|---|\n"


def build_page(page: str) -> str:
    """Return the page with a new table; the text around the table stays."""
    before, _, rest = page.partition(HEADING)
    rows = [
        f"| `RECOMART_{name.upper()}` | {_describe_default(field)} | {_describe_meaning(field)} |\n"
        for name, field in Settings.model_fields.items()
    ]
    after = [line for line in rest.splitlines(keepends=True) if not line.startswith("|")]
    return "".join([before, HEADING, *rows, *after])


def _describe_default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    match value:
        case None | () | "":
            return "none"
        case tuple():
            return f"`{','.join(map(str, value))}`"
        case Path():
            return f"`{value.relative_to(PROJECT_ROOT)}` in the project"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:.10g}"
        case _:
            return f"`{value}`"


def _describe_meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(build_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
