"""The page's server: binding, and ending while pages are open."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from dashboards_visitor import app_over
from pydantic import SecretStr

from consumers.stores.sqlite import SqliteStore
from dashboards.server import PageServer, bind, url_of
from pipeline.errors import SettingsError
from pipeline.settings import WebSettings


def test_any_free_port_can_be_had() -> None:
    """Port 0 takes a free one, and the address says which."""
    settings = WebSettings(port=0)
    with bind(settings) as listener:
        assert f"http://127.0.0.1:{listener.getsockname()[1]}" == url_of(listener, settings)


def test_a_port_in_use_is_a_clear_error() -> None:
    """The error names the address and the option that helps."""
    with bind(WebSettings(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"127\.0\.0\.1:{port} is in use.*--port"):
            bind(WebSettings(port=port))


@pytest.mark.parametrize("host", ["no.such.host.invalid", "999.1.1.1"])
def test_a_host_that_is_no_address_is_a_clear_error(host: str) -> None:
    """The error names the setting."""
    with pytest.raises(SettingsError, match=r"web\.host"):
        bind(WebSettings(host=host, port=0, token=SecretStr("t")))


def test_nothing_is_bound_without_a_token() -> None:
    """An open address is refused before a socket is there."""
    with pytest.raises(SettingsError, match="token"):
        bind(WebSettings(host="0.0.0.0", port=0))


def test_the_server_ends_at_once_while_a_page_listens(store: SqliteStore) -> None:
    """An open event stream is ended by the server, not waited for."""
    settings = WebSettings(port=0)
    listener = bind(settings)
    port = listener.getsockname()[1]

    async def talk() -> tuple[bytes, float]:
        server = PageServer(app_over(store, settings))
        running = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        await writer.drain()
        got = await reader.readuntil(b"event: counters")
        server.should_exit = True
        began = time.monotonic()
        got += await reader.read()
        await running
        took = time.monotonic() - began
        writer.close()
        await writer.wait_closed()
        return got, took

    got, took = asyncio.run(asyncio.wait_for(talk(), 20))
    assert b"text/event-stream" in got
    assert took < 2
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), 1):
        pass
