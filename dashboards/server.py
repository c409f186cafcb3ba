"""The page's server: binds first, says clearly why it can't, and stops without waiting for open event streams."""

from __future__ import annotations

import errno
import socket

import uvicorn
from fastapi import FastAPI

from dashboards.security import check_bind
from pipeline.errors import SettingsError
from pipeline.settings import WebSettings

BACKLOG = 128


def bind(settings: WebSettings) -> socket.socket:
    """A listening socket on host and port; port 0 takes any free one. Raises SettingsError (no token, in use, not ours)."""
    check_bind(settings)
    host = settings.host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"web.host = {settings.host!r} can't be used: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(_why(error, settings)) from None
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket, settings: WebSettings) -> str:
    """The address a person opens, e.g. `http://127.0.0.1:8420`."""
    host = f"[{settings.host.strip('[]')}]" if ":" in settings.host else settings.host
    return settings.public_url or f"http://{host}:{listener.getsockname()[1]}"


class PageServer(uvicorn.Server):
    """uvicorn that ends the event streams before it waits for connections, so that Ctrl-C takes no longer than a request."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=5, ws="none"
        )
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the hub, then do as uvicorn does."""
        self._app.state.hub.close()
        await super().shutdown(sockets)


def _why(error: OSError, settings: WebSettings) -> str:
    place = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{place} is in use: stop the other program, or choose another port with --port (0 takes any free one)"
    if error.errno == errno.EACCES:
        return f"{place} may not be used by this user: choose a port of 1024 or more with --port"
    return f"{place} can't be used: {error.strerror}"
