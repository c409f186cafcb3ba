"""How synthetic posts sound: intensifiers, people, times, how posts open and close, emoji, other languages, handles.

Slots are those of producers/phrases.py; openings and closes have their own number {m}, time {day} and person {friend}.
"""

from __future__ import annotations

from typing import Final

INTENSIFIERS: Final = (
    "really", "so", "very", "truly", "seriously", "incredibly", "genuinely", "extremely", "absolutely", "deeply", "just so", "beyond",
)  # fmt: skip
PEOPLE: Final = (
    "my sister", "my brother", "my flatmate", "a colleague", "my dad", "my mum", "my neighbour", "my cousin", "my boss",
    "an old friend",
    "my aunt", "my partner", "the kid next door", "my grandmother", "my son", "my teacher", "a classmate", "my running buddy",
)  # fmt: skip
_ANY_TIME = (
    "today", "on Monday", "on Tuesday", "on Thursday", "on Friday", "on Saturday", "on Sunday", "last week", "this week", "yesterday",
    "the other day", "this month",
)  # fmt: skip
# By quarter of the local day: night, morning, afternoon, evening.
TIMES: Final = (
    (*_ANY_TIME, "last night", "tonight", "at 2 in the night", "at midnight"),
    (*_ANY_TIME, "this morning", "before breakfast", "at 8 this morning", "first thing today"),
    (*_ANY_TIME, "this afternoon", "at noon", "over lunch", "an hour ago"),
    (*_ANY_TIME, "this evening", "tonight", "after work", "at dinner"),
)

