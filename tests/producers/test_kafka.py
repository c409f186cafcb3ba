"""What of the Kafka side needs no broker: connections that are refused, the form of dead letters, identities of lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.errors import SettingsError
from pipeline.records import Rejected
from pipeline.settings import KafkaSettings
from producers.kafka import identity_of, json_lines
from producers.kafka_admin import client_options, letter_from, letter_json


@pytest.mark.parametrize("bootstrap", ["kafka.example:9092", "127.0.0.1:9092,10.0.0.7:9092"])
def test_plain_text_beyond_this_machine_is_refused(bootstrap: str) -> None:
    """The message says which address and what to set; it can be allowed, and TLS needs no permission."""
    with pytest.raises(SettingsError, match=r"SASL_SSL or SSL, or kafka\.allow_insecure"):
        client_options(KafkaSettings(bootstrap=bootstrap))
    assert "PLAINTEXT" == client_options(KafkaSettings(bootstrap=bootstrap, allow_insecure=True))["security_protocol"]
    assert "SSL" == client_options(KafkaSettings(bootstrap=bootstrap, security="SSL"))["security_protocol"]


def test_a_login_is_handed_over_and_never_shown() -> None:
    """Name and password go to the client; the settings' text masks the password."""
    settings = KafkaSettings(bootstrap="k.example:9093", security="SASL_SSL", username="mood", password=SecretStr("canary"))
    options = client_options(settings)
    assert ("SCRAM-SHA-512", "mood", "canary") == tuple(
        options[f"sasl_{name}"] for name in ("mechanism", "plain_username", "plain_password")
    )
    assert "canary" not in repr(settings)


def test_a_login_without_a_name_is_refused() -> None:
    """It says which settings are missing."""
    with pytest.raises(SettingsError, match=r"kafka\.username and kafka\.password"):
        client_options(KafkaSettings(security="SASL_SSL"))


@given(st.binary(max_size=200), st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(0, 2**41))
def test_a_dead_letter_comes_back_as_it_was(raw: bytes, reason: str, at: int) -> None:
    """Any bytes."""
    letter = Rejected(reason, raw, "kafka:posts[0]@7#3", at)
    assert letter == letter_from(letter_json(letter))


def test_a_line_goes_by_its_identity_if_it_has_one() -> None:
    """So that edits and deletes follow their post; anything else goes somewhere too."""
    assert "net:7" == identity_of(b'{"platform":"net","post_id":"7","event":"delete"}')
    assert ["[]", "{}", "\ufffd"] == [identity_of(line) for line in (b"[]", b"{}", b"\xff")]


def test_lines_of_a_file_are_bounded(tmp_path: Path) -> None:
    """A line over the limit is cut, so that a worker says why it is bad; the lines after it are whole."""
    file = tmp_path / "posts.ndjson"
    file.write_bytes(b'{"a":1}\n' + b"x" * 5_000 + b'\r\n{"b":2}\n{"c":3}')
    assert [b'{"a":1}', b"x" * 101, b'{"b":2}', b'{"c":3}'] == list(json_lines(file, 100))
