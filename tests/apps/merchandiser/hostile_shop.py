"""A demo shop whose names and ids are hostile texts."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable

from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import generate_shop
from warehouse.settings import Settings

HOSTILE_PREFIXES = (
    "<img src=x onerror=window.hostile=1>",
    "<script>window.hostile=1</script>",
    "**x** [a](javascript:window.hostile=1) $x^2$ :red[x] :smile: `c`",
    '=HYPERLINK("http://evil.example/";"x")',
    "+1",
    "-1",
    "@x",
    "🛍️👩‍👩‍👧",
    "\u202eمن اليمين إلى اليسار",
    "x" * 500,
)
"""Beginnings of the names and ids; their ends are those of the demo shop, so that they stay distinct."""

HOSTILE_FIELDS = ("user_id", "product_id", "name", "category", "brand")

CONFIG = DemoConfig(customers=300, products=200, days=40, events=15_000, dirt=0)


def make_hostile(text: str) -> str:
    """Return a hostile text that ends in the given one; the same one for the same text."""
    return f"{HOSTILE_PREFIXES[zlib.crc32(text.encode()) % len(HOSTILE_PREFIXES)]} {text}"


def generate_hostile_shop(settings: Settings) -> None:
    """Generate the files of a demo shop with hostile names and ids."""
    generate_shop(CONFIG, settings.landing_dir, settings.demo_truth_dir)
    for path in settings.landing_dir.glob("*/**/*.*"):
        rewrite = REWRITERS[path.name.removesuffix(".gz").rpartition(".")[2]]
        is_compressed = path.suffix == ".gz"
        content = gzip.decompress(path.read_bytes()) if is_compressed else path.read_bytes()
        changed = rewrite(content.decode()).encode()
        path.write_bytes(gzip.compress(changed) if is_compressed else changed)


def _rewrite_row(row: dict[str, str]) -> dict[str, str]:
    return {name: make_hostile(value) if name in HOSTILE_FIELDS and value else value for name, value in row.items()}


def _rewrite_json(text: str) -> str:
    page = json.loads(text)
    return json.dumps({**page, "products": [_rewrite_row(row) for row in page["products"]]})


def _rewrite_json_lines(text: str) -> str:
    return "".join(f"{json.dumps(_rewrite_row(json.loads(line)))}\n" for line in text.splitlines())


def _rewrite_csv(text: str) -> str:
    reader = csv.DictReader(io.StringIO(text))
    output = io.StringIO()
    writer = csv.DictWriter(output, list(reader.fieldnames or []))
    writer.writeheader()
    writer.writerows(map(_rewrite_row, reader))
    return output.getvalue()


REWRITERS: dict[str, Callable[[str], str]] = {
    "json": _rewrite_json,
    "jsonl": _rewrite_json_lines,
    "csv": _rewrite_csv,
}
