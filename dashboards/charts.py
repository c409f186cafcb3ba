"""Charts drawn on the server as SVG, so that the pages say what they have to say without any script.

Shapes only, in a box of 0..WIDTH × 0..height that the style sheet stretches to its place; labels are HTML beside them, so text
never shrinks on a phone. Every number that goes in is ours: no text of a post, no name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dashboards.windows import Window
from pipeline.records import TrendPoint

WIDTH = 600


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line: when an incident began."""

    at: int
    alert: bool


def ceiling(points: Iterable[TrendPoint]) -> float:
    """Top of the share axis in steps of 10 points: over every share and over most of the bands, at least 20 %."""
    shares = [point.negative for point in points if point.negative is not None]
    top = max(shares, default=0.0) * 1.15
    return min(1.0, max(0.2, -(-top * 100 // 10) / 10))


def share_chart(points: Sequence[TrendPoint], window: Window, top: float, height: int, marks: Sequence[Mark] = ()) -> Markup:
    """Share of negative posts with its 95 % band, and a line where an incident began."""
    canvas = _Canvas(window, top, height)
    parts = [canvas.mark(mark) for mark in marks if window.start <= mark.at < window.end]
    for run in _runs(points, window):
        parts.append(canvas.band(run))
        parts.append(canvas.line(run))
    parts += [canvas.dot(run[0]) for run in _runs(points, window) if len(run) == 1]
    return _svg("share", height, parts)


def volume_chart(points: Sequence[TrendPoint], window: Window, height: int) -> Markup:
    """Posts per bucket as bars."""
    top = max((point.volume for point in points), default=0.0) or 1.0
    step = WIDTH / len(window.starts)
    bars = []
    for point in points:
        tall = max(0.6, point.volume / top * height)
        left = (point.start - window.start) / window.every * step
        bars.append(f'<rect x="{left + step * 0.12:.1f}" y="{height - tall:.1f}" width="{step * 0.76:.1f}" height="{tall:.1f}"/>')
    return _svg("volume", height, bars)


def bar(share: float, before: float | None = None, top: float = 1.0) -> Markup:
    """One horizontal bar of `share` out of `top`, and a tick at the value of before."""
    size = max(0.0, min(1.0, share / top if top else 0.0)) * WIDTH
    parts = [f'<rect class="track" width="{WIDTH}" height="10"/>', f'<rect class="fill" width="{size:.1f}" height="10"/>']
    if before is not None:
        at = max(0.0, min(1.0, before / top if top else 0.0)) * (WIDTH - 6)
        parts.append(f'<rect class="tick" x="{at:.1f}" width="6" height="10"/>')
    return _svg("bar", 10, parts)


def mood_map(dots: Sequence[tuple[float, float, bool]], valence: float | None, arousal: float | None) -> Markup:
    """Posts as dots, valence to the right and arousal upwards, and a ring at the mean. Keeps its proportions."""
    parts = ['<line class="axis" x1="150" x2="150" y1="0" y2="200"/><line class="axis" x1="0" x2="300" y1="100" y2="100"/>']
    for x, y, negative in dots:
        parts.append(f'<circle class="{"dot alert" if negative else "dot"}" cx="{150 + 145 * x:.1f}" cy="{195 - 190 * y:.1f}" r="3"/>')
    if valence is not None and arousal is not None:
        parts.append(f'<circle class="mean" cx="{150 + 145 * valence:.1f}" cy="{195 - 190 * arousal:.1f}" r="7"/>')
    box = 'viewBox="0 0 300 200" aria-hidden="true" focusable="false"'
    return Markup(f'<svg class="chart mood" {box}>{"".join(parts)}</svg>')  # noqa: S704  # numbers and fixed words only


@dataclass(frozen=True, slots=True)
class _Canvas:
    """Time and share to places in the box."""

    window: Window
    top: float
    height: int

    def x(self, at: float) -> float:
        return (at - self.window.start) / (self.window.end - self.window.start) * WIDTH

    def y(self, share: float) -> float:
        return self.height * (1 - min(1.0, max(0.0, share / self.top)))

    def place(self, point: TrendPoint, share: float | None) -> str:
        return f"{self.x(point.start + self.window.every / 2):.1f},{self.y(share or 0.0):.1f}"

    def band(self, run: Sequence[TrendPoint]) -> str:
        upper = [self.place(point, point.high) for point in run]
        lower = [self.place(point, point.low) for point in reversed(run)]
        return f'<polygon class="band" points="{" ".join(upper + lower)}"/>'

    def line(self, run: Sequence[TrendPoint]) -> str:
        return f'<polyline class="line" points="{" ".join(self.place(point, point.negative) for point in run)}"/>'

    def dot(self, point: TrendPoint) -> str:
        x, y = self.x(point.start + self.window.every / 2), self.y(point.negative or 0.0)
        return f'<rect class="dot" x="{x - 3:.1f}" y="{y - 1:.1f}" width="6" height="2"/>'

    def mark(self, mark: Mark) -> str:
        x = f"{self.x(mark.at):.1f}"
        kind = "mark alert" if mark.alert else "mark"
        return f'<line class="{kind}" x1="{x}" x2="{x}" y1="0" y2="{self.height}"/>'


def _runs(points: Sequence[TrendPoint], window: Window) -> list[list[TrendPoint]]:
    """Neighbouring buckets that have a share; a gap breaks the line."""
    runs: list[list[TrendPoint]] = []
    for point in points:
        if point.negative is None:
            continue
        if runs and point.start - runs[-1][-1].start == window.every:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _svg(kind: str, height: int, parts: Iterable[str]) -> Markup:
    inside = "".join(parts)
    box = f'viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" aria-hidden="true" focusable="false"'
    return Markup(f'<svg class="chart {kind}" {box}>{inside}</svg>')  # noqa: S704  # numbers and fixed words only
