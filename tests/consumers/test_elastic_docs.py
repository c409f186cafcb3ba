"""Documents, mappings and searches of the Elasticsearch store, without a server."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from contracts.store_samples import T0, scored
from hypothesis import given
from hypothesis import strategies as st

from consumers.stores.elastic import TEMPLATES, connect, templates
from consumers.stores.elastic_client import verdict
from consumers.stores.elastic_docs import ID_BYTES, doc_id, document_of, month_of, sources_of, words_of
from consumers.stores.elastic_read import pieces_of
from consumers.stores.revision import Document
from pipeline.errors import SettingsError
from pipeline.records import EMOTIONS, INTENSITIES, scored_to_json
from pipeline.settings import ElasticsearchSettings


@given(st.integers(0, 1000), st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.booleans(), st.integers(0, 2**41))
def test_a_document_comes_back_as_it_was(number: int, text: str, has_score: bool, revised_at: int) -> None:
    """Every number is an exact multiple of 1/10,000, so nothing is lost on the way."""
    item = scored(number, text=text, weight=0.3333)
    document = Document(item if has_score else replace(item, score=None), revised_at)
    assert document == document_of(sources_of([document])[0])


def test_the_mapping_has_every_field_of_a_document_and_no_other() -> None:
    """Strict mappings, and the names of the records."""
    mapping = templates("m", 0)["m-posts"]["template"]["mappings"]
    fields = mapping["properties"]
    (source,) = sources_of([Document(scored(1), 0)])
    assert "strict" == mapping["dynamic"]
    assert fields.keys() == source.keys() | {"words"}
    assert scored_to_json(scored(1)).keys() - fields.keys() == set()
    assert (set(EMOTIONS), set(INTENSITIES)) == (set(fields["emotions"]["properties"]), set(fields["intensities"]["properties"]))


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_mapping_is_strict(name: str) -> None:
    """No field comes into being by itself."""
    template = templates("m", 2)[f"m-{name}"]
    assert "strict" == template["template"]["mappings"]["dynamic"]
    assert 2 == template["template"]["settings"]["number_of_replicas"]
    assert template["index_patterns"][0].startswith(f"m-{name}")


def test_the_index_follows_from_the_time_of_the_event() -> None:
    """By months of UTC, so that a replay meets its own documents."""
    assert ["posts-2026.11", "posts-2026.10", "posts-1970.01"] == [month_of(moment) for moment in (T0, T0 - 1, 0)]


@given(st.text(max_size=600), st.text(max_size=600))
def test_ids_fit_and_tell_apart(first: str, second: str) -> None:
    """Elasticsearch takes 512 bytes; longer ones are hashed."""
    assert len(doc_id(first).encode("utf-8", "surrogatepass")) <= ID_BYTES
    assert (first == second) == (doc_id(first) == doc_id(second))


def test_words_know_neither_case_nor_accents_nor_spaces_between_signs() -> None:
    """What is searched is what is indexed."""
    assert ["te", "green", "don", "t", "x2"] == words_of("Té GRÉEN don't_x2")
    assert ["我", "喜", "欢"] == words_of("我喜欢")


def test_a_search_is_words_and_phrases() -> None:
    """A quotation mark without its partner opens a phrase to the end; signs alone are nothing."""
    assert [["too", "small"], ["cup"]] == pieces_of('"too small" cup')
    assert [["cup"], ["too", "small"]] == pieces_of('cup "too small')
    assert [] == pieces_of('!? "" ---')


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (201, "", "ok"), (409, "version_conflict_engine_exception", "conflict"), (429, "es_rejected_execution_exception", "busy"),
        (503, "", "busy"), (429, "cluster_block_exception", "blocked"), (403, "cluster_block_exception", "blocked"), (401, "", "blocked"),
        (400, "document_parsing_exception", "bad"), (400, "strict_dynamic_mapping_exception", "bad"),
    ],
)  # fmt: skip
def test_each_answer_is_understood(status: int, kind: str, expected: str) -> None:
    """A full disk is never a bad document, and a busy server never a full disk."""
    assert expected == verdict(status, {"type": kind})


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("elasticsearch://db.example:9200", "TLS"),
        ("elasticsearch://u:p@127.0.0.1:9200", "credentials"),
        ("elasticsearch://localhost", "PORT"),
    ],
)
def test_a_store_that_would_be_unsafe_or_unclear_is_refused(url: str, words: str) -> None:
    """Plain text beyond this machine, credentials in an address, no port: each says what to write."""
    with pytest.raises(SettingsError, match=re.escape(words)):
        connect(url, ElasticsearchSettings())


def test_plain_text_can_be_allowed() -> None:
    """Inside a private network it is a decision."""
    connect("elasticsearch://db.example:9200", ElasticsearchSettings(allow_insecure=True)).close()
