"""The requirements with hashes, and the installation that verifies them."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from warehouse.settings import PROJECT_ROOT

REMEDY = "Run `make lock`"


def read_pins(*names: str) -> dict[str, str]:
    """Return the version of each package of some files, by its normalized name."""
    texts = [(PROJECT_ROOT / name).read_text(encoding="utf-8") for name in names]
    pins = re.findall(r"^([\w.-]+)==([^\s;+]+)", "\n".join(texts), re.MULTILINE)
    return {normalize(name): version for name, version in pins}


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_requirements_match_constraints() -> None:
    requirements = read_pins("requirements.txt", "requirements-cuda.txt")
    constraints = read_pins("constraints.txt")
    assert constraints.items() <= requirements.items(), REMEDY
    assert read_pins("requirements-cpu.txt")["torch"] == constraints["torch"]


def test_requirements_have_every_dependency() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["bench"], *extras["dev"]]
    names = {normalize(re.split(r"[<>=\[ ]", line)[0]) for line in lines} - {"recomart"}
    assert names <= read_pins("requirements.txt", "requirements-cuda.txt").keys(), REMEDY


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-cpu.txt", "requirements-cuda.txt"])
def test_every_requirement_has_hashes(name: str) -> None:
    text = (PROJECT_ROOT / name).read_text(encoding="utf-8")
    packages = [lines for lines in re.split(r"\n(?=\S)", text) if not lines.startswith("#")]
    assert packages
    assert [lines for lines in packages if "--hash=sha256:" not in lines] == []


@pytest.mark.parametrize("is_changed", [False, True])
def test_installation_refuses_changed_file(tmp_path: Path, is_changed: bool) -> None:
    """The real script installs a package with the listed hash, and refuses the same package after a change."""
    for name in (".ci", "wheels"):
        (tmp_path / name).mkdir()
    shutil.copy(PROJECT_ROOT / ".ci" / "make_environment", tmp_path / ".ci")
    wheel = tmp_path / "wheels" / "harmless-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("harmless.py", "")
        archive.writestr("harmless-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: harmless\nVersion: 1.0\n")
        archive.writestr(
            "harmless-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("harmless-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "requirements.txt").write_text(f"harmless==1.0 --hash=sha256:{digest}\n", encoding="utf-8")
    (tmp_path / "requirements-cpu.txt").touch()
    if is_changed:
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr("harmful.py", "")
    environment = tmp_path / "environment"
    result = subprocess.run(
        [tmp_path / ".ci" / "make_environment", sys.executable, environment],
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    # The folder has no project, so the installation fails after the packages.
    assert result.returncode != 0
    assert ("DO NOT MATCH THE HASHES" in result.stderr) == is_changed
    assert any(environment.rglob("harmless.py")) != is_changed
