"""Draw the packages in docs/design.md from the table in tests/project/test_layers.py.

With --check, only say whether the picture is current.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "design.md"
BEGIN = "<!-- written by docs/make_architecture.py -->\n"
END = "<!-- end -->\n"

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "project")]

from test_layers import LIBRARIES, PACKAGES, Package  # noqa: E402


def picture() -> str:
    """The floors, the highest first, and a table of what each package holds and imports."""
    lines = [BEGIN, "```"]
    for floor in reversed(_floors()):
        lines.append("   ".join(package.name for package in floor))
        lines.append("   ↓")
    lines[-1] = "```"
    lines += ["", "| package | holds | imports | and of others |", "|---|---|---|---|"]
    for package in PACKAGES[::-1]:
        foreign = [name for name, users in LIBRARIES.items() if package.name in users.split()]
        lines.append(
            f"| `{package.name}` | {package.holds} | {', '.join(package.imports.split())}"
            f" | {', '.join(foreign)} |"
        )
    return "\n".join(lines).replace("\n\n", "\n", 1) + "\n" + END


def _floors() -> list[list[Package]]:
    """The packages by floor: each stands on the floor above the highest that it imports."""
    height: dict[str, int] = {}
    floors: list[list[Package]] = []
    for package in PACKAGES:  # which are in order
        floor = max((height[name] + 1 for name in package.imports.split()), default=0)
        height[package.name] = floor
        floors += [[] for _ in range(floor + 1 - len(floors))]
        floors[floor].append(package)
    return floors


def main() -> int:
    """Write or check the picture."""
    text = TARGET.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    wanted = before + picture() + rest.partition(END)[2]
    if "--check" not in sys.argv:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if text == wanted:
        return 0
    sys.stderr.write("docs/design.md is not current; run: python docs/make_architecture.py\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
