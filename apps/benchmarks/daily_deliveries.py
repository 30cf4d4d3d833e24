"""Delivers a demo shop's files day by day, as a shop would."""

import re
import shutil
import time
from datetime import date, timedelta
from pathlib import Path

from warehouse.demo.config import DemoConfig
from warehouse.settings import Settings


class DailyDeliveries:
    """Copies files of a shop into a warehouse's landing folder."""

    def __init__(self, shop: DemoConfig, source: Path, settings: Settings) -> None:
        """Read the dates of the files in `source`; `settings` name the landing folder to copy to."""
        self.delivered_days = 0
        self._shop = shop
        self._source = source
        self._settings = settings
        self._files_by_date = _group_files_by_date(source)

    def deliver_until(self, day_count: int) -> list[Path]:
        """Copy the files of the days up to the `day_count`-th that are not delivered yet; wait until they are settled.

        Returns:
            The copied files.
        """
        days = [self._shop.start_date + timedelta(days=day) for day in range(self.delivered_days, day_count)]
        files = [file for day in days for file in self._files_by_date.get(day, [])]
        for file in files:
            target = self._settings.landing_dir / file.relative_to(self._source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        # The loader waits for younger files, and this wait belongs to no measurement.
        time.sleep(self._settings.settle_seconds)
        self.delivered_days = day_count
        return files


def _group_files_by_date(landing: Path) -> dict[date, list[Path]]:
    """Return the landing files by the date in their path."""
    files_by_date: dict[date, list[Path]] = {}
    for path in sorted(landing.rglob("*")):
        date_match = re.search(r"\d{4}-\d{2}-\d{2}", str(path.relative_to(landing)))
        if path.is_file() and date_match:
            files_by_date.setdefault(date.fromisoformat(date_match[0]), []).append(path)
    return files_by_date
