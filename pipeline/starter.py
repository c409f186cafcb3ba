"""The commented settings file that `moodstream init` writes; its reference part is made from the settings themselves."""

from __future__ import annotations

import re

import orjson
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from pipeline.rule_settings import RuleSettings
from pipeline.settings import PREFIX, MaintenanceSettings, ReceiverSettings, Settings, SourceSettings, TopicSettings

_HEAD = f"""\
# moodstream settings. Every line that starts with "# " shows a default; take the mark away to change it.
# A variable beats this file: {PREFIX}WEB__PORT=9000. `moodstream doctor` shows each value and where it comes from.

"""

_TOPIC = """\
# What to watch. A post belongs to a topic if a phrase, a hashtag or a handle occurs and no exclusion does.
{keys}[[topics]]
name = "coffee"
phrases = ["coffee", "espresso", "flat white"]
hashtags = ["#coffee"]
exclude = ["coffee table"]

"""

_RECEIVER = """\
# Who is told. `terminal:`, `file:alerts.jsonl`, an Apprise URL such as `mailtos://user:password@example.org`, or
# with a `secret` the https:// address of a webhook of your own (docs/incidents.md).
{keys}[[receivers]]
name = "me"
url = "terminal:"

"""

_RULE = """\
# Limits beside the detector. `moodstream rules check` shows where each stands, `moodstream backtest --rule NAME` what it would have sent.
{keys}# [[rules]]
# name = "mostly negative"
# kind = "share"
# above = 0.6
# over = "1h"
# for = "15m"

"""

_MAINTENANCE = """\
# When nobody is told; incidents are found all the same. `moodstream maintenance` plans single windows.
{keys}# [[maintenance]]
# name = "weekly backup"
# days = ["sat"]
# hours = "22:00-02:00"

"""

_SOURCE = """\
# What `moodstream run` reads. A file is read once and found again at the same place after a restart.
{keys}# [[sources]]
# kind = "file"
# path = "reviews.csv"
# platform = "shop"
# columns = { text = "Review Text", created_at = "Date", rating = "Rating" }

"""


def starter() -> str:
    """A moodstream.toml that loads as it is: one topic, one receiver, and every setting with its default in a comment."""
    tops, tables = [], []
    for name, info in Settings.model_fields.items():
        default = info.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            tables.append(f"# [{name}]\n" + "".join(_lines(type(default))) + "\n")
        elif name not in {"topics", "receivers", "rules", "sources", "maintenance"}:
            tops.append(_line(name, default, info.description))
    examples = (
        (_TOPIC, TopicSettings),
        (_RECEIVER, ReceiverSettings),
        (_RULE, RuleSettings),
        (_MAINTENANCE, MaintenanceSettings),
        (_SOURCE, SourceSettings),
    )
    arrays = [text.replace("{keys}", _keys(part)) for text, part in examples]
    return _HEAD + "".join(tops) + "\n" + "".join(arrays) + "".join(tables)


def _keys(part: type[BaseModel]) -> str:
    """The keys of a table in an array, as a comment."""
    return "".join(f"#   {info.alias or name}: {info.description}\n" for name, info in part.model_fields.items())


def _lines(part: type[BaseModel]) -> list[str]:
    return [_line(name, info.get_default(), info.description) for name, info in part.model_fields.items()]


def _line(name: str, default: object, description: str | None) -> str:
    shown = "" if default is None or default is PydanticUndefined else orjson.dumps(default, default=str).decode()  # a folder as its path
    return f"# {name} = {shown or '...'}  # {description}\n"


def with_value(text: str, table: str, key: str, value: str) -> str:
    """The text of a settings file with one key of a table changed or added; everything else stays as it is."""
    lines = text.splitlines()
    begin = next((i for i, line in enumerate(lines) if line.split("#")[0].strip() == f"[{table}]"), None)
    if begin is None:
        return "\n".join([*lines, "", f"[{table}]", f"{key} = {value}", ""])
    end = next((i for i in range(begin + 1, len(lines)) if lines[i].startswith("[")), len(lines))
    place = next((i for i in range(begin + 1, end) if re.match(rf"\s*{key}\s*=", lines[i])), None)
    if place is None:
        lines.insert(begin + 1, f"{key} = {value}")
    else:
        comment = lines[place].partition("#")[2]
        lines[place] = f"{key} = {value}" + (f"  #{comment}" if comment else "")
    return "\n".join([*lines, ""])
