"""What a visitor may do: acknowledge and snooze an incident, mute a topic; by the page, by the API, and by a link out of a message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, FastAPI, HTTPException, Path, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from dashboards import shapes, wording
from dashboards.api import PROBLEMS, IncidentId
from dashboards.views import Reader, known_topic
from pipeline import acts
from pipeline.acts import Act
from pipeline.durations import duration
from pipeline.errors import InputError
from pipeline.links import SNOOZE_FOR, Signer
from pipeline.mutes import mute, mutes
from pipeline.ports import Store
from pipeline.records import Incident, from_ms

LENGTHS = ("1h", "4h", "1d", "7d")  # of a snooze or mute on the page
MOST_FIELDS = 8


class Said(BaseModel):
    """Who does it, and what they say."""

    by: str = Field("", max_length=80, description="a name, as the history shows it")
    note: str = Field("", max_length=acts.MOST_CHARS, description="a remark for others")


class Snooze(Said):
    """How long to be silent."""

    length: str = Field(alias="for", max_length=20, description="`2h`, `1d`; `off` ends the snooze")


class Mute(BaseModel):
    """Which topic nobody is to hear of."""

    topic: str = Field(min_length=1, max_length=200, description="a topic's name; `*` is the pipeline")
    length: str = Field(alias="for", max_length=20, description="`2h`, `1d`; `off` ends it")


@dataclass(frozen=True, slots=True)
class Deeds:
    """The acts over one store; `clock` in ms since 1970. Without a signer there are no links."""

    store: Store
    clock: Callable[[], int]
    signer: Signer | None = None

    def acknowledge(self, incident: Incident, by: str = "", note: str = "") -> Act:
        """Somebody takes care of it."""
        return acts.acknowledge(self.store, incident, self.clock(), by, note)

    def snooze(self, incident: Incident, length: str, by: str = "", note: str = "") -> Act:
        """For a length of time such as 2h, or `off`. InputError for another text, or if it can't be snoozed."""
        now = self.clock()
        if length == "off":
            done = acts.wake(self.store, incident.id, now, by)
            if done is None:
                raise InputError(f"incident {incident.id} is not snoozed")
            return done
        return acts.snooze(self.store, incident, now + duration(length), now, by, note)

    def mute(self, topic: str, length: str) -> dict[str, int]:
        """For a length of time, or `off`; then all mutes."""
        if topic != "*":
            known_topic(self.store, topic)
        now = self.clock()
        mute(self.store, topic, now if length == "off" else now + duration(length), now)
        return mutes(self.store, now)

    def state(self, incident: Incident) -> dict[str, object]:
        """What the incident's page shows of it: acts, the end of a snooze or mute."""
        now = self.clock()
        until = acts.snoozes(self.store).get(incident.id)
        return {
            "acts": acts.acts(self.store, incident.id),
            "snoozed": until if until and until > now else None,
            "muted": mutes(self.store, now).get(incident.topic),
            "lengths": LENGTHS,
        }


def router(store: Reader, deeds: Deeds) -> APIRouter:
    """The acts of the API."""
    routes = APIRouter(prefix="/api/v1", responses=PROBLEMS, tags=["acts"])

    @routes.get("/incidents/{incident_id}/acts", response_model=list[shapes.Act])
    def history(incident_id: IncidentId) -> list[dict[str, str | None]]:
        """What people did about an incident, and what nobody was sent."""
        return [acts.to_json(one) for one in acts.acts(deeds.store, store.incident(incident_id).id)]

    @routes.post("/incidents/{incident_id}/acknowledge", response_model=shapes.Act)
    def acknowledge(incident_id: IncidentId, said: Said) -> dict[str, str | None]:
        """Somebody takes care of it."""
        return acts.to_json(deeds.acknowledge(store.incident(incident_id), said.by, said.note))

    @routes.post("/incidents/{incident_id}/snooze", response_model=shapes.Act)
    def snooze(incident_id: IncidentId, said: Snooze) -> dict[str, str | None]:
        """No message about it for a while; if it is still open then, one that says where it stands."""
        return acts.to_json(deeds.snooze(store.incident(incident_id), said.length, said.by, said.note))

    @routes.get("/mutes", response_model=list[shapes.Muted])
    def muted() -> list[dict[str, str]]:
        """Topics that nobody hears of, and until when."""
        return _mutes(mutes(deeds.store, deeds.clock()))

    @routes.post("/mutes", response_model=list[shapes.Muted])
    def mute_topic(said: Mute) -> list[dict[str, str]]:
        """Nobody hears of a topic for a while; its incidents are still found and shown."""
        return _mutes(deeds.mute(said.topic, said.length))

    return routes


def _mutes(found: dict[str, int]) -> list[dict[str, str]]:
    return [{"topic": topic, "until": from_ms(until)} for topic, until in sorted(found.items())]


def add_pages(app: FastAPI, deeds: Deeds, page: Callable[..., Response]) -> None:
    """The forms of the incident's page, and where the links of messages lead. `page` renders a template without reading the store."""

    @app.post("/incidents/{incident_id}/acts", include_in_schema=False)
    async def act(incident_id: str, request: Request) -> Response:
        form = {
            name: values[0]
            for name, values in parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=MOST_FIELDS).items()
        }
        incident = deeds.store.incident(incident_id)
        what, by, note = form.get("what"), form.get("by", "").strip(), form.get("note", "").strip()
        if what == "acknowledge":
            deeds.acknowledge(incident, by, note)
        elif what == "snooze":
            deeds.snooze(incident, form.get("for", ""), by, note)
        elif what == "mute":
            deeds.mute(incident.topic, form.get("for", ""))
        else:
            raise InputError("a form says acknowledge, snooze or mute")
        return RedirectResponse(f"{wording.incident_path(incident.id)}#acts", 303)

    @app.get("/act/{token}", include_in_schema=False)
    def confirm(token: Annotated[str, Path(max_length=200)]) -> Response:
        link = _signer(deeds).read(token, deeds.clock())
        return page("act.html", incident=deeds.store.incident(link.incident), what=link.what, token=token, done=False)

    @app.post("/act/{token}", include_in_schema=False)
    def confirmed(token: Annotated[str, Path(max_length=200)]) -> Response:
        link = _signer(deeds).read(token, deeds.clock())
        incident = deeds.store.incident(link.incident)
        if link.what == "snooze":
            acts.snooze(deeds.store, incident, deeds.clock() + SNOOZE_FOR, deeds.clock(), "by link")
        else:
            deeds.acknowledge(incident, "by link")
        return page("act.html", incident=incident, what=link.what, token=token, done=True)


def _signer(deeds: Deeds) -> Signer:
    if deeds.signer is None:
        raise HTTPException(404, "links in messages need web.public_url")
    return deeds.signer
