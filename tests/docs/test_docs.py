"""The documentation stays true: the tree, the commands, the links, and what must not be in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]


@pytest.fixture(scope="module")
def tracked(root: Path) -> list[str]:
    """Files that git tracks."""
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\n") if name and (root / name).exists()]


def pages(root: Path) -> list[Path]:
    return [root / page for page in PAGES] + sorted((root / "docs").rglob("*.md"))


def test_the_tree_in_the_readme_is_the_tree(root: Path, tracked: list[str]) -> None:
    """Each module of the rooms has its line at the end of the README, and each line has its module."""
    tree = (root / "README.md").read_text(encoding="utf-8").split("## The tree")[1]
    named = set(re.findall(r"^([\w./-]+\.py)\b", tree, flags=re.M))
    rooms = ("pipeline/", "producers/", "models/", "consumers/", "dashboards/")
    there = {name for name in tracked if name.startswith(rooms) and name.endswith(".py") and not name.endswith("__init__.py")}
    assert there == {name for name in named if name.startswith(rooms)}


def test_links_between_pages_lead_somewhere(root: Path) -> None:
    """Every relative link or picture in a page exists."""
    links = [(page, target) for page in pages(root) for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))]
    dead = [f"{page.relative_to(root)}: {target}" for page, target in links if "://" not in target and not (page.parent / target).exists()]
    assert [] == dead


def test_requirements_hold_hashes_and_no_address(root: Path) -> None:
    """Pinned lists have a hash for every package and no address of any index."""
    for file in sorted((root / "requirements").glob("*.txt")):
        text = file.read_text(encoding="utf-8")
        assert "://" not in text, file.name
        pins = re.findall(r"^[\w.\-\[\],]+==.*?(?=^\w|\Z)", text, flags=re.M | re.S)
        assert pins, file.name
        assert [] == [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin]


def test_no_path_of_a_machine_is_in_the_repository(root: Path, tracked: list[str]) -> None:
    """No file names a home or working folder of the machine that it was written on."""
    forbidden = re.compile(rb"/(?:home|root|work)/(?!\.)[a-z]+/")
    texts = [
        name for name in tracked if Path(name).suffix in {".py", ".md", ".toml", ".txt", ".sh", ".yml", ".json", ".js", ".css", ".html"}
    ]
    found = [name for name in texts if forbidden.search((root / name).read_bytes())]
    assert [] == found


def test_every_command_in_the_pages_exists(root: Path) -> None:
    """Each `moodstream WORD` that a page shows is a command."""
    from pipeline.cli import build

    commands = set(build().commands)
    pattern = re.compile(r"(?:`|^\$ |^\| `)moodstream ([a-z]+)", flags=re.M)
    shown = {word for page in pages(root) for word in pattern.findall(page.read_text(encoding="utf-8"))}
    assert len(shown) > 10
    assert set() == shown - commands
