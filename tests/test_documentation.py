"""Links of the documentation, and the pages that code and settings mention."""

import re
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path

from warehouse.settings import PROJECT_ROOT

LINK_PATTERN = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
PAGE_PATTERN = re.compile(r"(?<![\w/.])docs/[\w/]+\.md")
TEXT_SUFFIXES = {".py", ".sql", ".yml", ".yaml", ".md", ".toml", ".csv"}


def list_text_files() -> list[Path]:
    """Return the repository's text files, new ones that git does not ignore included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    files = [PROJECT_ROOT / name for name in names if Path(name).suffix in TEXT_SUFFIXES]
    return [file for file in files if file.is_file()]


def list_anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as Markdown viewers build them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def find_broken_links(page: Path) -> Iterator[str]:
    """Yield the links of a page to missing files or headings."""
    for path, anchor in LINK_PATTERN.findall(page.read_text(encoding="utf-8")):
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in list_anchors(target)):
            yield f"{page.relative_to(PROJECT_ROOT)}: {path}{f'#{anchor}' if anchor else ''}"


def test_links_exist() -> None:
    pages = [file for file in list_text_files() if file.suffix == ".md" and "dbt_project" not in file.parts]

    assert len(pages) > 1
    assert [link for page in pages for link in find_broken_links(page)] == []


def test_mentioned_pages_exist() -> None:
    mentions = {(file, page) for file in list_text_files() for page in PAGE_PATTERN.findall(file.read_text("utf-8"))}

    assert mentions
    assert {page for _, page in mentions if not (PROJECT_ROOT / page).is_file()} == set()


def test_settings_table_matches_class() -> None:
    script = PROJECT_ROOT / "docs" / "operations" / "write_settings.py"
    page = script.with_name("settings.md").read_text(encoding="utf-8")

    assert page == runpy.run_path(str(script))["build_page"](page), (
        f"the table of settings is out of date. Run .venv/bin/python {script.relative_to(PROJECT_ROOT)}"
    )
