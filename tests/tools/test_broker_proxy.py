"""The proxy's own answers are such as a client can read."""

from __future__ import annotations

import io
import struct

import pytest
from aiokafka.protocol import commit

from tools.stack.broker_proxy import LOADING, refusal


@pytest.mark.parametrize("version", [2, 3])
def test_a_refused_commit_names_every_partition(version: int) -> None:
    """With the number of its request, and an error that says: try again."""
    topics = [("posts", [(0, 17, ""), (3, 5, "")]), ("other", [(1, 2, "")])]
    body = getattr(commit, f"OffsetCommitRequest_v{version}").SCHEMA.encode(("group", 4, "member", -1, topics))
    answer = refusal(struct.pack(">hhih", 8, version, 4711, 6) + b"client" + body)
    assert (4711,) == struct.unpack(">i", answer[:4])
    found = getattr(commit, f"OffsetCommitResponse_v{version}").SCHEMA.decode(io.BytesIO(answer[4:]))
    assert [("posts", [(0, LOADING), (3, LOADING)]), ("other", [(1, LOADING)])] == found[-1]
