"""An evaluation as one HTML file: figures with their intervals, calibration, confusions, slices, behaviour. It loads nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from models.metrics import figure, interval
from pipeline.records import EMOTIONS

_TEMPLATES: Final = Path(__file__).parent / "templates"
_SIDE: Final = 240  # of a reliability diagram
_MARGIN: Final = 26


def page(out: Mapping[str, Any], data: str | None) -> str:
    """The report that `models.evaluate` made, of the file named `data`. Texts are escaped."""
    env = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    env.filters["figure"] = figure
    env.globals["interval"] = interval
    return env.get_template("report.html").render(
        out=out, data=data, numbers=_numbers(out), reliability=reliability_diagram, labels=_labels(out.get("emotions")), intervals=_bars
    )


def reliability_diagram(points: Sequence[Sequence[float]], title: str) -> Markup:
    """(mean probability, share, texts) of each bin as dots beside the diagonal of a perfect model, axes 0 to 1."""
    inner = _SIDE - 2 * _MARGIN

    def at(x: float, y: float) -> tuple[float, float]:
        return _MARGIN + x * inner, _SIDE - _MARGIN - y * inner

    (left, bottom), (right, top) = at(0, 0), at(1, 1)
    parts = [
        f'<rect class="frame" x="{left}" y="{top}" width="{inner}" height="{inner}"/>',
        f'<line class="ideal" x1="{left}" y1="{bottom}" x2="{right}" y2="{top}"/>',
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(float(p), float(share)) for p, share, _ in points))
    parts.append(f'<polyline class="line" points="{path}"/>')
    for p, share, n in points:
        x, y = at(float(p), float(share))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{p:.3f} said, {share:.3f} found, {n} texts</title></circle>')
    parts += [f'<text x="{x:.0f}" y="{_SIDE - 8}" text-anchor="middle">{v:g}</text>' for v in (0, 0.5, 1) for x, _ in [at(v, 0)]]
    parts += [f'<text x="{_MARGIN - 5}" y="{y + 4:.0f}" text-anchor="end">{v:g}</text>' for v in (0.5, 1) for _, y in [at(0, v)]]
    return Markup(f'<svg viewBox="0 0 {_SIDE} {_SIDE}" role="img" aria-label="{Markup.escape(title)}">{"".join(parts)}</svg>')  # noqa: S704  # numbers and an escaped title


def _bars(part: Mapping[str, Any]) -> Markup:
    """A measure of 0..1 and its interval as one bar with a whisker; nothing for a label without F1."""
    if part["f1"] is None:
        return Markup("")
    x = {name: 100 * max(0.0, min(1.0, float(part[name]))) for name in ("f1", "low", "high")}
    return Markup(  # noqa: S704  # numbers alone
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" x="0" y="3" width="100" height="4"/><rect class="value" x="0" y="3" width="{x["f1"]:.1f}" height="4"/>'
        f'<rect class="whisker" x="{x["low"]:.1f}" y="4.4" width="{x["high"] - x["low"]:.1f}" height="1.2"/></svg>'
    )


def _labels(emotions: Mapping[str, Any] | None) -> list[tuple[str, Mapping[str, Any]]]:
    """Labels from the best to the worst, then those that never occur."""
    found = emotions["labels"].items() if emotions else ()
    return sorted(found, key=lambda item: 1.0 if item[1]["f1"] is None else -item[1]["f1"])


def _numbers(out: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The figures on top, as (what, value)."""
    found: list[tuple[str, str]] = []
    if emotions := out.get("emotions"):
        there = emotions["macro_f1_labels"]
        over = f"{there} emotions" if there == len(EMOTIONS) else f"the {there} of {len(EMOTIONS)} emotions that occur"
        found += [(f"macro-F1 over {over}", interval(emotions["macro_f1"])), ("micro-F1", interval(emotions["micro_f1"]))]
        if emotions["ece_mean"] is not None:
            found.append((f"mean calibration error of {emotions['ece_labels']} frequent labels", figure(emotions["ece_mean"])))
    if sentiment := out.get("sentiment"):
        found += [("sentiment, macro-recall", interval(sentiment["macro_recall"])), ("F1 of negative", interval(sentiment["negative_f1"]))]
        found.append(("calibration error of p_negative", figure(sentiment["ece_negative"])))
        share = sentiment["share_negative"]
        found.append(("share of negatives, estimated / labelled", f"{interval(share['estimated'])} / {figure(share['labelled'])}"))
    if intensity := out.get("intensity"):
        found += [
            (f"intensity, {name}: Pearson / Spearman", f"{interval(part['pearson'])} / {figure(part['spearman'])}")
            for name, part in intensity.items()
            if isinstance(part, Mapping)
        ]
        if "mean_pearson" in intensity:
            over = f"of {intensity['mean_pearson_emotions']} emotions"
            found.append((f"intensity, mean Pearson {over}", figure(intensity["mean_pearson"])))
    for name in ("valence", "arousal"):
        if part := out.get(name):
            found.append((f"{name}: Pearson / Spearman", f"{interval(part['pearson'])} / {figure(part['spearman'])}"))
    if behaviour := out.get("behaviour"):
        found.append(("behaviour checks passed", f"{behaviour['passed']} of {behaviour['n']}"))
    return found
