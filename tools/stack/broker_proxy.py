"""A proxy between clients and a Kafka listener that can refuse to commit offsets (row 4 of the faults)."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
from collections import deque

from aiokafka.protocol import commit

OFFSET_COMMIT = 8
LOADING = 14  # COORDINATOR_LOAD_IN_PROGRESS: what a broker says after it became the coordinator of a group


class BrokerProxy:
    """Forwards to 127.0.0.1:`port`. Set `refuse` to the number of commits that are to be answered with an error."""

    def __init__(self, port: int) -> None:
        self.refuse = 0
        self.refused = 0
        self._upstream = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no further connections."""
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self._upstream)) as broker:
            answers = Answers(client)
            threading.Thread(target=_answer, args=(broker, answers, client), daemon=True).start()
            while frame := _frame(client):
                if self.refuse > 0 and struct.unpack_from(">h", frame)[0] == OFFSET_COMMIT:
                    self.refuse -= 1
                    self.refused += 1
                    answers.own(refusal(frame))
                else:
                    answers.expect()
                    broker.sendall(struct.pack(">i", len(frame)) + frame)


class Answers:
    """Sends answers in the order of the requests, as clients expect them: those of the broker and our own."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._order: deque[bytes | None] = deque()  # None: the broker's next

    def expect(self) -> None:
        """A request went to the broker."""
        with self._lock:
            self._order.append(None)

    def own(self, frame: bytes) -> None:
        """An answer that the broker knows nothing of."""
        with self._lock:
            self._order.append(frame)
            self._flush()

    def theirs(self, frame: bytes) -> None:
        """The broker's answer to the oldest request that went to it."""
        with self._lock:
            self._order.popleft()
            self._send(frame)
            self._flush()

    def _flush(self) -> None:
        while self._order and self._order[0] is not None:
            self._send(self._order.popleft() or b"")

    def _send(self, frame: bytes) -> None:
        self._client.sendall(struct.pack(">i", len(frame)) + frame)


def refusal(frame: bytes) -> bytes:
    """The answer to an OffsetCommit request that refuses every partition of it."""
    _, version, correlation, length = struct.unpack_from(">hhih", frame)
    request = getattr(commit, f"OffsetCommitRequest_v{version}")
    answer = getattr(commit, f"OffsetCommitResponse_v{version}")
    body = request.SCHEMA.decode(io.BytesIO(frame[10 + max(0, length) :]))
    topics = [(topic, [(partition[0], LOADING) for partition in partitions]) for topic, partitions in body[-1]]
    values = (0, topics) if version >= 3 else (topics,)
    return struct.pack(">i", correlation) + bytes(answer.SCHEMA.encode(values))


def _answer(broker: socket.socket, answers: Answers, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while frame := _frame(broker):
            answers.theirs(frame)
        client.shutdown(socket.SHUT_RDWR)


def _frame(source: socket.socket) -> bytes:
    """One message; empty when the other side has closed."""
    head = _exactly(source, 4)
    return _exactly(source, struct.unpack(">i", head)[0]) if head else b""


def _exactly(source: socket.socket, size: int) -> bytes:
    parts, left = [], size
    while left:
        part = source.recv(left)
        if not part:
            return b""
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
