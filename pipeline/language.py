"""The language of a text: what the source says, else what the text itself says, else what its topic is written in.

Most English posts are known by their frequent words (3 µs); the rest goes to py3langid, whose model lies in its wheel
(50 µs). Figures on short posts and on 27 languages: docs/experiments.md.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

LETTERS: Final = 20  # shorter texts without a sure answer take the topic's language
SURE: Final = 0.5  # probability from which an answer counts: wrong on 0.3 % of English and 1.2 % of other texts
_UNSURE_ODDS: Final = 3  # an unsure text is in the topic's language unless another is 3 times as probable,
_SHORT_ODDS: Final = 1000  # or 1,000 times for a short text: only another script gets there
_READ: Final = 300  # characters that the detector looks at

_CODE = re.compile(r"([a-zA-Z]{2,3})(?:[-_][a-zA-Z0-9]{1,8})*")
_OTHER_NAMES = {
    "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it", "por": "pt", "nld": "nl", "dut": "nl",
    "rus": "ru", "jpn": "ja", "kor": "ko", "zho": "zh", "chi": "zh", "cmn": "zh", "yue": "zh", "wuu": "zh", "ara": "ar", "hin": "hi",
    "tur": "tr", "pol": "pl", "swe": "sv", "dan": "da", "fin": "fi", "ukr": "uk", "ces": "cs", "cze": "cs", "ell": "el", "gre": "el",
    "heb": "he", "iw": "he", "in": "id", "ind": "id", "vie": "vi", "tha": "th", "ron": "ro", "rum": "ro", "hun": "hu",
    "nb": "no", "nn": "no", "nob": "no", "nno": "no", "nor": "no",
}  # fmt: skip
_NO_LANGUAGE = frozenset({"und", "zxx", "mul", "mis", "qme", "qst", "art"})  # codes that sources give for "don't know"

# Of the detector's 140 languages those that are written much: short English posts are taken for rare ones now and then.
_TOLD = frozenset(
    """af am ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja jv ka kk km kn ko ku ky lo lt
    lv mk ml mn mr ms mt my ne nl nn no pa pl ps pt ro ru si sk sl so sq sr sv sw ta te tg th tl tr uk ur uz vi yue zh zxx""".split()  # noqa: SIM905
)
# English words that no other language written in Latin letters has among its frequent ones, and those that some have.
_ENGLISH = frozenset(
    """the and you this that with they what your just don't can't i'm it's she would about there who how when know people really because
    them been were did does i've you're that's never always then these those their our its only even why could should still think want
    much every some thing something who's isn't doesn't didn't won't i'll he's she's they're there's back before very again any being
    going make made need thanks thank love great good looks look feel feels sure right better first things way anyone everyone someone
    nothing everything anything money years said says say thought life little watch watching buy bought please wish hope guess pretty
    actually literally probably definitely maybe here where which while without through though until enough another between against
    around already ever friend friends guys girl women kids take find makes must nice happy hate amazing believe dude sounds wouldn't
    wasn't couldn't shouldn't i'd we're let's what's last yourself myself wanted trying tried getting having saying done few own both
    same other work works wait hear heard help funny awful terrible worst worse less lot tell told talk show each since such off down
    well day today""".split()  # noqa: SIM905
)
_ENGLISH_TOO = frozenset(
    """a i it is my was not of to for are be but if like we get out up his her has had have will than too over after got in on at as so
    all do can no an or from by he him me us am one more see now go oh also bad best time man new long hard yeah wow lol most give keep
    mean next real two""".split()  # noqa: SIM905
)
# Function words of languages in Latin letters: one of them sends the text to the detector.
_FOREIGN = frozenset(
    """ich und der das nicht ein eine mit ist auf für von zu den dem le les des une est pas et que qui nous vous dans sur pour avec las
    un una y por del di che non sono della het een niet ik dat op och att det som är på inte nie na się jest z av til bir bu não uma
    em mais yang ini itu untuk dengan saya ang ng mga ako ko mo""".split()  # noqa: SIM905
)


def normalise(code: str | None) -> str | None:
    """A source's language code as ISO 639-1 where there is one ("en-US" and "ENG" → "en"); None for junk and "don't know"."""
    found = _CODE.fullmatch(code.strip()) if code else None
    if found is None:
        return None
    short = found[1].lower()
    return None if short in _NO_LANGUAGE else _OTHER_NAMES.get(short, short)


def language_of(text: str, default: str) -> str:
    """The language of a text as ISO 639-1 where there is one; `default` (the topic's) if the text doesn't tell.

    Without a sure answer a text under `LETTERS` letters is in the default language, unless its script says otherwise; a longer
    one too, unless another language is clearly likelier.
    """
    text = text[:_READ]
    if _is_plainly_english(text):
        return "en"
    found, probability = _detector().classify(text)
    if probability >= SURE:
        return normalise(found) or default
    ranked: dict[str, float] = {}
    for code, share in _detector().rank(text):
        name = normalise(code) or default
        ranked[name] = ranked.get(name, 0.0) + share
    best = max(ranked, key=lambda name: ranked[name])
    odds = _SHORT_ODDS if sum(map(str.isalpha, text)) < LETTERS else _UNSURE_ODDS
    return best if ranked[best] >= SURE or ranked[best] > odds * ranked.get(default, 0.0) else default


def _is_plainly_english(text: str) -> bool:
    """At least two frequent English words, one of them English only; at least a quarter of all words; none of another language."""
    words = set(text.lower().split())
    only = len(_ENGLISH & words)
    hits = only + len(_ENGLISH_TOO & words)
    return only > 0 and hits >= 2 and 4 * hits >= len(words) and _FOREIGN.isdisjoint(words)


@cache
def _detector() -> Any:
    """py3langid with probabilities, for the languages of `_TOLD` (1 s and 110 MB to load). In float32 it is a third faster."""
    import numpy as np
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    detector = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    detector.set_languages(sorted(_TOLD.intersection(detector.labels)))
    detector.nb_ptc = np.ascontiguousarray(detector.nb_ptc, dtype=np.float32)
    return detector
