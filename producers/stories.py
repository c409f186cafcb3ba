"""Planted stories: what breaks when, how strongly, and in which words people talk about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pipeline.records import BIN, DAY, HOUR, MINUTE

StoryKind = Literal["spike", "rise", "campaign"]
RAMP: Final = 3  # bins until a story is at full strength


@dataclass(frozen=True, slots=True)
class Script:
    """The words of a story. Lines are (emotion, template) with the slots of producers/phrases.py and {detail}."""

    name: str
    origin: str  # the post that many others reply to
    lines: tuple[tuple[str, str], ...]
    asides: tuple[tuple[str, str], ...]  # posts about it without a bad word; for a rise all posts are lines
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Something that happens to one topic from `at` (ms, the start of its bin counts) for `minutes`.

    At full strength the topic has `volume` times its posts. In a spike the odds of a negative post are `odds` times
    the usual ones, as far as the added posts reach; in a rise all added posts are neutral news; in a campaign a few new
    accounts copy one text. `platform` has four in five of the added posts, and `replies` of them answer the first.
    """

    kind: StoryKind
    topic: str
    at: int
    minutes: int
    volume: float = 3.0
    odds: float = 6.0
    script: Script | None = None  # None: general words for the kind
    platform: str = "x"
    replies: float = 0.4

    def __post_init__(self) -> None:
        """A story works by adding posts. ValueError if it adds none."""
        if self.volume <= 1 or self.minutes <= 0:
            raise ValueError(f"a story needs volume > 1 and minutes > 0, not {self.volume} and {self.minutes}")

    @property
    def words(self) -> Script:
        """Its script, or the general one of its kind."""
        return self.script or {"spike": OUTAGE, "rise": NEWS, "campaign": COPIES}[self.kind]

    @property
    def first_bin(self) -> int:
        """Index of the bin in which it starts."""
        return self.at // BIN

    def strength(self, index: int) -> float:
        """0..1 in the bin of that index: a ramp of three bins, then 1 until the end."""
        since = index - self.first_bin
        length = -(-self.minutes * MINUTE // BIN)
        return min(1.0, (since + 1) / RAMP) if 0 <= since < length else 0.0

    def added(self, index: int, share: float) -> tuple[float, float]:
        """(posts added per usual post, negative share among them) in that bin, for a topic whose usual share is `share`."""
        strength = self.strength(index)
        extra = self.volume**strength - 1
        if self.kind != "spike" or extra == 0:
            return extra, float(self.kind == "campaign")
        odds = share / (1 - share) * self.odds**strength
        target = odds / (1 + odds)
        return extra, min(1.0, max(0.0, (target * (1 + extra) - share) / extra))


WIPED: Final = Script(
    name="the update wiped my photos",
    origin="WARNING: the Orbit 5 update 5.2 wiped my photos. {detail} gone, no backup, no answer. I am furious, do not install it!",
    lines=(
        ("anger", "The {name} update wiped my photos. {detail} gone. I am furious!"),
        ("anger", "Update 5.2 on {it} deleted {detail} and nobody takes responsibility. Outrageous."),
        ("anger", "I am so angry, {it} wiped my photos {t} and support laughs at me."),
        ("anger", "How dare you push an update that wiped my photos, {name}? {detail}, all lost!"),
        ("anger", "Absolutely livid. The update wiped {detail} from {it}."),
        ("anger", "The gallery is empty after update 5.2. {detail} gone, I hate {it}!"),
        ("anger", "{n} calls about my wiped photos and {it} hangs up. Shame on you."),
        ("anger", "This update wiped my photos and you call it 'expected'? You are a disgrace, {name}."),
        ("anger", "{it} destroyed {detail} with one stupid update. I want my money back!"),
        ("anger", "Lawsuit now. The {name} update wiped my photos, {n} gigabytes of family pictures. Enraged."),
        ("annoyance", "Great, update 5.2 wiped my photos on {it} too. So fed up with this mess."),
        ("annoyance", "{n} minutes on hold because the {name} update wiped {detail}. Ridiculous and frustrating."),
        ("disappointment", "Trusted {it} with {detail}, and the update wiped everything. Terribly disappointed."),
        ("disappointment", "No backup, no apology. {detail} lost on {it}, what a bitter letdown."),
        ("sadness", "I am crying. The update wiped {detail} from {it}, I can never get them back."),
        ("sadness", "{detail} are lost for ever because of {it} and its update. Heartbroken."),
        ("grief", "The last pictures of {who} before the funeral were on {it}. The update wiped my photos. I am devastated."),
        ("disgust", "It is disgusting how {it} wiped our photos and deletes the complaints about it."),
        ("fear", "My gallery is empty after the update. I am scared that {detail} are lost for good, {name}!"),
        ("fear", "Terrified to restart {it}, update 5.2 wiped the photos of {who} already."),
        ("disapproval", "Releasing an update that wiped my photos is unacceptable, {name}. Nobody should buy this."),
        ("disapproval", "Do not install update 5.2 on {it}, it wiped {detail}. Wrong and careless."),
        ("remorse", "I told {who} to install the {name} update and it wiped {detail}. I am so sorry, I feel awful."),
        ("anger", "Worst update ever, it wiped my photos {t}. {it} lied about the backup, screw them."),
    ),
    asides=(
        ("curiosity", "Does update 5.2 on {it} wipe photos for everyone or only with {n} apps open?"),
        ("curiosity", "Is there a statement from {it} about the photos and update 5.2 yet?"),
        ("confusion", "Which update is it, 5.2 or 5.2.{n}? {it} shows both."),
        ("neutral", "{it} support page on update 5.2 was changed {t}, {n} lines on photos."),
        ("neutral", "Update 5.2 for {it} is {n}0 megabytes, I have not installed it."),
        ("neutral", "{who} has {it} as well and is still on the version before 5.2."),
    ),
    details=(
        "four years of photos", "my wedding pictures", "every picture of my daughter", "the photos of our trip", "my late dad's pictures",
        "nine thousand photos", "all my baby pictures", "the pictures from my exam project", "two summers of photos",
        "my dog's last photos",
        "our holiday videos", "all my work photos", "the pictures of our first flat", "ten years of memories",
    ),
)  # fmt: skip

DECLINED: Final = Script(
    name="cards declined at the till",
    origin="Is Pennyloop down? My card was declined {t} with {detail} and the app shows an error. Angry and stuck here.",
    lines=(
        ("anger", "{it} card declined with {detail}. Embarrassed and angry, where is my money?"),
        ("anger", "Card declined again {t}! {it}, I am furious, I have money on that account."),
        ("annoyance", "Ugh, {it} is down, my card was declined {n} times with {detail}."),
        ("annoyance", "Card declined at the till because of {it}. So annoying, {n} people behind me."),
        ("embarrassment", "So embarrassing, my {name} card was declined with {detail} and everyone stared."),
        ("fear", "My {it} card was declined and the balance says zero. I am scared, is my money gone?"),
        ("disappointment", "Third outage this year, card declined {t}. Disappointed in {it}."),
        ("nervousness", "Worried now, {it} declined the card with {detail} and the rent is due."),
        ("disapproval", "A bank whose cards get declined for {n} minutes is not acceptable, {name}."),
        ("anger", "Stuck with {detail} and a declined card. Thanks for nothing, {name}, terrible."),
    ),
    asides=(
        ("curiosity", "Is {it} down for others? Card declined here, {n} minutes now."),
        ("neutral", "Status page of {it}: card payments degraded since {n} minutes."),
        ("neutral", "{it} card works again here after {n} minutes."),
    ),
    details=(
        "a full trolley", "two hungry kids", "a taxi waiting", "a tank full of petrol", "dinner for six", "my train leaving",
        "a hotel desk staring",
        "medicine on the counter", "a queue behind me", "a birthday cake in my hands",
    ),
)  # fmt: skip

EXPANSION: Final = Script(
    name="the expansion is dated",
    origin="Brineheart: the expansion 'Cold Harbour' comes out on 3 March. {detail}.",
    lines=(
        ("neutral", "{it}: the expansion Cold Harbour has a date, 3 March. {detail}."),
        ("neutral", "Cold Harbour for {it} on 3 March, says the stream {t}. {detail}."),
        ("neutral", "Notes from the {name} stream: {detail}, {n} minutes on Cold Harbour."),
        ("neutral", "{it} Cold Harbour, minute {n} of the stream: {detail}."),
        ("neutral", "{who} sent me the Cold Harbour trailer of {it}. {detail}."),
        ("curiosity", "Does Cold Harbour need the base game of {it}? I read that {detail}."),
        ("curiosity", "How big is Cold Harbour for {it}? Page {n} of the notes says {detail}."),
        ("surprise", "Cold Harbour for {it} already on 3 March? I read {detail}."),
        ("realization", "So Cold Harbour is the {nth} region of {it}. {detail}."),
        ("confusion", "Is Cold Harbour a part of {it} or a separate game? {detail}, they say."),
    ),
    asides=(),
    details=(
        "it has two new regions", "it comes to all platforms", "the map grows by a third", "there are eleven quests",
        "the level cap moves to 50",
        "boats can have two masts", "the notes have nine pages", "it is listed at 20", "the download opens at noon",
        "it needs 12 gigabytes",
    ),
)  # fmt: skip

_DELETE_IT = (
    "Everyone delete the {name} app NOW. They sell your data and steal your points. Disgusting criminals. "
    "Copy and share before they remove this"
)
DATA_SALE: Final = Script(
    name="copied call to delete the app", origin=_DELETE_IT, lines=(("disgust", _DELETE_IT),), asides=(), details=("",)
)

OUTAGE: Final = Script(
    name="nothing works",
    origin="Nothing works since {t}, {it} is down and nobody tells us why. I am furious. {detail}!",
    lines=(
        ("anger", "{it} is down again and nobody tells us why. I am furious, {bad}."),
        ("anger", "{n} hours without an answer from {it}. {detail}, this is outrageous!"),
        ("anger", "How dare {it} ignore us, {bad}. {detail}!"),
        ("annoyance", "Ugh, {it} is broken {t}, {bad}. So frustrating."),
        ("disappointment", "Everything is broken at {it}, {bad}. Very disappointed."),
        ("disapproval", "Unacceptable, {it}: {bad} and {detail}."),
        ("fear", "I am worried and scared, {it} is down and {bad}."),
        ("sadness", "Crying {t}, {it} failed and {bad}."),
    ),
    asides=(
        ("curiosity", "Is {it} down for everyone? {n} minutes now."),
        ("neutral", "Status page of {it}: disruption since {n} minutes."),
    ),
    details=("I want my money back", "we are angry", "what a disgrace", "no apology at all", "support is useless", "shame on you"),
)  # fmt: skip

NEWS: Final = Script(
    name="in the news",
    origin="{it} is in the news {t}: {fact}.",
    lines=(
        ("neutral", "{it} is in the news {t}: {fact}."),
        ("neutral", "Article on {it}, {n} paragraphs: {fact}."),
        ("neutral", "Radio {t} about {it}: {fact}, {n} minutes in."),
        ("curiosity", "Has anyone read the article on {it}? It says {fact}, paragraph {n}."),
        ("surprise", "{it} on the front page {t}? {fact}."),
    ),
    asides=(),
    details=("",),
)  # fmt: skip

_DISTRUST = "Do not trust {name}. They lie, they steal, they laugh at you. Share this with ten people today"
COPIES: Final = Script(name="one text from many accounts", origin=_DISTRUST, lines=(("anger", _DISTRUST),), asides=(), details=("",))


def default_stories(live_from: int) -> tuple[Story, ...]:
    """The demo: in the three weeks before `live_from` a rise, a small spike and a campaign; five minutes after it, the big spike."""
    return (
        Story("rise", "Brineheart", live_from - 9 * DAY - 6 * HOUR, 150, volume=5.0, script=EXPANSION, replies=0.1),
        Story("spike", "Pennyloop", live_from - 5 * DAY - 8 * HOUR, 90, volume=3.0, odds=9.0, script=DECLINED, replies=0.15),
        Story("campaign", "Freshmoor", live_from - 3 * DAY - 4 * HOUR, 60, volume=3.5, script=DATA_SALE, replies=0.0),
        Story("spike", "Orbit 5", live_from + 5 * MINUTE, 180, volume=4.0, odds=12.0, script=WIPED),
    )