# What stands before a post on a network or in a forum. Each is a sentence of its own.
OPENERS: Final = (
    "Ok so.", "Update:", "Quick one.", "Day {m}.", "Right.", "Late to this.", "Thread:", "So.", "Just saying.", "My two cents.",
    "Note to self:", "Monday thoughts.", "Back again.", "As I said.", "Story time.", "Short version:", "Hot off the press:",
    "One more time.",
    "Between meetings.", "On the sofa.", "Coffee first.", "Part {m}.", "Hey all.", "Hi folks.", "Listen.", "Look.", "Well.",
    "Small thing:",
)  # fmt: skip
FORUM_OPENERS: Final = (
    "Long time reader, first post.", "Posting this for anyone who searches later.", "Hi all, here since page {m}.",
    "Adding to what was said above.",
    "As the title says.", "Context: I have had it for {m} weeks.", "Replying from my laptop.",
    "Some background first.",
    "Moved here from the other thread.", "Short report from my side.", "Reading this on page {m}.", "Since somebody asked in post {m}:",
    "Following up on last week.", "Writing this between two calls.", "Same here, with {m} others.",
    "Not a native speaker, bear with me.",
)  # fmt: skip
# What follows a post, by tone.
CLOSERS: Final[dict[str, tuple[str, ...]]] = {
    "positive": (
        "Keep going!", "Five stars from me.", "Love it.", "10 out of 10.", "More of this, please.", "What a treat.", "Great stuff.",
        "That made my week.", "Nice one.", "Happy customer.", "You rock.", "So good.", "Best thing this month.", "Well deserved.",
        "I am a fan.", "Try it, you will like it.", "Good vibes only.", "Cheers!", "Can't complain, it is lovely.",
        "{m} out of {m}, perfect.",
        "My {mth} time and still great.", "Big smile here.",
    ),
    "negative": (
        "Fix it.", "Not good enough.", "I want a refund.", "Never again.", "Shame.", "What a mess.", "I am done.", "Do better.",
        "Awful.", "This is a joke.", "Zero stars.", "Terrible.", "I give up.", "Worst of the year.", "No answer for {m} days.",
        "Ticket {m} is still open and ignored.", "Avoid.", "So bad.", "It is getting worse.", "Unbelievable failure.",
        "{m} others have the same problem.",
        "A total failure.",
    ),
    "neither": (
        "That's all.", "More tomorrow.", "Back to work now.", "See page {m}.", "Source: the site.", "Asking for {friend}.",
        "Will report back.",
        "Written on the bus.", "End of message.", "As of {day}.", "Counted {m}.", "Same as in {m}.", "Noted.", "Let's see.",
        "To be continued.",
        "Via {friend}.", "Posted from the kitchen.", "Reference {m}.", "Part {m} of it.", "Time for tea.", "Over to you.",
        "Saw it {day}.",
    ),
}  # fmt: skip
REVIEW_TITLES: Final[dict[str, tuple[str, ...]]] = {
    "positive": (
        "Great value.", "Would buy again.", "Five stars.", "Very happy.", "Exceeded my hopes.", "Excellent.", "A keeper.",
        "Perfect.",
        "Better than expected.", "Highly recommended.", "Lovely.", "So pleased.", "Top quality.", "Works like a charm.",
    ),
    "negative": (
        "Very disappointed.", "Do not buy.", "One star.", "Waste of money.", "Gave up after {m} days.", "Poor quality.",
        "Not as described.",
        "Avoid this.",
        "Broken within {m} days.", "Bad experience.", "Unhappy.", "Terrible.", "Not worth it.", "Regret it.",
    ),
    "neither": (
        "As described.", "First impressions.", "After {m} weeks.", "Three stars.", "Review from a beginner.", "Facts only.",
        "Started {day}.",
        "Second review.", "Average.", "Ordered {m} days ago.", "Some notes.", "For comparison.", "A question.", "For beginners.",
    ),
}  # fmt: skip
REVIEW_CLOSERS: Final[dict[str, tuple[str, ...]]] = {
    "positive": (
        "Would recommend to anyone.", "Worth every cent.", "Would choose it again.", "My whole family loves it.",
        "Help within {m} hours, great.",
        "Told {friend} about it at once.", "Really pleased.", "Best decision this year.", "Good price as well.",
        "{friend} wants one too, that says it all.",
    ),
    "negative": (
        "Asked for my money back.", "Would not recommend.", "Stopped working after {m} days.", "Save your money.",
        "{friend} had the same trouble.",
        "No reply to {m} mails.", "Very poor.", "Ended in tears.", "I feel cheated.", "Zero help from support.",
    ),
    "neither": (
        "Tested for {m} days.", "Chosen by {friend}.", "Paid by card.", "Compared with {m} others.", "I will add to this in {m} weeks.",
        "As in the picture.", "Written {day}.", "Used {m} times so far.", "The guide has {m} pages.", "No opinion on the price.",
    ),
}  # fmt: skip

EMOJI: Final[dict[str, tuple[str, ...]]] = {
    "admiration": ("👏", "🙌", "🤩"), "amusement": ("😂", "🤣", "😄"), "anger": ("😡", "🤬", "😠"), "annoyance": ("😒", "🙄", "😤"),
    "approval": ("👍", "✅", "👌"), "caring": ("🤗", "💛", "🫶"), "confusion": ("🤔", "😕", "🤷"), "curiosity": ("🤔", "👀", "🧐"),
    "desire": ("🤤", "🥺", "💸"), "disappointment": ("😞", "😔", "👎"), "disapproval": ("👎", "🙅", "❌"), "disgust": ("🤮", "🤢", "😖"),
    "embarrassment": ("😳", "🙈", "😬"), "excitement": ("🎉", "🤩", "🔥"), "fear": ("😱", "😨", "😰"), "gratitude": ("🙏", "💐", "😊"),
    "grief": ("💔", "😭", "🕯️"), "joy": ("😊", "😁", "🥳"), "love": ("❤️", "😍", "🥰"), "nervousness": ("😬", "😟", "😰"),
    "neutral": ("📝", "📍", "🗓️"), "optimism": ("🌟", "🤞", "🌈"), "pride": ("🏆", "💪", "🥇"), "realization": ("💡", "🤯", "📌"),
    "relief": ("😌", "😮‍💨", "🙏"), "remorse": ("😞", "😔", "😓"), "sadness": ("😢", "😭", "💔"), "surprise": ("😮", "😲", "🤯"),
}  # fmt: skip

