"""The benchmark as a picture: recall against false alarms, and the delay, as one SVG file without scripts or fonts of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from pipeline.bench_alerts import OURS, Outcome
from pipeline.peer_rules import PEERS

WIDTH, HEIGHT = 960, 470
LEFT, RIGHT, TOP, BOTTOM = 70, 640, 50, 400
LEAST, MOST = 0.002, 5.0  # false alarms per topic-day on the axis
BARS = 730  # where the delays begin
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #333 } .small { font-size: 11px; fill: #666 } .title { font-size: 15px; font-weight: 600 }
.axis { stroke: #999; fill: none } .grid { stroke: #e6e6e6 } .ours { fill: #c0392b; stroke: #c0392b } .peer { fill: #5b7083; stroke: none }
.line { fill: none; stroke: #c0392b; stroke-width: 2 } .goal { fill: #2e8b57; opacity: .12 }
"""


def svg(outcomes: Mapping[str, Outcome]) -> str:
    """An SVG document (960 × 470) of the outcomes by name."""
    ours = [(name, item) for name, item in outcomes.items() if name.startswith(OURS)]
    peers = [(name, item) for name, item in outcomes.items() if name in PEERS]
    parts = [*_frame(), *_goal(), *_curve(ours), *_peers(peers), *_delays([(OURS, outcomes[OURS]), *peers])]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    label = "<title>Recall against false alarms, and delay, of the detector and of seven usual rules</title>"
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    return "\n".join([head, label, f"<style>{STYLE}</style>", background, *parts, "</svg>\n"])


def _x(rate: float) -> float:
    share = math.log(max(rate, LEAST) / LEAST) / math.log(MOST / LEAST)
    return LEFT + (RIGHT - LEFT) * min(share, 1.0)


def _y(recall: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * (recall - 0.5) / 0.5 if recall > 0.5 else BOTTOM


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _frame() -> list[str]:
    parts = [_text(LEFT, 28, "Recall of detectable spikes against false alarms", "title")]
    for rate in (0.002, 0.01, 0.02, 0.1, 0.5, 2.0, 5.0):
        parts.append(f'<line class="grid" x1="{_x(rate):.1f}" x2="{_x(rate):.1f}" y1="{TOP}" y2="{BOTTOM}"/>')
        parts.append(_text(_x(rate), BOTTOM + 18, f"{rate:g}", "small", "middle"))
    for recall in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{_y(recall):.1f}" y2="{_y(recall):.1f}"/>')
        parts.append(_text(LEFT - 8, _y(recall) + 4, f"{recall:.1f}", "small", "end"))
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>')
    parts.append(_text((LEFT + RIGHT) / 2, BOTTOM + 40, "false alarms per topic and day (logarithmic)", "", "middle"))
    return parts


def _goal() -> list[str]:
    x, y = _x(0.02), _y(0.94)
    return [f'<rect class="goal" x="{LEFT}" y="{TOP}" width="{x - LEFT:.1f}" height="{y - TOP:.1f}"/>']


def _curve(ours: list[tuple[str, Outcome]]) -> list[str]:
    points = sorted((_x(item.false / item.topic_days), _y(item.hits / item.detectable), name == OURS) for name, item in ours)
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points)
    dots = [f'<circle class="ours" cx="{x:.1f}" cy="{y:.1f}" r="{6 if default else 3}"/>' for x, y, default in points]
    labels = [_text(x + 6, y + 24, "moodstream", "") for x, y, default in points if default]
    return [f'<path class="line" d="{path}"/>', *dots, *labels]


def _peers(peers: list[tuple[str, Outcome]]) -> list[str]:
    parts = []
    for number, (_, item) in enumerate(peers, 1):
        x, y = _x(item.false / item.topic_days), _y(item.hits / item.detectable)
        parts += [f'<circle class="peer" cx="{x:.1f}" cy="{y:.1f}" r="5"/>', _text(x + 8, y + 4, str(number), "small")]
    return parts


def _delays(rows: list[tuple[str, Outcome]]) -> list[str]:
    parts = [_text(BARS - 60, 28, "Median delay, minutes", "title")]
    for place, (name, item) in enumerate(rows):
        y = TOP + 10 + place * 42
        delay = item.to_json()["delay_median_minutes"] or 0.0
        kind = "ours" if name == OURS else "peer"
        parts.append(_text(BARS - 60, y, name if name == OURS else f"{place}  {name}", "small"))
        parts.append(f'<rect class="{kind}" x="{BARS - 60}" y="{y + 5}" width="{delay * 4:.0f}" height="10"/>')
        parts.append(_text(BARS - 54 + delay * 4, y + 14, f"{delay:g}", "small"))
    return parts
