"""Training learns a small made-up set, goes on where it stopped, and its data says what its sources say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import models
from models import dataset
from models.labels import AROUSAL, EMOTION_COLUMNS, INTENSITY, SENTIMENT_COLUMNS, VALENCE, sentiment_of
from pipeline.errors import InputError, ModelError
from pipeline.records import EMOTIONS

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

_WORDS = {
    "joy": "happy sunny delightful wonderful",
    "anger": "furious outrageous hateful disgraceful",
    "neutral": "table paper number street",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of made-up sets in the forms of the licensed ones: three emotions with words of their own."""
    draw = np.random.default_rng(1)

    def lines(n: int) -> str:
        out = []
        for i in range(n):
            label = draw.choice(list(_WORDS))
            words = draw.choice(_WORDS[label].split(), 3)
            out.append(f"so {' '.join(words)} today {i}\t{EMOTIONS.index(label)}\tid{i}")
        return "\n".join(out) + "\n"

    files = {
        "goemotions/train.tsv": lines(600),
        "goemotions/dev.tsv": lines(200),
        "emobank/emobank.csv": "id,split,V,A,D,text\na,train,4.0,3.5,3,bright\nb,train,2.0,3.5,3,grim\nc,dev,1.0,3,3,dark\n",
        "xed/en-annotated.tsv": "I hate it\t1, 3\n",
        "xed/neu_en.txt": "9\tA chair.\n",
        "nltk_reviews/product_reviews_1/phone.txt": "[t]title\nscreen[+3],battery[-1]##the screen shines\n##no mark here\n",
        "nltk_reviews/pros_cons/IntegratedPros.txt": "<Pros>Easy to use</Pros>\n",
        "nltk_reviews/pros_cons/IntegratedCons.txt": "<Cons>Eats batteries</Cons>\n",
        "womens_clothing_reviews/reviews.csv": "Review Text,Rating\nLovely dress,5\n,3\n",
    } | {
        f"vader/{kind}_GroundTruth.txt": f"1\t3.0\tGreat {kind}\n2\t-2.0\tAwful {kind}\n"
        for kind in ("tweets", "amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets")
    }
    for name, text in files.items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "data"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random encoder with the real tokenizer, in the form of a Hugging Face folder."""
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(1)
    torch.set_num_threads(1)  # steps this small only wait for a second thread
    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=128)
    BertModel(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((models.WEIGHTS / "static" / "tokenizer.json").read_bytes())
    return folder


def test_the_sets_say_what_their_files_say(data: Path) -> None:
    """Each set gives its own columns, in our units, and nothing else."""
    bank = dataset.emobank(data / "emobank", "train")
    assert bank.targets[:, [VALENCE, AROUSAL]] == pytest.approx(np.array([[1.0, 0.85], [-1.0, 0.85]]))
    rated = dataset.join([dataset.vader(data / "vader", split, ("tweets",)) for split in ("train", "dev")])
    by_text = dict(zip(rated.texts, rated.targets, strict=True))
    assert (0.75, 0.75) == tuple(by_text["Great tweets"][[VALENCE, INTENSITY]].tolist())
    assert by_text["Awful tweets"][SENTIMENT_COLUMNS].argmax() == 0
    assert np.isnan(by_text["Awful tweets"][EMOTION_COLUMNS]).all()
    product = dataset.products(data / "nltk_reviews")
    assert ["the screen shines"] == product.texts
    assert product.targets[0, VALENCE] == pytest.approx(0.2)
    assert ["I hate it", "A chair."] == dataset.xed(data / "xed").texts
    pros_cons = dataset.pros_cons(data / "nltk_reviews").targets[:, SENTIMENT_COLUMNS]
    assert pros_cons == pytest.approx(np.array([[0.0, 0.2, 0.8], [0.8, 0.2, 0.0]]))
    assert ["Lovely dress"] == dataset.reviews(data / "womens_clothing_reviews").texts


def test_dev_texts_never_train(data: Path) -> None:
    """A text that is in dev is left out of train."""
    dev = dataset.goemotions(data / "goemotions", "dev")
    with (data / "goemotions" / "train.tsv").open("a", encoding="utf-8") as file:
        file.write(f"{dev.texts[0].upper()}\t0\tx\n")
    train = dataset.goemotions(data / "goemotions", "train")
    assert not {text.lower() for text in dev.texts} & {text.lower() for text in train.texts}


def test_sentiment_of_labels() -> None:
    """One negative label beside "neutral" is two thirds negative; both signs share; curiosity is neutral."""
    assert sentiment_of(("annoyance", "neutral")) == pytest.approx((2 / 3, 1 / 3, 0))
    assert sentiment_of(("joy", "sadness")) == (0.5, 0.0, 0.5)
    assert sentiment_of(("curiosity",)) == (0.0, 1.0, 0.0)


def test_a_folder_without_the_sets_is_refused(tmp_path: Path) -> None:
    """The message says which folder is meant."""
    with pytest.raises(InputError, match=r"no goemotions/train\.tsv under"):
        dataset.training_sets(tmp_path)


def test_the_bag_learns_a_small_set(data: Path, base: Path, tmp_path: Path) -> None:
    """Words that stand for one emotion in train are known in dev, and the checkpoint opens as an engine."""
    from models.distill import StaticRecipe, train_static

    recipe = StaticRecipe(width=8, hidden=8, pairs=50, epochs=15, lr=2e-2)
    train_static(data, base, tmp_path / "static", recipe)
    joy, anger, neutral = models.load(str(tmp_path / "static")).score(["so happy delightful", "furious and hateful", "the table number"])
    assert (("joy",), ("anger",), ("neutral",)) == (joy.labels, anger.labels, neutral.labels)
    assert ("positive", "negative", "neutral") == (joy.sentiment, anger.sentiment, neutral.sentiment)


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(data: Path, base: Path, tmp_path: Path) -> None:
    """Stopped in the second epoch and begun again, training ends with the same weights, bit by bit."""
    from safetensors.torch import load_file

    from models.train import Recipe, train_transformer

    recipe = Recipe(epochs=2, batch=32, saves_per_epoch=2)
    train_transformer(data, base, tmp_path / "whole", recipe)

    class Stopped(Exception):
        pass

    def stop(step: int) -> None:
        if step == 27:
            raise Stopped

    with pytest.raises(Stopped):
        train_transformer(data, base, tmp_path / "parts", recipe, after_step=stop)
    train_transformer(data, base, tmp_path / "parts", recipe)
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_another_recipe_does_not_go_on(data: Path, base: Path, tmp_path: Path) -> None:
    """A folder that was begun with other settings is refused with both."""
    from models.train import Recipe, train_transformer

    train_transformer(data, base, tmp_path / "run", Recipe(epochs=1, batch=64))
    with pytest.raises(ModelError, match=r"was begun with the recipe .*'batch': 32"):
        train_transformer(data, base, tmp_path / "run", Recipe(epochs=1, batch=32))


def test_the_average_of_rounds_is_their_mean(tmp_path: Path) -> None:
    """Each weight is the mean of both; rounds of different networks are refused."""
    from safetensors.torch import load_file, save_file

    from models.train import average

    for name, value in (("a", 1.0), ("b", 4.0), ("c", 1.0)):
        (tmp_path / name).mkdir()
        save_file({"w": torch.full((3 if name == "c" else 2,), value)}, tmp_path / name / "model.safetensors")
        for file in ("encoder.json", "tokenizer.json"):
            (tmp_path / name / file).write_text("{}")
    found = load_file(average([tmp_path / "a", tmp_path / "b"], tmp_path / "mean") / "model.safetensors")
    assert [2.5, 2.5] == found["w"].tolist()
    with pytest.raises(ModelError, match="not rounds of one network"):
        average([tmp_path / "a", tmp_path / "c"], tmp_path / "other")
