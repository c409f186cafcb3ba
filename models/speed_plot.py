"""The cascade's curve as a picture: how much faster than the usual pipeline, against the points of negative F1 that it gives up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 690, 50, 350
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #333 } .small { font-size: 11px; fill: #666 } .title { font-size: 15px; font-weight: 600 }
.grid { stroke: #e3e3e3 } .line { fill: none; stroke: #2166ac; stroke-width: 2 }
.dot { fill: #2166ac } .goal { fill: #2e8b57; opacity: .1 }
"""
# The goals: at least 15 times as fast at 2 points lost, 8 times at half a point.
_GOALS: Final = ((15.0, 2.0), (8.0, 0.5))


def picture(rows: Sequence[Mapping[str, Any]]) -> str:
    """An SVG document (720 × 420) of the rows of `moodstream bench models`; without labels the loss is not known and no dots are drawn."""
    known = [row for row in rows if "lost, points" in row]
    most = max([*(row["lost, points"] for row in known), 3.0])
    fastest = max([*(row["× pipeline"] for row in rows), 20.0])

    def at(faster: float, lost: float) -> tuple[float, float]:
        x = _LEFT + (_RIGHT - _LEFT) * math.log(max(faster, 1.0)) / math.log(fastest)
        return x, _TOP + (_BOTTOM - _TOP) * max(lost, 0.0) / most

    parts = [f'<text x="{_LEFT}" y="28" class="title">Speed of the cascade and what it gives up</text>']
    for faster, lost in _GOALS:
        x, y = at(faster, lost)
        parts.append(f'<rect class="goal" x="{x:.1f}" y="{_TOP}" width="{_RIGHT - x:.1f}" height="{y - _TOP:.1f}"/>')
    for faster in (1, 2, 5, 10, 20, 50, 100, 200):
        if faster <= fastest:
            x, _ = at(faster, 0)
            parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_BOTTOM}"/>')
            parts.append(f'<text x="{x:.1f}" y="{_BOTTOM + 18}" class="small" text-anchor="middle">{faster}×</text>')
    for lost in range(math.floor(most) + 1):
        _, y = at(1, lost)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" class="small" text-anchor="end">{lost}</text>')
    places = [at(row["× pipeline"], row["lost, points"]) for row in known]
    if places:
        parts.append(f'<path class="line" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>')
    for row, (x, y) in zip(known, places, strict=True):
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        parts.append(f'<text x="{x + 7:.1f}" y="{y - 6:.1f}" class="small">{row["forwarded"]:.0%}</text>')
    middle = (_LEFT + _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_BOTTOM + 44}" text-anchor="middle">times as fast as transformers’ pipeline (logarithmic)</text>')
    parts.append(f'<text x="{_RIGHT}" y="{_TOP - 8}" class="small" text-anchor="end">points of negative F1 lost, by share forwarded</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
    label = "<title>Speed of the cascade against points of negative F1 lost</title>"
    return "\n".join(
        [head, label, f"<style>{_STYLE}</style>", f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>', *parts, "</svg>\n"]
    )
