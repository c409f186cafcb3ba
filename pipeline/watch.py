"""The tick: bins that changed → detector → incidents and messages, exactly once, whatever happens in between.

The state is derived. It is saved with the bin it stands at, and walking the bins again gives the same incidents. Nothing counts
as reached before its incidents are stored, so a crash repeats work and never skips it; a repeated crossing finds its incident by
id or by overlap and changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace

import orjson

from pipeline import acts, outages
from pipeline.crossed import EVERYTHING
from pipeline.crossings import WALK, Crossings, Inhibited, Joined, Moved, Opened, Risen, StoryEvent, digests
from pipeline.detector import VERSION, DetectorConfig
from pipeline.disturbances import Hold
from pipeline.errors import NotFoundError, StoreError
from pipeline.incidents import VERSION as FIGURES
from pipeline.incidents import Alarm, build, incident_id
from pipeline.lifecycle import QUIET_FOR, enter, overlaps
from pipeline.links import Signer
from pipeline.maintenance import Weekly, silenced
from pipeline.mutes import mutes
from pipeline.notify import Subscription, messages
from pipeline.ports import Store
from pipeline.records import BIN, DAY, HOUR, MINUTE, Bin, Held, Incident, Notification
from pipeline.rules import Rule, counted
from pipeline.trends import floor_to

LOOKBACK = 120 * DAY  # of bins that a fresh start walks over; the detector forgets half in 28 days
HISTORICAL = 3 * HOUR  # news that is older than this when it arrives is history
FUTURE = 2 * MINUTE  # live posts are clamped to arrival; a file's stamp further ahead must not close windows
FOLLOW = DAY  # how long a stream that fell silent is followed
DAYS, HOURS = 28, 4  # saved states: the last days, and the last hours for late posts
REACHED = "watch:reached"
RULES = "watch:rules"  # when each rule was first seen
DAY_SLOTS = tuple(f"watch:day:{i}" for i in range(DAYS))  # names of states that stand at a midnight
SLOTS = DAY_SLOTS + tuple(f"watch:hour:{i}" for i in range(HOURS))
SHORT = 6 * HOUR  # bins of less than this are summed from the documents; more of them are read from the stored bins
MOST_INCIDENTS = 1_000


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """When bins close, and the detector's constants. Times in ms."""

    lateness: int = 10 * MINUTE
    idle: int = MINUTE
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    rules: tuple[Rule, ...] = ()
    maintenance: tuple[Weekly, ...] = ()


