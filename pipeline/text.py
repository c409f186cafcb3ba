"""What is done to a post's text: for the terminal, for the model, for storage, and for recognising it again."""

from __future__ import annotations

import re

# What may not reach a terminal or a log: controls (ESC starts a command, CR overwrites the line), line separators; bidi marks
# and overrides, zero-width and tag characters, which hide or reorder what is read; lone surrogates, which can't be encoded.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_HIDDEN = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """The text as a terminal or a log may show it: controls become spaces (line end and tab stay), hidden marks go."""
    if text.isprintable():
        return text
    return _SURROGATE.sub("\ufffd", _HIDDEN.sub("", _CONTROL.sub(" ", text)))
