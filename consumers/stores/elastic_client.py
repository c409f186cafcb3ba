"""One connection to Elasticsearch: bulk writes whose every item is looked at, reads that see what this process wrote, errors in our words.

* A request is tried once here; the caller repeats a whole call on StoreBusy, which is safe because ids are deterministic.
* Nothing is refreshed at a write. A read refreshes the indices that this process has written since the last read of them; what other
  processes wrote shows within their refresh interval (1 s).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import elastic_transport
import elasticsearch
import orjson

from pipeline.errors import StoreBlocked, StoreBusy, StoreError

Json = dict[str, Any]
Verdict = Literal["ok", "conflict", "busy", "blocked", "bad"]
BULK_BYTES = 5 * 2**20
BULK_ITEMS = 2_000
PAGE = 2_000
REVISIONS = 50  # tries to change one document that others change too
KEEP_ALIVE = "2m"
BULK_FILTER = "errors,items.*.status,items.*._id,items.*.error.type,items.*.error.reason"


@dataclass(frozen=True, slots=True)
class Op:
    """One line of a bulk request. `if_seq`: (seq_no, primary_term) that must still hold; `version`: external, the higher wins."""

    action: Literal["create", "index", "delete"]
    index: str
    id: str
    source: Json | None = None
    if_seq: tuple[int, int] | None = None
    version: int | None = None

    def lines(self) -> bytes:
        """The action, and the document."""
        meta: Json = {"_index": self.index, "_id": self.id}
        if self.if_seq is not None:
            meta["if_seq_no"], meta["if_primary_term"] = self.if_seq
        if self.version is not None:
            meta |= {"version": self.version, "version_type": "external_gte"}
        action = orjson.dumps({self.action: meta}, option=orjson.OPT_APPEND_NEWLINE)
        return action if self.source is None else action + orjson.dumps(self.source, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class Hit:
    """A document with what is needed to replace exactly this version of it."""

    index: str
    id: str
    source: Json
    if_seq: tuple[int, int]
    sort: tuple[Any, ...] = ()


def verdict(status: int, error: Mapping[str, Any] | None) -> Verdict:
    """What an answer means: done, somebody else was first, try again, wait until the store is writable, or never."""
    kind = str((error or {}).get("type", ""))
    if 200 <= status < 300:
        return "ok"
    if kind == "cluster_block_exception" or status in (401, 403):
        return "blocked"
    if status == 409:
        return "conflict"
    if status == 429 or status >= 500:
        return "busy"
    return "bad"


class Elastic:
    """A client of one cluster whose indices all begin with `prefix`. Safe to use from any thread."""

    def __init__(self, client: elasticsearch.Elasticsearch, prefix: str) -> None:
        self.client = client
        self.prefix = prefix
        self._unseen: set[str] = set()
        self._lock = threading.Lock()

    def index(self, name: str) -> str:
        """The full name of an index or pattern."""
        return f"{self.prefix}-{name}"

    def close(self) -> None:
        """Close the connections; calling it twice is fine."""
        self.client.close()

    # ------------------------------------------------------------ requests

    def call(self, method: str, path: str, body: Any = None, *, ok: Iterable[int] = (), **query: Any) -> Any:
        """One request; its JSON, or None for a status in `ok`. StoreBusy, StoreBlocked, StoreError."""
        headers = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        try:
            return self.client.perform_request(method, path, params=query or None, headers=headers, body=body).body
        except elasticsearch.ApiError as error:
            if error.status_code in ok:
                return None
            raise _named(error.status_code, _error_of(error.body), path) from error
        except elastic_transport.TlsError as error:
            raise StoreBlocked(f"no safe connection to Elasticsearch ({error.message}): check elasticsearch.ca_file") from error
        except elastic_transport.TransportError as error:
            raise StoreBusy(f"Elasticsearch doesn't answer ({type(error).__name__}: {error.message})", seconds=1.0) from error

    def bulk(self, ops: Sequence[Op]) -> list[tuple[Op, Verdict, str]]:
        """Write all; what became of each, in order. Raises only when a whole request got no answer or was refused."""
        out: list[tuple[Op, Verdict, str]] = []
        for chunk in _chunks([(op, op.lines()) for op in ops]):
            self._wrote(op.index for op, _ in chunk)
            out += self._send(chunk)
        return out

    def _send(self, chunk: list[tuple[Op, bytes]]) -> list[tuple[Op, Verdict, str]]:
        body = b"".join(lines for _, lines in chunk)
        answer = self.call("POST", "/_bulk", body, ok=(413,), filter_path=BULK_FILTER)
        if answer is None:
            if len(chunk) == 1:
                return [(chunk[0][0], "bad", "larger than the server's http.max_content_length")]
            middle = len(chunk) // 2
            return self._send(chunk[:middle]) + self._send(chunk[middle:])
        return [(op, *_item(next(iter(item.values())), op)) for (op, _), item in zip(chunk, answer["items"], strict=True)]

    def settle(self, ops: Sequence[Op], *, conflicts: bool = False) -> None:
        """A bulk in which every item must succeed (`conflicts`: or be there already). StoreBusy, StoreBlocked, StoreError."""
        check(result for result in self.bulk(ops) if not (conflicts and result[1] == "conflict"))

    # ------------------------------------------------------------ reads

    def get(self, name: str, doc_id: str) -> Hit | None:
        """One document as it is now, refreshed or not."""
        found = self.call("GET", f"/{self.index(name)}/_doc/{_quoted(doc_id)}", ok=(404,))
        return _hit(found) if found and found.get("found") else None

    def revise(self, name: str, doc_id: str, change: Callable[[Json | None], Json | None]) -> Json | None:
        """Replace a document by what `change` makes of it as it is now (None: leave it); repeated when another writer was quicker."""
        for _ in range(REVISIONS):
            found = self.get(name, doc_id)
            new = change(found.source if found else None)
            if new is None:
                return found.source if found else None
            seq = found.if_seq if found else None
            results = self.bulk([Op("index" if found else "create", self.index(name), doc_id, new, if_seq=seq)])
            if results[0][1] != "conflict":
                check(results)
                return new
        raise StoreBusy(f"other writers keep changing {doc_id!r}", seconds=0.1)

    def get_many(self, wanted: Sequence[tuple[str, str]]) -> list[Hit]:
        """Documents by (full index name, id) as they are now; absent ones are left out."""
        out: list[Hit] = []
        for start in range(0, len(wanted), PAGE):
            docs = [{"_index": index, "_id": doc_id} for index, doc_id in wanted[start : start + PAGE]]
            answer = self.call(
                "POST", "/_mget", {"docs": docs}, filter_path="docs._index,docs._id,docs._source,docs._seq_no,docs._primary_term"
            )
            out += [_hit(doc) for doc in answer.get("docs", ()) if "_source" in doc]
        return out

    def show(self, name: str, *, always: bool = False) -> None:
        """Make what this process wrote to an index (or pattern) visible to searches; `always`: what others wrote too."""
        with self._lock:
            mine = {index for index in self._unseen if index.startswith(self.index(name).rstrip("*"))}
            self._unseen -= mine
        if mine or always:
            self.call("POST", f"/{self.index(name)}/_refresh", **LENIENT)

    def search(self, name: str, body: Json) -> Json:
        """One search over what is visible."""
        self.show(name)
        answer: Json = self.call("POST", f"/{self.index(name)}/_search", body, **WHOLE)
        return answer

    def count(self, name: str, query: Json) -> int:
        """How many documents match."""
        self.show(name)
        return int(self.call("POST", f"/{self.index(name)}/_count", {"query": query}, **LENIENT)["count"])

    def scan(self, name: str, query: Json, sort: Sequence[Json], limit: int | None = None, source: Any = True) -> Iterator[Hit]:
        """All matches (or the first `limit`) in order, as they are at this moment, by pages."""
        self.show(name)
        left = 10**12 if limit is None else limit
        if left <= PAGE and left:
            yield from self._page(
                f"/{self.index(name)}/_search", {"query": query, "sort": [*sort], "size": left, "_source": source}, **WHOLE
            )
            return
        if not left:
            return
        pit = self.call("POST", f"/{self.index(name)}/_pit", keep_alive=KEEP_ALIVE, **LENIENT)["id"]
        try:
            after: Json = {}
            while left > 0:
                body = {"query": query, "sort": [*sort, {"_shard_doc": "asc"}], "size": min(PAGE, left), "_source": source}
                hits = self._page(
                    "/_search", body | {"pit": {"id": pit, "keep_alive": KEEP_ALIVE}} | after, allow_partial_search_results="false"
                )
                yield from hits
                left -= len(hits)
                if len(hits) < PAGE:
                    return
                after = {"search_after": list(hits[-1].sort)}
        finally:
            self.call("DELETE", "/_pit", {"id": pit}, ok=(404,))

    def _page(self, path: str, body: Json, **query: Any) -> list[Hit]:
        answer = self.call("POST", path, body | {"seq_no_primary_term": True, "track_total_hits": False}, **query)
        return [_hit(hit) for hit in answer["hits"]["hits"]]

    def composite(self, name: str, query: Json, sources: Sequence[Json], aggs: Json) -> Iterator[Json]:
        """All buckets of a composite aggregation."""
        self.show(name)
        composite: Json = {"size": PAGE, "sources": list(sources)}
        while True:
            body = {"size": 0, "query": query, "aggs": {"all": {"composite": composite, "aggs": aggs}}, "track_total_hits": False}
            found = self.call("POST", f"/{self.index(name)}/_search", body, **WHOLE).get("aggregations", {}).get("all", {})
            yield from found.get("buckets", ())
            if len(found.get("buckets", ())) < PAGE:
                return
            composite["after"] = found["after_key"]

    def _wrote(self, indices: Iterable[str]) -> None:
        with self._lock:
            self._unseen |= set(indices)


LENIENT: dict[str, Any] = {"ignore_unavailable": "true", "allow_no_indices": "true"}
WHOLE: dict[str, Any] = LENIENT | {"allow_partial_search_results": "false"}  # an answer without some shard would be a wrong figure


def check(results: Iterable[tuple[Op, Verdict, str]]) -> None:
    """Raise for the worst of some results: StoreBlocked, StoreBusy, then StoreError."""
    worst: dict[str, str] = {}
    for _, what, why in results:
        worst.setdefault(what, why)
    if "blocked" in worst:
        raise StoreBlocked(
            f"Elasticsearch refuses writes ({worst['blocked']}): free disk space or lift the block; nothing is lost meanwhile"
        )
    if "busy" in worst or "conflict" in worst:
        raise StoreBusy(f"Elasticsearch is busy ({worst.get('busy') or worst.get('conflict')})", seconds=1.0)
    if "bad" in worst:
        raise StoreError(f"Elasticsearch refuses a document: {worst['bad']}")


def _chunks(lines: list[tuple[Op, bytes]]) -> Iterator[list[tuple[Op, bytes]]]:
    chunk: list[tuple[Op, bytes]] = []
    size = 0
    for pair in lines:
        if chunk and (size + len(pair[1]) > BULK_BYTES or len(chunk) >= BULK_ITEMS):
            yield chunk
            chunk, size = [], 0
        chunk.append(pair)
        size += len(pair[1])
    if chunk:
        yield chunk


def _item(result: Json, op: Op) -> tuple[Verdict, str]:
    status, error = int(result["status"]), result.get("error")
    if op.action == "delete" and status == 404:
        return "ok", ""
    return verdict(status, error), f"{status} {(error or {}).get('type', '')}: {(error or {}).get('reason', '')}"[:300]


def _hit(found: Json) -> Hit:
    return Hit(
        found["_index"],
        found["_id"],
        found.get("_source", {}),
        (found.get("_seq_no", -2), found.get("_primary_term", 0)),
        tuple(found.get("sort", ())),
    )


def _error_of(body: Any) -> Json:
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {"type": "", "reason": str(error or body)[:200]}


def _named(status: int, error: Json, path: str) -> StoreError:
    what = f"{status} {error.get('type', '')}: {str(error.get('reason', ''))[:300]}"
    kind = verdict(status, error)
    if status in (401, 403) and error.get("type") != "cluster_block_exception":
        return StoreBlocked(f"Elasticsearch refuses the credentials ({what}): check elasticsearch.username, password or api_key")
    if kind == "blocked":
        return StoreBlocked(f"Elasticsearch refuses writes ({what}): free disk space or lift the block; nothing is lost meanwhile")
    if kind in ("busy", "conflict"):
        return StoreBusy(f"Elasticsearch is busy ({what})", seconds=1.0)
    return StoreError(f"Elasticsearch refuses {path}: {what}")


def _quoted(doc_id: str) -> str:
    from urllib.parse import quote

    return quote(doc_id, safe="")
