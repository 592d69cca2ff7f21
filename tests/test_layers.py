"""flows -> tasks -> warehouse, never backwards; pure modules stay pure; one module reads the environment."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("flows", "tasks", "warehouse", "infra")
MAY_IMPORT = {
    "flows": {"flows", "tasks", "warehouse"},
    "tasks": {"tasks", "warehouse"},
    "warehouse": {"warehouse"},
    "infra": {"infra"},
}
DETECTOR = "tasks/judge/screens/green_tokens.py"
"""Sees a declared watermark by the detector of the library that writes it; loaded only where one is declared."""
SHELLS = {"prefect", "httpx", "httpx_aiohttp", "duckdb", "ray"}
TRAINERS = {"torch", "trl", "transformers", "peft", "accelerate", "tokenizers"}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module a file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            found.add(node.module or "")
    return found


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    for module in imports(path):
        package = module.split(".")[0]
        assert package not in PACKAGES or package in MAY_IMPORT[layer], (
            f"{name_of(path)} imports {module}: {layer} must not know {package}"
        )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_that_says_it_is_pure_imports_no_shell(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    if "(pure)" in docstring.splitlines()[:1][0] if docstring else False:
        shells = {module.split(".")[0] for module in imports(path)} & SHELLS
        assert not shells, f"{name_of(path)} says it is pure and imports {', '.join(sorted(shells))}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_train_station_imports_training_libraries(path: Path) -> None:
    found = {module.split(".")[0] for module in imports(path)} & TRAINERS
    may = name_of(path).startswith("tasks/train/") or name_of(path) == DETECTOR
    assert not found or may, f"{name_of(path)} imports {', '.join(sorted(found))}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_warehouse_imports_duckdb(path: Path) -> None:
    assert "duckdb" not in imports(path) or name_of(path).startswith("warehouse/")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_settings_touches_the_environment(path: Path) -> None:
    if name_of(path) == "flows/settings.py":
        return
    tree = ast.parse(path.read_text())
    touches = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv", "putenv"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    ]
    assert not touches, f"{name_of(path)} reads the environment on line {touches[0]}: pass it as an argument"


def test_every_promise_has_a_file_of_its_own() -> None:
    numbered = sorted(int(path.name.split("_")[1]) for path in (ROOT / "tests" / "promises").glob("test_*.py"))
    assert numbered == list(range(1, 13))