# Posts in languages that the English models don't score: language → (emotion, template).
OTHER_LANGUAGES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "de": (
        ("joy", "Ich freue mich so über {name}, seit {n} Tagen läuft alles."),
        ("anger", "Ich bin stinksauer auf {name}, das ist schon das {n}. Mal."),
        ("neutral", "Heute {n} Minuten mit {name} verbracht, danach Einkauf."),
        ("disappointment", "Von {name} hatte ich mehr erwartet, nach {n} Wochen ist Schluss."),
        ("curiosity", "Weiß jemand, wie das bei {name} mit Seite {n} gemeint ist?"),
        ("gratitude", "Danke an das Team von {name}, nach {n} Minuten war alles gelöst!"),
        ("annoyance", "Nervig, {name} lässt mich wieder {n} Minuten warten."),
        ("love", "Ich liebe {name}, auch nach {n} Monaten noch."),
        ("surprise", "Huch, {name} gibt es schon seit {n} Jahren?"),
        ("sadness", "Traurig, was aus {name} geworden ist, ich war {n} Jahre dabei."),
    ),
    "es": (
        ("joy", "Estoy muy contenta con {name}, llevo {n} días sin problemas."),
        ("anger", "Estoy furioso con {name}, ya van {n} veces."),
        ("neutral", "Hoy pasé {n} minutos con {name} y luego fui al mercado."),
        ("disappointment", "Esperaba más de {name}, después de {n} semanas lo dejo."),
        ("curiosity", "¿Alguien sabe qué significa el número {n} en {name}?"),
        ("gratitude", "Gracias al equipo de {name}, en {n} minutos quedó resuelto."),
        ("annoyance", "Qué pesado, {name} me hace esperar {n} minutos otra vez."),
        ("love", "Me encanta {name}, incluso después de {n} meses."),
        ("surprise", "Vaya, no sabía que {name} tenía {n} años."),
        ("sadness", "Qué pena lo de {name}, fueron {n} años muy buenos."),
    ),
    "ja": (
        ("joy", "{name} を使って {n} 日目、とても楽しい！"),
        ("anger", "{name} には本当に腹が立つ。もう {n} 回目だ。"),
        ("neutral", "今日は {name} を {n} 分使った。"),
        ("disappointment", "{name} には期待していたのに、{n} 週間で残念な結果になった。"),
        ("curiosity", "{name} の {n} ページの意味、誰か知っていますか？"),
        ("gratitude", "{name} の皆さん、{n} 分で解決してくれてありがとう。"),
        ("annoyance", "また {name} で {n} 分待たされた。面倒だ。"),
        ("love", "{name} が大好き。{n} か月たっても飽きない。"),
        ("surprise", "え、{name} って {n} 年も前からあるの？"),
        ("sadness", "{name} がなくなるなんて悲しい。{n} 年の思い出がある。"),
    ),
}  # fmt: skip

# Handles are one of each and a number.
HANDLE_FIRST: Final = (
    "quiet", "sunny", "rusty", "lucky", "salty", "brave", "tiny", "mellow", "clever", "dusty", "gentle", "noisy", "velvet", "wild",
    "paper",
    "silver", "lazy", "early", "hidden", "cosmic", "plain", "spicy", "frosty", "humble", "rapid",
)  # fmt: skip
HANDLE_LAST: Final = (
    "otter", "maple", "kettle", "falcon", "pebble", "lantern", "badger", "comet", "willow", "pickle", "walnut", "harbor", "cactus",
    "mitten",
    "beetle", "canyon", "anchor", "violet", "teapot", "sparrow", "marble", "ginger", "puffin", "meadow", "rocket",
)  # fmt: skip
