"""Files that the pages load: our own folder, and plotly.js from the installed plotly wheel."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"  # addresses carry a hash of the content
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PLOTLY = "plotly.min.js"


@cache
def names() -> frozenset[str]:
    """What may be asked for; nothing else is looked up on the disk."""
    own = {file.name for file in FOLDER.iterdir() if file.suffix in TYPES}
    return frozenset(own | ({PLOTLY} if plotly_file() else set()))


@cache
def plotly_file() -> Path | None:
    """plotly.js in the installed wheel, found without importing plotly (0.2 s); None where it is not installed."""
    found = importlib.util.find_spec("plotly")
    file = Path(found.origin).parent / "package_data" / PLOTLY if found and found.origin else None
    return file if file and file.is_file() else None


@cache
def plotly_places() -> tuple[str, ...]:
    """Ids of elements that keep plotly.js from adding the style sheet of its maps, which the page's policy would refuse."""
    if plotly_file() is None:
        return ()
    return tuple(found.decode() for found in re.findall(rb'getElementById\("([0-9a-f]{64})"\)', content(PLOTLY)))


@cache
def address(name: str) -> str:
    """`/static/app.css?v=1a2b3c4d5e`: the hash changes with the content, so a browser never shows an old file."""
    return f"/static/{name}?v={hashlib.blake2b(content(name), digest_size=5).hexdigest()}"


@cache
def packed(name: str) -> bytes:
    """The file compressed; plotly.js goes from 4.8 to 1.5 MB, once per process."""
    return gzip.compress(content(name), 6, mtime=0)


def content(name: str) -> bytes:
    """The bytes of one of `names()`."""
    return _path(name).read_bytes()


def _path(name: str) -> Path:
    plotly = plotly_file()
    return plotly if name == PLOTLY and plotly else FOLDER / name
