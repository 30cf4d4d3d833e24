"""Import rules of the packages: imports point down only and form no circle, and module base names are unique."""

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from warehouse.settings import PROJECT_ROOT

PACKAGES = ("apps", "models_ml", "orchestration", "warehouse")

MODEL_LAYERS = (
    *("models_ml.errors", "models_ml.config", "models_ml.data", "models_ml.als", "models_ml.neighbors"),
    *("models_ml.ranking_model", "models_ml.inference", "models_ml.evaluation"),
)
"""The inner packages of models_ml; each may import the earlier packages of this list."""

READ_ONLY_PACKAGES = ("warehouse", "models_ml.inference", "models_ml.errors")
"""Packages that an app may import: an app reads the published copy and the model, and runs no step of the pipeline."""

ALLOWED_IMPORTS: dict[str, tuple[str, ...]] = {
    "warehouse": (),
    **{layer: MODEL_LAYERS[:position] for position, layer in enumerate(MODEL_LAYERS)},
    "models_ml.training": MODEL_LAYERS,
    "models_ml.tuning_journal": ("models_ml.errors",),
    "models_ml.tuning_results": ("models_ml.config", "models_ml.ranking_model"),
    "models_ml.tuning": (
        *MODEL_LAYERS,
        *("models_ml.tuning_journal", "models_ml.tuning_results"),
    ),
    "orchestration": ("warehouse", "models_ml"),
    "apps.recommendations": READ_ONLY_PACKAGES,
    # The pages Products and Try it show lists that the model ranks.
    "apps.merchandiser": (*READ_ONLY_PACKAGES, "apps.recommendations"),
    "apps.profile": READ_ONLY_PACKAGES,
    "apps.service": (*READ_ONLY_PACKAGES, "apps.recommendations"),
    # The serving benchmark times the queries alone, besides the whole service; the app's benchmark opens each page, and
    # that of the rules fills in the form.
    "apps.benchmarks": (
        *("orchestration", "warehouse", "models_ml"),
        *("apps.recommendations", "apps.merchandiser.page_list", "apps.merchandiser.rules.rule_labels"),
    ),
    # Commands start the app, the service, the profile and the benchmarks, and print what the queries return.
    "apps.cli": (
        *("orchestration", "warehouse", "models_ml"),
        *("apps.recommendations", "apps.merchandiser", "apps.service", "apps.profile", "apps.benchmarks"),
    ),
}
"""Packages that the modules of each package may import, besides their own package."""

REPEATED_NAMES = {
    "__init__": "Python's name of a package's own module",
    "conftest": "pytest's name of a folder's fixtures",
    "app": "the object that a server runs: Streamlit's pages, FastAPI's endpoints",
    "config": "the settings model of its package: of a training, of the demo shop",
    "errors": "the exceptions of its package",
    "rules": "the rules of merchandisers: their commands, their page",
    "pipeline": "the pipeline's steps, and the commands that run them",
    "reports": "reports of what its package did: of a load, of a fetch",
}
"""Base names that more than one module has, and what these modules have in common."""


def list_modules(*packages: str) -> dict[str, Path]:
    """Return the file of every module of the packages, by the module's full name."""
    files = [file for package in packages for file in (PROJECT_ROOT / package).rglob("*.py")]
    return {get_module_name(file): file for file in files}


def get_module_name(file: Path) -> str:
    name = ".".join(file.relative_to(PROJECT_ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def find_imports(file: Path) -> Iterator[str]:
    """Yield the full name of everything that a file imports, in functions and by `import_module` as well."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


def is_within(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def find_violations(modules: dict[str, Path], allowed: tuple[str, ...]) -> list[str]:
    """Return the imports of the project's packages, and of tests, that are not allowed."""
    return [
        f"{module} imports {name}"
        for module, file in modules.items()
        for name in find_imports(file)
        if name.partition(".")[0] in (*PACKAGES, "tests") and not any(is_within(name, package) for package in allowed)
    ]


@pytest.mark.parametrize("package", ALLOWED_IMPORTS)
def test_package_imports_only_allowed_names(package: str) -> None:
    modules = {name: file for name, file in list_modules(*PACKAGES).items() if is_within(name, package)}

    assert modules
    assert find_violations(modules, (package, *ALLOWED_IMPORTS[package])) == []


def test_every_module_has_one_import_rule() -> None:
    """The packages `apps` and `models_ml` have rules for their parts; their own modules import nothing."""
    modules = list_modules(*PACKAGES)
    rules = {name: [package for package in ALLOWED_IMPORTS if is_within(name, package)] for name in modules}

    assert {name for name, packages in rules.items() if len(packages) != 1} == {"apps", "models_ml"}
    assert find_violations({name: modules[name] for name in ("apps", "models_ml")}, ()) == []


def test_imports_form_no_circle() -> None:
    modules = list_modules(*PACKAGES, "tests")
    graph = {}
    for module, file in modules.items():
        # `from a.b import c` imports the module a.b.c if there is one, or else a name that a.b defines.
        names = {name if name in modules else name.rpartition(".")[0] for name in find_imports(file)}
        graph[module] = names & modules.keys()

    assert sum(map(len, graph.values())) > len(modules)
    TopologicalSorter(graph).prepare()


def test_module_base_names_are_unique() -> None:
    files = [file for package in (*PACKAGES, "tests") for file in (PROJECT_ROOT / package).rglob("*.py")]
    counts = Counter(file.stem for file in files)

    assert {name for name, count in counts.items() if count > 1} == REPEATED_NAMES.keys()
