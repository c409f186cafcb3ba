"""The text as the models read it: people, links and emoji become words that a word-piece vocabulary knows.

Every rule works inside one run of non-space characters, so a text may be prepared whole or chunk by chunk with one result.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

# Characters of a text that a model reads: 128 word pieces are about 600 characters of English.
READ: Final = 2_000

# The marks that GoEmotions puts for names and religions, and what stands for them and for their like in a post.
PERSON: Final = "someone"
_LINK = "link"
_RELIGION = "religion"

# Controls, and lone surrogates, which no tokenizer takes.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MARKED = re.compile(r"https?://\S+|www\.\S+|@\w+|\[NAME\]|\[RELIGION\]")
_EMOJI = re.compile(
    "[\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u25aa-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b55\U0001f000-\U0001faff]"
)
_PLAIN = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2026": "..."})


def prepare(text: str) -> str:
    """The text with control characters as spaces, mentions as "someone", links as "link", emoji as their Unicode names."""
    if len(text) > READ:
        text = text[:READ]
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    if "&" in text:
        text = html.unescape(text)
    if "@" in text or "[" in text or "://" in text or "www." in text:
        text = _MARKED.sub(_stand_in, text)
    if not text.isascii():
        text = _EMOJI.sub(_named, text.translate(_PLAIN))
    return text


def _stand_in(match: re.Match[str]) -> str:
    mark = match[0]
    if mark == "[RELIGION]":
        return f" {_RELIGION} "
    return f" {PERSON} " if mark[0] in "@[" else f" {_LINK} "


def _named(match: re.Match[str]) -> str:
    return f" {unicodedata.name(match[0], 'symbol').lower()} "
