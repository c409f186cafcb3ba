"""How a message reads: one line for a text message, a text for a chat, a page of HTML for mail. Pure functions of what was queued.

Words of posts come from the store when the message is sent, never from the queue, and never stand in a subject. They are made harmless
for where they go: HTML is escaped; in a chat they can address nobody, link nowhere and set nothing bold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from pipeline.incidents import GROUP_WORDS
from pipeline.records import Notification
from pipeline.text import visible

Template = Literal["short", "long", "mail"]
ADDRESS = re.compile(r"https?://\S+")
QUOTE = 280  # characters of a quote
LINE = 160  # characters of a text message
CUT = "…"
KINDS = {"term": "words", "parent": "replies to", "cluster": "copies of", "platform": "platform", "language": "language"}
COLOURS = {"incident": "#b3261e", "tone": "#9a6700", "pipeline": "#5b3fa0"}
_HARMLESS = str.maketrans({"@": "@\u200b", "<": "‹", ">": "›", "`": "'", "*": "∗", "~": "∼", "[": "(", "]": ")", "|": "¦"})


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a service is given."""

    title: str
    body: str
    html: bool = False


def render(template: Template, message: Notification, incident: Mapping[str, Any], quotes: int = 3, most: int = 32_000) -> Rendered:
    """A message by a template. `incident`: as the API gives it, empty if it is gone; `most`: characters that the service takes."""
    if template == "short":
        return Rendered("", _short(message, min(most, LINE)))
    if template == "mail":
        return Rendered(visible(message.subject), _mail(message, incident, quotes), html=True)
    return Rendered(visible(message.subject), _long(message, incident, quotes, most - len(message.subject) - 2))


def harmless(text: str) -> str:
    """Words of strangers for a chat: on one line, without controls, mentions, links or marks of emphasis."""
    plain = " ".join(visible(text).split()).translate(_HARMLESS).replace("://", ":\u200b//").replace("_", "\u200b_")
    return plain if len(plain) <= QUOTE else plain[: QUOTE - 1] + CUT


# ------------------------------------------------------------ one line


def _short(message: Notification, most: int) -> str:
    """The subject and, if there is room for both, the first address."""
    said = harmless(message.subject)
    address = next(iter(ADDRESS.findall(_tail(message))), "")
    if address and len(address) + len(CUT) + 20 <= most:
        return f"{_cut(said, most - len(address) - 1)} {address}"
    return _cut(said, most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(0, most - len(CUT))].rstrip() + CUT


# ------------------------------------------------------------ a chat


def _long(message: Notification, incident: Mapping[str, Any], quotes: int, most: int) -> str:
    """As much as the service takes: quotes go first, then the drivers, then the end of the sentence; where to look stays."""
    head, _, middle = _head(message).partition("\n")
    tail = [_tail(message)] if _tail(message) else []
    said, drivers = _plain(head), [_plain(middle)] if middle.strip() else []
    quoted = ["\n".join(f"“{harmless(str(quote['text']))}”" for quote in _quotes(incident, quotes))] if _quotes(incident, quotes) else []
    for parts in ([said, *drivers, *quoted, *tail], [said, *drivers, *tail], [said, *tail]):
        if len(text := "\n\n".join(parts)) <= most:
            return text
    return "\n\n".join([_cut(said, most - sum(len(part) + 2 for part in tail)), *tail])


def _plain(text: str) -> str:
    """Our own lines, in which terms of posts stand."""
    return "\n".join(harmless_line(line) for line in text.strip("\n").splitlines())


def harmless_line(line: str) -> str:
    """A line of ours with its indentation; it may be longer than a quote."""
    return visible(line).translate(_HARMLESS).replace("://", ":\u200b//")


def _head(message: Notification) -> str:
    return message.body.partition("\nIncident ")[0]


def _tail(message: Notification) -> str:
    """The lines of a body from the incident's id on, where links are ours."""
    _, found, rest = message.body.partition("\nIncident ")
    return visible(f"Incident {rest}") if found else ""


def _quotes(incident: Mapping[str, Any], count: int) -> Sequence[Mapping[str, Any]]:
    return list(incident.get("evidence") or ())[:count]


# ------------------------------------------------------------ mail


def _mail(message: Notification, incident: Mapping[str, Any], quotes: int) -> str:
    parts = [f'<h1 style="font-size:1.2em;color:{COLOURS.get(str(incident.get("severity")), "#222")}">{_html(message.subject)}</h1>']
    head, _, middle = _head(message).partition("\n")
    parts.append(f"<p>{_html(head)}</p>")
    if incident:
        parts += [_table(incident), _drivers(incident), _quoted(incident, quotes)]
    elif middle.strip():
        parts.append("<p>" + "<br>".join(_html(line) for line in middle.strip().splitlines()) + "</p>")
    parts.append("".join(f"<p>{_linked(line)}</p>" for line in _tail(message).splitlines()))
    return f'<div style="font-family:system-ui,sans-serif;max-width:42em;line-height:1.5">{"".join(parts)}</div>'


def _html(text: object) -> str:
    return escape(visible(str(text)))


def _linked(line: str) -> str:
    """A line of ours; its address, if it has one, can be clicked."""
    found = ADDRESS.search(line)
    if found is None:
        return _html(line)
    before, address = line[: found.start()].rstrip(": "), found.group()
    said = before[:1].upper() + before[1:] or "See it on the page"
    return f'<a href="{escape(address)}">{_html(said)}</a>'


def _table(incident: Mapping[str, Any]) -> str:
    rows = [
        ("negative share", f"{_share(incident)} of {incident['n']:g} posts"),
        ("usual for this hour", f"{incident['expected']:.0%} ({incident['expected_low']:.0%}–{incident['expected_high']:.0%})"),
        ("volume", f"{incident['volume_ratio']:.1f} times the usual"),
    ]
    if adjusted := incident.get("adjusted"):
        rows.insert(1, ("without copies, bursts, busy authors", f"{_share(adjusted)} of {adjusted['n']:g} posts"))
    if without := incident.get("without"):
        state = "normal" if without["normal"] else "still unusual"
        rows.insert(2, (f"without {GROUP_WORDS[without['kind']].format(without['removed'])}", f"{_share(without)}, {state}"))
    cell = '<td style="padding:.2em 1em .2em 0">'
    body = "".join(f"<tr>{cell}{_html(name)}</td>{cell}{_html(value)}</td></tr>" for name, value in rows)
    return f'<table style="border-collapse:collapse">{body}</table>'


def _share(found: Mapping[str, Any]) -> str:
    return f"{found['share']:.0%} ({found['low']:.0%}–{found['high']:.0%})"


def _drivers(incident: Mapping[str, Any]) -> str:
    lines = []
    for kind, said in KINDS.items():
        parts = [
            f"{one['name']} {one['share']:.0%}" for one in incident.get("drivers", ()) if one["kind"] == kind and one["name"] != "other"
        ]
        if parts:
            lines.append(f"<li>{said}: {_html(', '.join(parts))}</li>")
    return f"<p>Where the rise comes from:</p><ul>{''.join(lines)}</ul>" if lines else ""


def _quoted(incident: Mapping[str, Any], count: int) -> str:
    return "".join(
        f'<blockquote style="margin:.6em 0;padding-left:.8em;border-left:3px solid #ccc">{_html(_cut(str(quote["text"]), QUOTE))}'
        f"<br><small>{_html(quote['platform'])}, {_html(quote['created_at'])}</small></blockquote>"
        for quote in _quotes(incident, count)
    )
