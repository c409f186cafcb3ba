"""Write the tree at the end of README.md from the first line of each module's docstring: `make tree`."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("pipeline", "producers", "models", "consumers", "dashboards")
HEADING = "## The tree\n"


def tree() -> str:
    """One line per module, grouped by room."""
    listed = subprocess.run(["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    lines = []
    for room in ROOMS:
        files = [name for name in listed if name.startswith(room + "/") and name.endswith(".py") and (ROOT / name).exists()]
        lines.append(f"{room}/  {_says(ROOT / room / '__init__.py')}")
        lines += [f"{name:36} {_says(ROOT / name)}" for name in files if not name.endswith("__init__.py")]
        lines.append("")
    return "\n".join(lines)


def _says(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


if __name__ == "__main__":
    readme = ROOT / "README.md"
    head = readme.read_text(encoding="utf-8").split(HEADING)[0]
    readme.write_text(f"{head}{HEADING}\n```\n{tree()}```\n", encoding="utf-8")
