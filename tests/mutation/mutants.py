"""Changes to a line that the tests should notice: cosmic-ray's, and statements that are gone."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import parso
from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LEFT_OUT = ("Variable", "NoOp", "RemoveDecorator", "ExceptionReplacer")
"""Operators of cosmic-ray that need arguments, or make a module that cannot be imported."""


@dataclass(frozen=True)
class Mutant:
    """A file with one change in a line."""

    file: Path
    line: int
    operator: str
    occurrence: int
    code: str


class RemoveStatement(Operator):  # type: ignore[misc]
    """Leaves out a call or a `raise`: what is flushed, locked, renamed, refused, closed or told."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        """Where there is one."""
        if _is_removable(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, _index: int) -> Any:
        """Put `pass` in its place."""
        new = parso.parse("pass").children[0]
        new.prefix = node.get_first_leaf().prefix
        return new

    @classmethod
    def examples(cls) -> tuple[()]:
        """None are needed."""
        return ()


def _is_removable(node: Any) -> bool:
    if node.parent is None or node.parent.type != "simple_stmt":
        return False
    if node.type == "raise_stmt":
        return True
    return node.type in ("atom_expr", "power") and node.children[-1].type == "trailer"


def operators() -> dict[str, Any]:
    """All operators by name."""
    found = {
        name.partition("/")[2]: plugins.get_operator(name)()
        for name in plugins.operator_names()
        if not any(part in name for part in _LEFT_OUT)
    }
    return {**found, "RemoveStatement": RemoveStatement()}


def candidates(code: str) -> dict[int, list[tuple[str, int]]]:
    """By line, the operators that can change it, each with its number of occurrence in the file.

    Only what is executed in functions counts: annotations and docstrings are not.
    """
    executed = _executed_lines(code)
    nodes = list(ast_nodes(get_ast(code)))
    found: dict[int, list[tuple[str, int]]] = {}
    for name, operator in operators().items():
        positions = (begin for node in nodes for begin, _ in operator.mutation_positions(node))
        for occurrence, (line, _) in enumerate(positions):
            if line in executed:
                found.setdefault(line, []).append((name, occurrence))
    return found


def _executed_lines(code: str) -> set[int]:
    apart = (ast.FunctionDef, ast.Import, ast.ImportFrom)
    lines: set[int] = set()
    for function in ast.walk(ast.parse(code)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for one in function.body:
            is_text = isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
            if not is_text and not isinstance(one, apart):
                lines.update(range(one.lineno, (one.end_lineno or 0) + 1))
    return lines


def mutant(file: Path, line: int, operator: str, occurrence: int) -> Mutant | None:
    """Make the change; None if that gives no other program."""
    code = file.read_text()
    changed = mutate_code(code, operators()[operator], occurrence)
    if changed is None:
        return None
    try:
        if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(code)):
            return None
    except SyntaxError:
        return None
    return Mutant(file, line, operator, occurrence, changed)
