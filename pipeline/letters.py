"""Which dead letters hold a post that is to be erased: their bytes are as they came, so the last copy of a post may lie there."""

from __future__ import annotations

import re
from collections.abc import Collection

import orjson

_WORD = re.compile(rb"[^\s,;:\"'{}\[\]\\]+")
_SHORTEST = 4  # bytes of an id that is looked for in what is not JSON: a shorter one is found in rows that have nothing to do with it


def holds(raw: bytes, identities: Collection[str]) -> bool:
    """Whether a letter's bytes are a record of one of the posts `platform:post_id`.

    A JSON object says so itself; one without a platform (a row of a file) goes by its id. In anything else, such as a record that
    was cut or a line of a table, the id must occur as a word.
    """
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError:
        record = None
    wanted = {identity.partition(":")[2]: identity for identity in identities}
    if isinstance(record, dict):
        found = str(record.get("post_id", ""))
        platform = record.get("platform")
        return f"{platform}:{found}" in identities if platform is not None else found in wanted
    ids = {post_id.encode("utf-8", "replace") for post_id in wanted}
    return any(len(word) >= _SHORTEST and word in ids for word in _WORD.findall(raw))
