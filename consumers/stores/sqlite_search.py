"""Full-text search: what goes into the index, and how a person's words become a query that is never a syntax error."""

from __future__ import annotations

import re
from sqlite3 import Connection

from consumers.stores.revision import LAST_TIME
from consumers.stores.sqlite_meta import get_meta, set_meta
from consumers.stores.sqlite_rows import SELECT_POST, document_of, first_key
from pipeline.records import ScoredPost

PIECE = re.compile(r'"([^"]*)"?|([^\s"]+)')
# Han, kana: written without spaces, so each sign is a word of the index and a word of the query is a phrase of signs.
UNSPACED = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f])")
# Stages of a purge, kept in meta so that a crash doesn't forget one. PURGE_LOG: only the write-ahead log still holds the words.
PURGE_DONE, PURGE_DUE, PURGE_RUNNING, PURGE_LOG = range(4)
PURGE_PAGES = 500  # of 4 kB, rewritten by one slice under the writer's lock: 0.14 s on a busy machine; 2 million posts take 120 slices


def index_text(text: str) -> str:
    """A text as the index gets it; the same text always gives the same words, which is what makes deletion exact."""
    return text if text.isascii() else UNSPACED.sub(r" \1 ", text)


def index_topics(topics: list[int]) -> str:
    """A document's topics as words of the index, so that a search in one topic doesn't visit the others' posts."""
    return " ".join(f"t{topic}" for topic in topics)


def match_expression(query: str, topic: int | None) -> str | None:
    """All words must occur, "a phrase" as it stands; None when there is no letter or digit to look for."""
    plain = query.encode("utf-8", "replace").decode().replace("\0", " ")
    pieces = [phrase or word for phrase, word in PIECE.findall(plain)]
    quoted = ['"' + index_text(piece) + '"' for piece in pieces if any(sign.isalnum() for sign in piece)]
    if not quoted:
        return None
    words = "text : (" + " AND ".join(quoted) + ")"
    return words if topic is None else f"topics : t{topic} AND {words}"


def find(connection: Connection, query: str, topic: int | None, since: int | None, until: int | None, limit: int) -> list[ScoredPost]:
    """The newest posts that match; the index yields them in the order of time, so it stops after `limit`."""
    expression = match_expression(query, topic)
    if expression is None:
        return []
    first = 0 if since is None else first_key(since)
    last = first_key(LAST_TIME + 1 if until is None else until)
    rows = connection.execute(
        f"""{SELECT_POST} FROM
            (SELECT rowid AS key FROM search WHERE search MATCH ? AND rowid >= ? AND rowid < ? ORDER BY rowid DESC LIMIT ?) AS found
            CROSS JOIN posts AS p ON p.key = found.key ORDER BY p.key DESC""",
        (expression, first, last, limit),
    )
    return [document_of(row).item for row in rows]


def add(connection: Connection, rows: list[tuple[int, str, list[int]]]) -> None:
    """Index documents given as (key, text, topics); ascending keys are quickest."""
    connection.executemany("INSERT INTO search (rowid, text, topics) VALUES (?, ?, ?)", _indexed(rows))


def remove(connection: Connection, rows: list[tuple[int, str, list[int]]]) -> None:
    """Take documents out of the index, given what was put in; their words leave the file with `purge_slice`."""
    connection.executemany("INSERT INTO search (search, rowid, text, topics) VALUES ('delete', ?, ?, ?)", _indexed(rows))


def _indexed(rows: list[tuple[int, str, list[int]]]) -> list[tuple[int, str, str]]:
    return [(key, index_text(text), index_topics(topics)) for key, text, topics in rows]


def purge_slice(connection: Connection) -> bool:
    """Rewrite a part of the index without what was removed; False when nothing is left to rewrite.

    A removal only adds a mark to FTS5's index: the words stay until all segments are merged into one
    (sqlite.org/fts5.html, the merge command: once with a negative number of pages, then with positive ones).
    """
    stage = get_meta(connection, "purge")
    if stage not in (PURGE_DUE, PURGE_RUNNING):
        return False
    before = connection.total_changes
    pages = -PURGE_PAGES if stage == PURGE_DUE else PURGE_PAGES
    connection.execute("INSERT INTO search (search, rank) VALUES ('merge', ?)", (pages,))
    more = connection.total_changes - before >= 2
    set_meta(connection, "purge", PURGE_RUNNING if more else PURGE_LOG)
    return more


def end_purge(connection: Connection) -> None:
    """Note that the log is empty too, unless something was removed meanwhile."""
    if get_meta(connection, "purge") == PURGE_LOG:
        set_meta(connection, "purge", PURGE_DONE)
