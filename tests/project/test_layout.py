"""The shape of the tests: a folder for each package, and helpers between them."""

from __future__ import annotations

import ast
from collections import Counter

from helpers.repository import ROOT, TESTS

OF_NO_PACKAGE = {"project", "security", "endurance"}
"""Folders of tests that are not about one package."""

# Not what tests/web and tests/bench install.
MODULES = sorted(
    path for path in TESTS.rglob("*.py") if not {"node_modules", ".peers"} & set(path.parts)
)
TEST_MODULES = [path for path in MODULES if path.name.startswith("test_")]


def imported_from(tree: ast.AST) -> set[str]:
    """The modules that the tree imports, or imports names from, as they are written."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_nobody_imports_a_test_module_or_conftest() -> None:
    closed = {path.stem for path in TEST_MODULES} | {"conftest"}
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (*MODULES, *(ROOT / "docs").glob("*.py"))
        if path.name != "make_architecture.py"  # which draws the rows of test_layers
        for name in imported_from(ast.parse(path.read_text()))
        if closed & set(name.split("."))
    }
    assert found == set(), "what two modules need belongs in tests/helpers"


def test_each_package_has_its_folder_of_tests_and_each_folder_its_package() -> None:
    packages = {path.parent.name for path in (ROOT / "memocast").glob("*/__init__.py")}
    folders = {path.parent.relative_to(TESTS).as_posix() for path in TEST_MODULES}
    assert folders == packages | OF_NO_PACKAGE


def test_pytest_can_tell_the_test_modules_apart() -> None:
    counts = Counter(path.name for path in TEST_MODULES)
    assert [name for name, count in counts.items() if count > 1] == []
    inits = [path.parent.name for path in TESTS.glob("*/__init__.py")]
    assert sorted(inits) == ["bench", "helpers"], "others would be imported by another name"


def test_no_helper_is_too_long_to_read() -> None:
    lengths = {
        path.name: len(path.read_text().splitlines()) for path in (TESTS / "helpers").rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > 300} == {}
