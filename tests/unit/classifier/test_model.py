"""The model file, and how it is applied: the same scores in any company, and nothing but a model."""

from __future__ import annotations

import functools
import io
import pickle
import random
import zipfile
from collections.abc import Sequence

import numpy as np
import pytest

from services.classifier.severity import model as model_module
from services.classifier.severity.model import OUTPUTS, Model, Scores
from services.classifier.severity.normalise import fold
from services.classifier.severity.terms import read
from shared.errors import Misconfigured
from tests.unit.classifier import own

MANY = [f"{text} {number} {other}" for number, text in enumerate(own.TEXTS) for other in own.TEXTS]


@functools.cache
def _model() -> Model:
    return own.model()


def _scores(model: Model, texts: Sequence[str], channel: str = "email") -> Scores:
    """Return the scores of texts, each with features by its length so that they differ too."""
    features = [[model.column("channel:email"), len(text) % 6] for text in texts]
    return model.score([read(fold(text)) for text in texts], features, [channel] * len(texts))


def _bytes(scores: Scores, row: int) -> tuple[bytes, ...]:
    return tuple(column[row].tobytes() for column in scores)


# ---- there and back


def test_a_model_survives_its_file() -> None:
    texts = [read(fold(text)) for text in own.TEXTS]
    model = _model()
    table = own.weights(sorted({word for one in texts for word in one.words}), 1)
    assert model.manifest.format == model_module.FORMAT
    assert model.manifest.features[1] == "hit:demo.fire"
    assert model.column("hit:demo.fire") == 2
    assert model.column("hit:nobody.knows") == 0
    assert model.manifest.temperatures == {"email": 1.0, "social": 0.7}
    assert np.array_equal(table.idf, table.idf.astype(np.float16).astype(np.float32))


def test_the_same_model_has_the_same_bytes_and_version() -> None:
    assert own.content() == own.content()
    assert Model(own.content()).version == _model().version
    assert Model(own.content(seed=2)).version != _model().version


def test_a_file_scores_as_its_weights_say() -> None:
    """By hand: one word, one piece, one feature; everything else is zero."""
    manifest = _model().manifest
    one = np.ones((1, OUTPUTS), np.int8)
    scale = np.full(OUTPUTS, 0.5, np.float32)
    rising = np.arange(OUTPUTS, dtype=np.int8)[None, :]
    made = Model(
        model_module.pack(
            manifest,
            model_module.Table(["fire"], rising, scale, np.array([2.0], np.float32)),
            model_module.Table([" fi"], one, scale, np.array([4.0], np.float32)),
            np.zeros((len(manifest.features), OUTPUTS), np.float32),
            np.zeros(OUTPUTS, np.float32),
        )
    )
    scores = made.score([read("fire")], [[]], ["email"])
    # 0.5 * rank for the word, and the same for every output for its piece
    expected = np.exp(np.arange(4) * 0.5)
    assert scores.severity[0] == pytest.approx(expected / expected.sum(), abs=1e-6)
    first = 1 / (1 + np.exp(-(9 * 0.5 + 0.5)))
    assert scores.reasons[0][0] == pytest.approx(first, abs=1e-6)
    assert scores.sentiment[0] == pytest.approx(np.tanh((OUTPUTS - 1) * 0.5 + 0.5), abs=1e-6)
    assert scores.known[0] == 1.0


def test_the_channel_cools_or_heats() -> None:
    mail, post = (_scores(_model(), own.TEXTS[:1], one) for one in ("email", "social"))
    assert post.severity.max() > mail.severity.max()
    assert np.array_equal(mail.kind, post.kind)


def test_an_empty_text_and_unknown_words_have_scores() -> None:
    scores = _scores(_model(), ["", "zzzzqqq xyzzy"])
    assert scores.severity.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert scores.known.tolist() == [0.0, 0.0]


def test_the_share_of_known_words_counts_words_only() -> None:
    assert _scores(_model(), ["refund xyzzy !!! 0000"]).known.tolist() == [0.5]


# ---- the same in any company


@pytest.mark.parametrize("seed", range(5))
def test_no_score_depends_on_the_batch(seed: int) -> None:
    """Bit for bit: alone, in any order, in batches of any size, by a model that has seen others."""
    model = own.model()
    alone = {text: _bytes(_scores(model, [text]), 0) for text in MANY}
    shuffled = random.Random(seed)
    texts = MANY * 2
    shuffled.shuffle(texts)
    fresh = own.model()
    while texts:
        size = shuffled.choice([1, 2, 3, 7, 16, 33])
        batch, texts = texts[:size], texts[size:]
        scores = _scores(fresh, batch)
        for row, text in enumerate(batch):
            assert _bytes(scores, row) == alone[text], (size, row, text)


