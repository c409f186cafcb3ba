"""Six invented topics that synthetic posts are about: what they are called, what people praise, blame and note about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.settings import TopicSettings


@dataclass(frozen=True, slots=True)
class Subject:
    """One topic of the generator. `volume` multiplies its rate; `negative`, `reviews`, `forum` are shares of its posts."""

    topic: TopicSettings
    names: tuple[str, ...]  # {it}
    places: tuple[str, ...]  # {at}
    features: tuple[str, ...]  # {f}
    uses: tuple[str, ...]  # {use}
    good: tuple[str, ...]
    bad: tuple[str, ...]
    facts: tuple[str, ...]
    negative: float
    volume: float
    peak: float  # local hour of most posts
    rush: float  # strength of a second rhythm with peaks at 8 and 20 h
    weekend: float  # volume of Saturday and Sunday, 1 = as on weekdays
    reviews: float
    forum: float


ORBIT: Final = Subject(
    topic=TopicSettings(name="Orbit 5", phrases=("Orbit 5", "Orbit5"), hashtags=("orbit5",), handles=("orbitphones",)),
    names=("the Orbit 5", "my Orbit 5", "Orbit 5", "the new Orbit 5"),
    places=("on the Orbit 5", "on my Orbit 5", "on Orbit 5", "on the new Orbit 5"),
    features=(
        "the camera", "the screen", "the battery", "the fingerprint reader", "the gallery app", "the keyboard", "the speaker",
        "the night mode", "the charger", "the back cover", "the lock screen", "the share button", "the zoom", "the update",
    ),
    uses=("taking pictures", "filming the kids", "scrolling", "charging it", "calling home", "editing photos", "navigating"),
    good=(
        "the battery lasts two full days", "the camera takes gorgeous pictures in the dark", "the screen is bright and beautiful",
        "it survived a fall without a scratch", "it charges in half an hour", "the sound is rich and clear", "it feels light and elegant",
        "the zoom is brilliant", "calls are crystal clear", "it is fast and smooth", "photos of my dog look stunning",
        "it found the way home perfectly", "even the cheap model is great", "the repair was free and friendly",
    ),
    bad=(
        "the battery is dead by noon", "the screen froze and I lost my notes", "it gets too hot to hold",
        "the camera app crashes all the time",
        "the speaker crackles horribly", "the update broke the alarm", "it drops every call", "the glass cracked in my pocket",
        "the fingerprint reader fails nine times out of ten", "the charger died", "it restarts on its own, useless",
        "support refuses to repair it", "photos come out blurry and ugly", "it eats my data plan",
    ),
    facts=(
        "the green one comes out in spring", "the box has a cable but no charger", "it weighs 174 grams", "the menu moved to the left",
        "there are two sizes", "the camera has three lenses", "the update is 900 megabytes", "it takes two sim cards",
        "the shop opens at nine", "the manual is on the website", "it comes with 128 or 256 gigabytes", "the case is sold separately",
    ),
    negative=0.18, volume=1.2, peak=19.0, rush=0.15, weekend=1.1, reviews=0.2, forum=0.2,
)  # fmt: skip

PENNYLOOP: Final = Subject(
    topic=TopicSettings(name="Pennyloop", phrases=("Pennyloop", "Penny loop"), hashtags=("pennyloop",), handles=("pennyloop_help",)),
    names=("Pennyloop", "the Pennyloop app", "Pennyloop bank"),
    places=("in Pennyloop", "in the Pennyloop app", "at Pennyloop"),
    features=(
        "the card", "the savings pot", "the login", "the monthly summary", "the transfer screen", "the chat", "the shared account",
        "the budget view", "the exchange rate", "the spending alert", "the face check", "the overdraft", "the dark theme",
    ),
    uses=("paying by phone", "splitting bills", "saving up", "sending rent", "checking my balance", "sorting receipts"),
    good=(
        "transfers arrive within seconds", "splitting the bill was easy and fun", "the support chat solved it in a minute",
        "I saved more than ever thanks to the pots", "the app is clear and beautiful", "there are no hidden fees, great",
        "the card works perfectly abroad", "the budget view finally makes sense", "the refund came the same day",
        "opening an account took five easy minutes", "the interest is generous", "the summary is a joy to read",
        "they caught a fraud and saved my money", "it warns me before I overspend, so helpful",
    ),
    bad=(
        "my card was declined at the till", "the app logged me out and my money is stuck", "they charged me a fee twice",
        "the transfer vanished", "support hung up on me", "my account is locked for no reason", "the login fails every morning",
        "the exchange rate is a rip-off", "the chat is a useless bot", "my salary is missing", "they lost my documents",
        "the refund never came", "the app crashes when I pay", "a stranger could see my balance",
    ),
    facts=(
        "the new card is blue", "the limit is 500 a day", "the summary comes on the first of the month", "there are three account types",
        "the app asks for a photo of your passport", "pots can have names now", "the office is next to the station",
        "cash machines show the fee first", "the chat is open until eight", "interest is paid each quarter",
        "joint accounts need two signatures", "the terms have 31 pages",
    ),
    negative=0.24, volume=0.9, peak=14.0, rush=0.1, weekend=0.65, reviews=0.15, forum=0.25,
)  # fmt: skip

NORTHLINE: Final = Subject(
    topic=TopicSettings(name="Northline", phrases=("Northline", "North line"), hashtags=("northline",), handles=("northline_trains",)),
    names=("Northline", "the Northline", "the Northline service"),
    places=("on Northline", "on the Northline", "at Northline"),
    features=(
        "the timetable", "the quiet coach", "the 7:40 train", "the ticket app", "the new seat", "the air conditioning",
        "the announcement",
        "the bike rack", "the station lift", "the wifi", "the last train", "the platform display", "the monthly ticket",
    ),
    uses=("commuting", "riding to work", "waiting on the platform", "travelling north", "changing trains", "reading on the train"),
    good=(
        "the train was on time all week", "the new seats are comfortable", "the conductor was kind and funny",
        "the view along the lake is beautiful",
        "the wifi works great the whole way", "they held the connection for us, lovely", "the carriage is clean and bright",
        "the fare went down, good news", "the extra coach makes it pleasant", "the refund was fast and fair",
        "the staff helped with my pram",
        "it is the best way to start a day", "I got a free coffee and a smile", "the app shows free seats, brilliant",
    ),
    bad=(
        "the train was cancelled without a word", "we stood in a packed coach for an hour", "the heating is broken and we are freezing",
        "it is forty minutes late", "the doors jammed and nobody helped", "the toilet is locked and it stinks",
        "the ticket app charged me twice", "I missed my connection because of them", "they raised the fare for worse service",
        "the announcement was wrong", "the lift is broken and my mother is stuck", "two trains in a row never came",
        "the conductor was rude", "the carriage is dirty and overcrowded",
    ),
    facts=(
        "the winter timetable starts in December", "the 7:40 leaves from platform 3", "there are six stops",
        "the new station opens next year",
        "a monthly ticket costs 89", "bikes travel in the last coach", "trains run every twenty minutes",
        "the line is 112 kilometres long",
        "the sign was painted green", "seats can be booked online", "the counter closes at six", "the works are near the bridge",
    ),
    negative=0.3, volume=1.1, peak=15.0, rush=0.55, weekend=0.5, reviews=0.03, forum=0.17,
)  # fmt: skip

BRINEHEART: Final = Subject(
    topic=TopicSettings(name="Brineheart", phrases=("Brineheart", "Brine heart"), hashtags=("brineheart",), handles=("playbrineheart",)),
    names=("Brineheart", "Brineheart 2", "the Brineheart campaign"),
    places=("in Brineheart", "in the Brineheart beta", "in Brineheart 2"),
    features=(
        "the harbour level", "the soundtrack", "the boss fight", "the crafting menu", "the lighthouse quest", "the map", "the co-op mode",
        "the story", "the fishing game", "the save system", "the matchmaking", "the art style", "the ending", "the patch",
    ),
    uses=("sailing around", "fishing", "playing co-op", "hunting krakens", "building boats", "doing side quests", "replaying the intro"),
    good=(
        "the soundtrack gives me goosebumps", "the art is gorgeous", "co-op with friends is so much fun",
        "the story made me laugh and cry",
        "it runs smooth on my old computer", "the new map is beautiful", "the boss fight is thrilling",
        "the developers listen, wonderful",
        "fishing is relaxing and sweet", "the expansion is free, amazing", "every island feels alive", "the ending is perfect",
        "loading takes two seconds now, great", "the community is friendly and helpful",
    ),
    bad=(
        "the patch deleted my save", "matchmaking is broken", "cheaters ruin every round", "it crashes at the boss every time",
        "the shop is a greedy cash grab", "the servers are down all weekend", "the story makes no sense and it is boring",
        "the controls are horrible", "I got banned for nothing", "the lag is terrible", "the quest is bugged and I am stuck",
        "they removed the best mode", "the ending is an insult", "the grind is painful",
    ),
    facts=(
        "the season ends on the 30th", "the map has four regions", "a boat needs twelve planks", "the beta is open until Sunday",
        "the patch notes are three pages long", "the lighthouse is in the north", "level 40 is the cap", "there are two endings",
        "the game is 38 gigabytes", "the stream starts at seven", "the intro can be skipped", "crafting needs salt and rope",
    ),
    negative=0.22, volume=1.0, peak=21.0, rush=0.05, weekend=1.5, reviews=0.18, forum=0.35,
)  # fmt: skip

FRESHMOOR: Final = Subject(
    topic=TopicSettings(name="Freshmoor", phrases=("Freshmoor", "Fresh moor"), hashtags=("freshmoor",), handles=("freshmoor_market",)),
    names=("Freshmoor", "our Freshmoor", "the Freshmoor on Mill Street", "the Freshmoor delivery"),
    places=("at Freshmoor", "in our Freshmoor", "at our Freshmoor"),
    features=(
        "the bakery", "the self-checkout", "the cheese counter", "the delivery slot", "the fruit shelf", "the loyalty card",
        "the car park",
        "the fish counter", "the ready meal", "the weekly offer", "the freezer aisle", "the salad bar", "the parcel desk",
    ),
    uses=("shopping", "doing the weekly shop", "picking up the order", "standing in the queue", "buying bread", "returning bottles"),
    good=(
        "the bread is fresh and delicious", "the cashier made me smile", "the delivery came early and complete",
        "the fruit is sweet and cheap",
        "they replaced the broken eggs at once, so kind", "the new cheese is wonderful", "the loyalty points paid for dinner, great",
        "the shop is clean and calm", "the strawberries taste amazing", "the queue moved fast",
        "they give unsold food to people in need, lovely",
        "the driver carried it all upstairs, a hero", "the vegan shelf is fantastic", "prices went down, good for them",
    ),
    bad=(
        "the milk was sour", "the delivery never came", "half of the order was missing", "the fruit is mouldy",
        "the queue is a nightmare",
        "the self-checkout accused me of stealing", "the prices are a rip-off", "the staff were rude to my mother",
        "the meat smelled rotten", "they charged me twice for the same bag", "the bread is stale and hard", "the app lost my coupons",
        "the shelves are empty and dirty", "there was a bug in the salad",
    ),
    facts=(
        "the shop opens at seven", "the bakery moved to the back", "the bag costs 20 cents", "there are nine tills",
        "the card has a new logo",
        "bottles go to the left door", "deliveries come between six and eight", "the flyer comes on Wednesday",
        "the car park has 80 places",
        "the fish counter is closed on Mondays", "they sell stamps now", "the shelf labels are digital",
    ),
    negative=0.2, volume=0.9, peak=17.0, rush=0.1, weekend=1.2, reviews=0.12, forum=0.13,
)  # fmt: skip

LUMABREW: Final = Subject(
    topic=TopicSettings(name="Lumabrew", phrases=("Lumabrew", "Luma brew"), hashtags=("lumabrew",), handles=("lumabrew",)),
    names=("the Lumabrew", "my Lumabrew", "this Lumabrew", "Lumabrew"),
    places=("on the Lumabrew", "on this Lumabrew", "on my Lumabrew"),
    features=(
        "the milk frother", "the water tank", "the grinder", "the timer", "the drip tray", "the steam button", "the little display",
        "the lid", "the espresso mode", "the filter", "the cleaning cycle", "the glass jug", "the power cord",
    ),
    uses=("making coffee", "frothing milk", "brewing for guests", "descaling", "grinding beans", "having a second cup"),
    good=(
        "the coffee tastes wonderful", "it is quiet and quick", "the foam is silky and perfect", "cleaning it is easy",
        "it looks beautiful in our kitchen", "the timer wakes me with fresh coffee, lovely", "my guests love it",
        "the spare part came free, great service",
        "it makes the best espresso I ever had", "it saves me a fortune, brilliant", "the grinder is excellent",
        "it still works like new",
        "the smell in the morning makes me happy", "it fits a tall mug, nice",
    ),
    bad=(
        "it leaks all over the counter", "the coffee is lukewarm and bitter", "the pump died", "it is as loud as a drill",
        "the lid broke off", "it smells of burnt plastic", "the display is dead", "the jug cracked and cut my hand",
        "the cleaning cycle never ends", "it clogs every week", "the warranty is worthless", "the frother spits hot milk at me",
        "the tank is mouldy", "the seller ignores me",
    ),
    facts=(
        "the tank holds 1.8 litres", "it comes in black and cream", "the cord is one metre long", "it needs a number four filter",
        "the cycle takes twelve minutes", "the grinder has nine steps", "it is 34 centimetres high", "the box contains two jugs",
        "the timer uses 24 hours", "the model from last year had no display", "spare parts are listed on the site",
        "it switches off after an hour",
    ),
    negative=0.14, volume=0.9, peak=10.0, rush=0.2, weekend=1.15, reviews=0.55, forum=0.1,
)  # fmt: skip

SUBJECTS: Final = (ORBIT, PENNYLOOP, NORTHLINE, BRINEHEART, FRESHMOOR, LUMABREW)


def demo_topics() -> tuple[TopicSettings, ...]:
    """The settings of the invented topics, for the same matching as any other topic."""
    return tuple(subject.topic for subject in SUBJECTS)
