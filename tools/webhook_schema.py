"""Write docs/webhook.schema.json: what a signed webhook posts, with the incident as the API describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dashboards.shapes import Incident

FILE = Path(__file__).parents[1] / "docs" / "webhook.schema.json"
_TEXTS = {
    "id": "the message's id; a retry has the same one",
    "receiver": "the receiver's name in the settings",
    "subject": "one line of figures without a word of any post",
    "text": "what happened in plain words, and where the rise comes from",
}


def schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of a body of version 1."""
    incident = Incident.model_json_schema()
    defs = {**incident.pop("$defs", {}), "Incident": incident}
    known = {
        "version": {"const": 1},
        "type": {"enum": [f"incident.{name}" for name in ("opened", "escalated", "reminded", "digest", "test")]},
        "timestamp": {"type": "string", "format": "date-time", "description": "when the message was queued"},
        "incident": {"anyOf": [{"$ref": "#/$defs/Incident"}, {"type": "null"}], "description": "null for a test, and if it is gone"},
        **{name: {"type": "string", "description": text} for name, text in _TEXTS.items()},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "moodstream webhook",
        "type": "object",
        "properties": known,
        "required": sorted(known),
        "$defs": defs,
    }


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