def test_growing_and_forgetting_change_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "_REMEMBERED", 5_000)
    model = own.model()
    before = [_bytes(_scores(model, [text]), 0) for text in own.TEXTS]
    rows, forgotten = [len(model._words.matrix)], 0
    for turn in range(6):
        new = " ".join(_word(turn * 3_000 + at) for at in range(1, 3_001))
        scores = _scores(model, [*own.TEXTS, new])  # one batch sees the matrix grow or go
        assert [_bytes(scores, row) for row in range(len(own.TEXTS))] == before
        rows.append(len(model._words.matrix))
        remembered = len(model._words)
        assert remembered <= 5_000 + 3_000 + 200
        assert [_bytes(_scores(model, [text]), 0) for text in own.TEXTS] == before
        forgotten += len(model._words) < remembered
    assert forgotten >= 2
    assert max(rows) > rows[0]
    together = _scores(model, own.TEXTS)
    assert [_bytes(together, row) for row in range(len(own.TEXTS))] == before


def _word(number: int) -> str:
    letters = ""
    while number:
        number, letter = divmod(number, 26)
        letters += chr(97 + letter)
    return f"q{letters}"


def test_the_weights_of_the_words_add_up_to_the_score() -> None:
    """What is told to people as reasons is what was summed."""
    text = read(fold(own.TEXTS[1]))
    model = _model()
    told = model.weights_of(text)[1].sum(axis=0)
    raw, _ = model._raw([text], [[]])
    assert np.asarray(told) + model._bias[:4] == pytest.approx(raw[0, :4], abs=1e-4)


# ---- nothing but a model


def test_the_file_holds_no_pickle() -> None:
    with zipfile.ZipFile(io.BytesIO(own.content())) as file:
        for name in file.namelist():
            array = np.load(io.BytesIO(file.read(name)), allow_pickle=False)
            assert array.dtype.kind in "iuf", name


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("a pickle was run",)


def _pickled() -> bytes:
    file = io.BytesIO()
    np.savez(file, manifest=np.array([_Bomb()], dtype=object))
    return file.getvalue()


def _other(**changed: object) -> bytes:
    """Return the model file with some of its parts replaced, or left out (None)."""
    with np.load(io.BytesIO(own.content())) as file:
        parts = {name: file[name] for name in file.files}
    for name, value in changed.items():
        if value is None:
            del parts[name]
        else:
            parts[name] = np.asarray(value)
    made = io.BytesIO()
    np.savez(made, **parts)
    return made.getvalue()


_JSON = np.frombuffer(b'{"format": 1}', np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"rules:\n", id="a rule file"),
        pytest.param(b"PK\x03\x04", id="the beginning of a zip"),
        pytest.param(b"PK\x05\x06" + bytes(18), id="an empty zip"),
        pytest.param(b"\x93NUMPY\x01\x00", id="the beginning of an array"),
        pytest.param(pickle.dumps({"a": 1}), id="a pickle"),
        pytest.param(_pickled(), id="a pickle inside"),
        pytest.param(own.content()[:-1], id="one byte short"),
        pytest.param(own.content()[: len(own.content()) // 2], id="half"),
        pytest.param(own.content(form=99), id="another format"),
        pytest.param(_other(manifest=None), id="no manifest"),
        pytest.param(_other(manifest=_JSON), id="a manifest without its parts"),
        pytest.param(_other(bias=np.zeros(3, np.float32)), id="another number of outputs"),
        pytest.param(_other(term_weights=None), id="no weights"),
        pytest.param(_other(term_idf=np.ones(1, np.float16)), id="another number of terms"),
        pytest.param(
            _other(features=np.zeros((2, OUTPUTS), np.float32)), id="another number of features"
        ),
        pytest.param(_other(piece_scale=np.ones(3, np.float32)), id="another number of scales"),
        pytest.param(
            _other(terms=np.frombuffer(b"\xff\xfe", np.uint8)), id="terms that are no text"
        ),
        pytest.param(bytes(64), id="zeros"),
    ],
)
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(Misconfigured, match="model"):
        Model(content)


def test_a_lone_array_is_refused() -> None:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    with pytest.raises(Misconfigured, match="not a model"):
        Model(file.getvalue())


@pytest.mark.parametrize("seed", range(20))
def test_damaged_bytes_are_refused(seed: int) -> None:
    """Cut anywhere, or random: a message for people, never another exception."""
    chance = random.Random(seed)
    content = own.content()
    cut = content[: chance.randrange(len(content))]
    noise = chance.randbytes(chance.randrange(1, 4_000))
    for bad in (cut, noise, b"PK\x03\x04" + noise):
        with pytest.raises(Misconfigured):
            Model(bad)


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_byte_is_refused_or_harmless(seed: int) -> None:
    """A checksum covers every part; a byte outside of them changes nothing."""
    chance = random.Random(seed)
    content = bytearray(own.content())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    try:
        made = Model(bytes(content))
    except Misconfigured:
        return
    scores, expected = _scores(made, own.TEXTS), _scores(_model(), own.TEXTS)
    for row in range(len(own.TEXTS)):
        assert _bytes(scores, row) == _bytes(expected, row)