class Watch:
    """Follows one store. A passive object: whoever calls `tick` owns the thread and the clock."""

    def __init__(
        self,
        store: Store,
        subscriptions: Sequence[Subscription] = (),
        config: WatchConfig | None = None,
        link: str | None = None,
        signer: Signer | None = None,
    ) -> None:
        self._store = store
        self._subscriptions = tuple(subscriptions)
        self.config = config or WatchConfig()
        self._link, self._signer = link, signer
        self._outages = outages.Outages(store)
        self._rules: tuple[Rule, ...] | None = None  # with their beginnings
        self._walk: Crossings | None = None
        self._topics: set[str] = set()
        self._slots: dict[str, int] = {}  # saved state → the bin it stands at
        self._dirty: set[int] = set()  # bins that changed after they were walked
        self._rewound_at = 0
        self._rewound = False
        self._checked = False  # this tick has compared the walk's bins with the store's
        self._watermark = 0
        self._ids: dict[tuple[str, int, str], str] = {}
        self._warned: set[str] = set()  # ids of messages that were sent while the store was away
        self._settled: set[tuple[int, int | None]] = set()  # outages (onset, end) with nothing left to do about

    @property
    def watermark(self) -> int:
        """Event time (ms) before which bins are closed; 0 before the first tick with posts."""
        return self._watermark

    def tick(self, now: int, *, flush: bool = False) -> list[Incident]:
        """Take what is new at `now` (ms) and return the incidents that opened or changed. `flush`: all posts are in, close every bin.

        Raises StoreError; a tick that failed may simply be repeated.
        """
        try:
            return self._tick(now, flush)
        except StoreError:
            self.store_failed(now)
            raise

    def store_failed(self, now: int) -> None:
        """Whoever writes to the store could not: if that goes on, it is an incident of the pipeline (pipeline/outages.py)."""
        self._outages.failed(now)

    def warn(self, now: int, send: Callable[[Sequence[Notification], int], Collection[str]]) -> None:
        """Tell of an outage while it goes on, once: `send` tries messages past the store and gives the ids of those that arrived."""
        began = self._outages.due(now)
        if began is not None:
            self._warned |= set(send(outages.warnings(began, self._subscriptions, now), now))

    def _tick(self, now: int, flush: bool) -> list[Incident]:
        self._wake(now)
        changed = self._store.refresh()
        newest, as_of = self._store.latest()
        if newest is None or as_of is None:
            return []
        self._topics.update(topic for topic, _ in changed)
        self._dirty |= {start for _, start in changed}
        self._watermark = max(self._watermark, self._mark(min(newest, now + FUTURE), as_of, now, flush))
        walk = self._walk or self._restore(as_of, newest)
        disturbed = self._look_around(walk, as_of, now)
        horizon = max(floor_to(self._watermark, BIN), walk.position)
        first = self._first_late(walk.position, now, flush)
        if first is not None or walk.position < horizon - LOOKBACK:
            walk = self._rewind(walk.position if first is None else first, as_of, newest)
            self._rewound_at = now
        if walk.position >= horizon:
            self._walk, self._checked = walk, False
            return disturbed
        return disturbed + self._advance(walk, horizon, as_of, newest, now)

    def _first_late(self, position: int, now: int, flush: bool) -> int | None:
        """The first changed bin to walk again from now; bins that are hours old wait, so that a trickle of them is one walk an hour.

        Nobody is told of anything before the bins are compared (`_confirmed`), so waiting costs no figure.
        """
        self._dirty = {start for start in self._dirty if start < position}
        recent = position - (HOURS - 1) * HOUR  # later bins have an hourly state before them
        due = flush or now - self._rewound_at >= HOUR
        return min((start for start in self._dirty if due or start >= recent), default=None)

    def _mark(self, newest: int, as_of: int, now: int, flush: bool) -> int:
        """Event time before which no more posts are waited for."""
        if flush:
            return newest + BIN
        mark = newest - self.config.lateness
        if now - as_of >= self.config.idle:
            mark = max(mark, min(now - self.config.lateness, newest + FOLLOW))
        return mark

    # ---- outages ----

    def _look_around(self, walk: Crossings, as_of: int, now: int) -> list[Incident]:
        """Incidents of the pipeline that open because posts didn't come through, and those that end as the detector has passed them."""
        self._outages.look(now, as_of, walk.position)
        walk.holds = self._outages.holds
        touched: list[Incident] = []
        for hold in walk.holds:
            if (hold.onset, hold.until) not in self._settled:
                touched += self._settle_outage(hold, walk, as_of, now)
        return touched

    def _settle_outage(self, hold: Hold, walk: Crossings, as_of: int, now: int) -> list[Incident]:
        """Its incident is there, and closed when the detector has passed it."""
        incident, touched = self._incident(EVERYTHING, hold.onset, hold.rule, hold.fired), []
        if incident is None:
            alarm = outages.alarm_of(self._store, sorted(self._topics), hold.onset, hold.fired, as_of, hold.cause)
            incident = build(self._store, alarm, as_of, self._remember(walk))
            news = self._messages(incident, "opened", now)
            self._store.save(incident, [message for message in news if message.id not in self._warned])
            touched.append(incident)
        if hold.until is None:
            self._settled.add((hold.onset, None))
        elif hold.until <= walk.position:
            ended = enter(incident, "closed", max(hold.until, incident.timeline[-1][1]))
            if incident.rule == outages.RULE and ended is not incident:
                self._store.save(ended)
                touched.append(ended)
            self._settled.add((hold.onset, hold.until))
        return touched

    # ---- walking ----

    def _advance(self, walk: Crossings, horizon: int, as_of: int, newest: int, now: int) -> list[Incident]:
        self._walk = None  # ahead of what is stored, until all of this is
        events, states = self._collect(walk, horizon, as_of)
        if not self._checked and any(isinstance(event, Opened) for event in events):
            walk, events, states = self._confirmed(walk, horizon, as_of, newest, events, states)
        reached = self._reached()
        touched = {incident.id: incident for event in events for incident in self._apply(event, walk, as_of, reached, now)}
        if self._rewound:
            touched |= {incident.id: incident for incident in self._close_vanished(walk)}
        for name, (position, data) in states.items():
            self._store.save_state(name, data)
            self._slots[name] = position
        if walk.position > reached:
            self._store.save_state(REACHED, str(walk.position).encode())
        self._walk, self._rewound, self._checked = walk, False, False
        return list(touched.values())

    def _collect(self, walk: Crossings, horizon: int, as_of: int) -> tuple[list[StoryEvent], dict[str, tuple[int, bytes]]]:
        """Walk to the horizon: what happened, and the states to save once that is stored."""
        events: list[StoryEvent] = []
        states: dict[str, tuple[int, bytes]] = {}
        for _, found in walk.walk(self._bins(walk.position, horizon, as_of), horizon):
            events += found
            if name := _slot(walk.position, horizon):
                states[name] = (walk.position, walk.to_bytes())
        return events, states

    def _confirmed(
        self, walk: Crossings, horizon: int, as_of: int, newest: int, events: list[StoryEvent], states: dict[str, tuple[int, bytes]]
    ) -> tuple[Crossings, list[StoryEvent], dict[str, tuple[int, bytes]]]:
        """Before anybody is told: are the bins that were walked those of the store? If not, walk again from the first that differs.

        Another process may have written and read the news, or this one may have stopped between reading them and using them.
        """
        first = self._first_difference(walk, as_of)
        if first is None:
            return walk, events, states
        again = self._rewind(first, as_of, newest)
        return again, *self._collect(again, horizon, as_of)

    def _first_difference(self, walk: Crossings, as_of: int) -> int | None:
        """Start of the first day whose bins are not those that were walked; expired days are not looked at."""
        stored = self._bins(walk.begin, walk.position, as_of)
        expired = stored[0].start // DAY if stored and stored[0].start > walk.begin else -1
        found = digests(stored)
        days = sorted(day for day in walk.digests.keys() | found.keys() if day > expired)
        return next((day * DAY for day in days if walk.digests.get(day) != found.get(day)), None)

    def _bins(self, since: int, until: int, as_of: int) -> list[Bin]:
        """Bins of all topics from documents with ingested_at <= as_of; a long stretch from the stored bins if they are just those."""
        found = self._store.bins(sorted(self._topics), since, until) if until - since > SHORT else None
        if found is None or self._store.latest()[1] != as_of:
            found = self._store.bins(sorted(self._topics), since, until, as_of)
        return counted(self._store, found, self._judged(), since, until, as_of)

    def _judged(self) -> tuple[Rule, ...]:
        """The rules, each from the bin on that came next when it was first seen; in an empty store from the first bin on."""
        if self._rules is None:
            saved = self._store.state(RULES)
            begins: dict[str, int] = orjson.loads(saved) if saved else {}
            names = {rule: hashlib.blake2b(orjson.dumps(asdict(rule)), digest_size=8).hexdigest() for rule in self.config.rules}
            now = {name: begins.get(name, self._reached()) for name in names.values()}
            if now != begins:
                self._store.save_state(RULES, orjson.dumps(now))
            self._rules = tuple(replace(rule, begin=now[name]) for rule, name in names.items())
        return self._rules

    # ---- saved states ----

    def _restore(self, as_of: int, newest: int) -> Crossings:
        """The newest saved state that is not ahead of what was reached and agrees with the stored bins; else a fresh start."""
        self._topics.update(summary.topic for summary in self._store.topics())
        reached, self._rewound = self._reached(), True
        found = [walk for name in SLOTS if (walk := self._load(name)) is not None and walk.position <= reached]
        if not found:
            return self._fresh(as_of, newest)
        walk = self._with_rules(max(found, key=lambda walk: walk.position), as_of)
        first = self._first_difference(walk, as_of)
        self._checked = first is None
        return walk if first is None else self._rewind(first, as_of, newest)

    def _rewind(self, to: int, as_of: int, newest: int) -> Crossings:
        """The newest saved state at or before a bin; a fresh start if there is none, or posts came that are older than the first bin."""
        self._rewound = True
        self._dirty = {start for start in self._dirty if start < to}
        names = sorted((name for name, position in self._slots.items() if position <= to), key=lambda name: -self._slots[name])
        for name in names:
            walk = self._load(name)
            if walk is not None and walk.position <= to and walk.position >= floor_to(newest, BIN) - LOOKBACK:
                return self._with_rules(walk, as_of)
        return self._fresh(as_of, newest)

    def _with_rules(self, walk: Crossings, as_of: int) -> Crossings:
        """The walk with the rules of the settings: a change of theirs costs a look at the day before, not a walk from the first bin."""
        if walk.rules.rules != self._judged():
            walk.take_rules(self._judged(), self._bins(walk.position - DAY, walk.position, as_of))
        return walk

    def _load(self, name: str) -> Crossings | None:
        data = self._store.state(name)
        try:
            walk = Crossings.from_bytes(data) if data else None
        except ValueError:
            walk = None
        if walk is None or walk.detector.config != self.config.detector or not self._can_take(walk.rules.rules, walk.position):
            self._slots.pop(name, None)
            return None
        walk.holds = self._outages.holds
        self._slots[name] = walk.position
        return walk

    def _can_take(self, known: Sequence[Rule], position: int) -> bool:
        """Whether all rules that a saved walk doesn't have begin at its position or later."""
        return all(rule in known or rule.begin >= position for rule in self._judged())

    def _fresh(self, as_of: int, newest: int) -> Crossings:
        bins = self._bins(floor_to(newest - LOOKBACK, DAY), newest + BIN, as_of)
        self._slots.clear()
        self._dirty.clear()
        self._checked = True
        begin = bins[0].start if bins else floor_to(newest, BIN)
        return Crossings(begin, self.config.detector, rules=self._judged(), holds=self._outages.holds)

    def _reached(self) -> int:
        saved = self._store.state(REACHED)
        return int(saved) if saved else 0

    # ---- incidents ----

    def _apply(self, event: StoryEvent, walk: Crossings, as_of: int, reached: int, now: int) -> list[Incident]:
        if isinstance(event, Opened):
            return self._open(event.alarm, walk, as_of, reached, now)
        incident = self._incident(event.topic, event.onset, event.rule)
        if incident is None:
            return []
        if isinstance(event, Inhibited):
            return self._keep_held(incident, event.held)
        if _happened(incident, event):
            return []
        if isinstance(event, Risen):
            return self._escalate(incident, event, now)
        if isinstance(event, Joined):
            return self._join(incident, event)
        return self._move(incident, event)

    def _keep_held(self, incident: Incident, held: Held) -> list[Incident]:
        """An alert that opens no incident of its own is kept with the one of the pipeline that explains it."""
        if any((one.topic, one.rule) == (held.topic, held.rule) and abs(one.fired - held.fired) <= QUIET_FOR for one in incident.held):
            return []  # known; late posts may have moved it by some bins
        whole = replace(incident, held=(*incident.held, held))
        self._store.save(whole)
        return [whole]

    def _join(self, incident: Incident, event: Joined) -> list[Incident]:
        """Something else says the same: it stands in the timeline, and nobody is told again."""
        joined = replace(incident, timeline=(*incident.timeline, (_what(event), event.at)))
        self._store.save(joined)
        return [joined]

    def _open(self, alarm: Alarm, walk: Crossings, as_of: int, reached: int, now: int) -> list[Incident]:
        """Store a new incident with its messages; a story that is known goes on under its id."""
        known = self._incident(alarm.topic, alarm.onset, alarm.rule, alarm.fired)
        if known is not None:
            self._ids[alarm.topic, alarm.onset, alarm.rule] = known.id
            return self._reopen(known, alarm) if alarm.fired >= reached else []
        historical = self._is_history(alarm, as_of, now)
        late = alarm.fired < reached and not historical
        incident = build(self._store, alarm, as_of, self._remember(walk), late=late, historical=historical)
        self._store.save(incident, self._messages(incident, "opened", now))
        return [incident]

    def _messages(
        self, incident: Incident, transition: str, now: int, subscriptions: Sequence[Subscription] | None = None, again: int | None = None
    ) -> list[Notification]:
        """The messages about an incident; none, and a note of why, while its topic is muted or in maintenance or it is snoozed."""
        wanted = self._subscriptions if subscriptions is None else subscriptions
        news = messages(incident, transition, wanted, now, self._link, acts=self._signer, again=again)
        if news and (why := self._silence(incident, now)):
            acts.record(self._store, incident.id, acts.Act("untold", now, None, why, transition))
            return []
        return news

    def _silence(self, incident: Incident, now: int) -> str | None:
        if incident.topic in mutes(self._store, now):
            return "the topic is muted"
        if window := silenced(self._store, self.config.maintenance, incident.topic, now):
            return f"maintenance {window}"
        return "snoozed" if acts.snoozes(self._store).get(incident.id, 0) > now else None

    def _wake(self, now: int) -> None:
        """Where a snooze is over and the incident is not, say once where it stands."""
        for name, until in acts.snoozes(self._store).items():
            if until > now:
                continue
            with suppress(NotFoundError):
                incident = self._store.incident(name)
                if incident.state != "closed":
                    self._store.save(incident, self._messages(incident, "reminded", now, again=until))
            acts.wake(self._store, name, now)

    def _reopen(self, known: Incident, alarm: Alarm) -> list[Incident]:
        """A story that returns before it was over for two hours goes on; nobody is told twice."""
        if known.state != "closed" or alarm.fired + BIN <= known.timeline[-1][1]:
            return []
        again = enter(known, "open", alarm.fired + BIN)
        self._store.save(again)
        return [again]

    def _is_history(self, alarm: Alarm, as_of: int, now: int) -> bool:
        """Was the crossing over for three hours, or had its first posts happened three hours before they arrived?"""
        if now - (alarm.fired + BIN) > HISTORICAL:
            return True
        topics = alarm.topics or (alarm.topic,)
        first = [
            item
            for topic in topics
            for item in self._store.posts(topic, alarm.onset, alarm.fired + BIN, 1, as_of=as_of, newest_first=False)
        ]
        return bool(first) and min(item.ingested_at - item.post.created_at for item in first) > HISTORICAL

    def _escalate(self, incident: Incident, event: Risen, now: int) -> list[Incident]:
        """Tone and volume: told to those who didn't want to hear of the tone alone."""
        if incident.severity != "tone":
            return []
        raised = replace(incident, severity="incident", timeline=(*incident.timeline, ("escalated", event.at)))
        news = [s for s in self._subscriptions if s.wants(raised) and not s.wants(incident)]
        self._store.save(raised, self._messages(raised, "escalated", now, news))
        return [raised]

    def _move(self, incident: Incident, event: Moved) -> list[Incident]:
        moved = enter(incident, event.state, event.at)
        if moved is incident:
            return []
        self._store.save(moved)
        return [moved]

    def _close_vanished(self, walk: Crossings) -> list[Incident]:
        """Late posts may have explained a story away: what is open in the store and not in the walk is closed."""
        stories = [self._incident(story.topic, story.onset, story.rule, story.fired) for story in walk.open.values()]
        kept = {incident.id for incident in stories if incident is not None}
        closed = []
        for incident in self._store.incidents(open_only=True, limit=MOST_INCIDENTS):
            if incident.id not in kept and incident.rule != outages.RULE:
                ended = enter(incident, "closed", max(walk.position, incident.timeline[-1][1]))
                self._store.save(ended)
                closed.append(ended)
        return closed

    def _incident(self, topic: str, onset: int, rule: str, fired: int | None = None) -> Incident | None:
        """The stored incident of a story: by its id, else one that overlaps with it: not about volume alone, not another disturbance."""
        name = self._ids.get((topic, onset, rule)) or incident_id(topic, onset, rule)
        try:
            found = self._store.incident(name)
        except NotFoundError:
            found = None
        if found is not None and found.id == name:
            return found
        end = onset if fired is None else fired
        for incident in self._store.incidents(topic, limit=MOST_INCIDENTS):
            other = incident.rule != rule and (topic == EVERYTHING or incident.rule == "volume")  # a story of its own
            if overlaps(incident, onset, end) and not other:
                return incident
        return None

    def _remember(self, walk: Crossings) -> str:
        """Keep the configuration and first bin of the walk under their hash, so that verify can walk the same way."""
        holds = [asdict(hold) for hold in walk.holds]
        rules = {"version": VERSION, "figures": FIGURES, "begin": walk.begin, "config": asdict(walk.detector.config)}
        rules |= {"walk": WALK, "rules": walk.rules.head(), "holds": holds}
        data = orjson.dumps(rules, option=orjson.OPT_SORT_KEYS)
        name = hashlib.blake2b(data, digest_size=8).hexdigest()
        self._store.save_state(f"detector:{name}", data)
        return name


def _what(event: Moved | Risen | Joined) -> str:
    """What happened, as the timeline has it."""
    return event.state if isinstance(event, Moved) else "escalated" if isinstance(event, Risen) else f"joined by {event.by}"


def _happened(incident: Incident, event: Moved | Risen | Joined) -> bool:
    """Whether the timeline is beyond an event: walking bins again repeats what is known."""
    last = incident.timeline[-1][1]
    return event.at < last or (event.at == last and (incident.state == "closed" or (_what(event), event.at) in incident.timeline))


def _slot(position: int, horizon: int) -> str | None:
    """Where the state at this position is saved: each midnight of the last four weeks, each hour of the last four."""
    if position % DAY == 0 and position > horizon - DAYS * DAY:
        return f"watch:day:{position // DAY % DAYS}"
    if position % HOUR == 0 and position > horizon - HOURS * HOUR:
        return f"watch:hour:{position // HOUR % HOURS}"
    return None
