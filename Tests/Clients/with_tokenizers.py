"""The package `tokenizers`: the server gives the same tokens for a text, and the same text for tokens."""

import random
import tempfile
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import httpx
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from .models import write_min_lm
from .report import Report
from .server import Server

FULL_TEXTS, TEXTS, VOCABULARY = 10_000, 300, 1500
# Ranges of Unicode with different classes, lengths in UTF-8 and compositions; surrogates are not valid text.
PLANES = (
    (0x20, 0x7F),
    (0x00, 0x100),
    (0x100, 0x600),
    (0x600, 0x1200),
    (0x1E00, 0x2100),
    (0x2000, 0x2070),
    (0x3040, 0xA000),
    (0xAC00, 0xD7A4),
    (0xF900, 0xFE00),
    (0x1F000, 0x1FB00),
    (0x0, 0xD800),
    (0xE000, 0x110000),
)
WORDS = "the The ing 's 're 've 'll 'd 'S it's don''t 123 4567 ½ ² a\u0301 e\u0301\u0323 \u1100\u1161\u11a8".split()
SPACES = (" ", "  ", "   ", "\n", "\r\n", "\t", "\u00a0", "\u2003", "\u3000", " \n ", "\u200b", "\x1f", "\x85")


def run(binary: Path, report: Report) -> None:
    families: dict[str, Callable[[], Tokenizer]] = {
        "gpt2": _gpt2,
        "gpt2-prefixed": lambda: _gpt2(add_prefix_space=True),
        "neox": _neox,
        "whole": lambda: _gpt2(use_regex=False),
        "ignore-merges": _ignoring,
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder, tokenizers = Path(temporary), {}
        for name, make in families.items():
            tokenizers[name] = make()
            # More tokens than the tokenizer has, as in models that round up their number.
            write_min_lm(folder / name, VOCABULARY + 100)
            tokenizers[name].save(str(folder / name / "tokenizer.json"))
        with Server(binary, models=folder) as server, httpx.Client(base_url=server.base, timeout=60) as client:
            for name, tokenizer in tokenizers.items():
                texts = _composable if name == "neox" else _text
                _compare(client, name, tokenizer, texts, report)
            _rate(client, tokenizers["gpt2"], report)


def _compare(
    client: httpx.Client, name: str, tokenizer: Tokenizer, make: Callable[[random.Random], str], report: Report
) -> None:
    source = random.Random(f"texts of {name}")
    texts = []
    while len(texts) < (FULL_TEXTS if report.is_full else TEXTS):
        if text := make(source):
            texts.append(text)
    wanted = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    differing, lost = [], []
    for text, ids in zip(texts, wanted, strict=True):
        found = client.post("/v1/tokenize", json={"model": name, "text": text}).json().get("tokens")
        if found != ids:
            differing.append((text, found, ids))
        back = client.post("/v1/detokenize", json={"model": name, "tokens": ids}).json().get("text")
        if back != tokenizer.decode(ids, skip_special_tokens=False):
            lost.append((ids, back, text))
    report.check(f"{len(texts)} texts have the tokens of {name}", not differing, f"{len(differing)}: {differing[:1]}")
    report.check(f"and the tokens of {name} their texts", not lost, f"{len(lost)}: {lost[:1]}")
    # Any tokens, also those that are not valid text together.
    drawn = [[source.randrange(tokenizer.get_vocab_size()) for _ in range(12)] for _ in range(len(texts) // 20)]
    texts = [client.post("/v1/detokenize", json={"model": name, "tokens": ids}).json().get("text") for ids in drawn]
    decoded = [tokenizer.decode(ids, skip_special_tokens=False) for ids in drawn]
    differing = [(ids, a, b) for ids, a, b in zip(drawn, texts, decoded, strict=True) if a != b]
    report.check(f"and tokens of {name} at random", not differing, differing[:1])


def _rate(client: httpx.Client, tokenizer: Tokenizer, report: Report) -> None:
    source, words = random.Random("long"), _vocabulary_text()
    text = " ".join(source.choice(words) for _ in range(400_000))
    started = time.perf_counter()
    found = client.post("/v1/tokenize", json={"model": "gpt2", "text": text}).json()["tokens"]
    seconds = time.perf_counter() - started
    report.equal("a text of megabytes has its tokens", found, tokenizer.encode(text, add_special_tokens=False).ids)
    # A text of one word is the worst case for pair merging.
    worst = "a" * 200_000
    found = client.post("/v1/tokenize", json={"model": "gpt2", "text": worst}).json()["tokens"]
    report.equal("and so has a word of 200,000 letters", found, tokenizer.encode(worst).ids)
    print(f"tokenize: {len(text.encode()) / seconds / 1e6:.1f} MB/s of text of {len(text.encode()) / 1e6:.1f} MB")


def _text(source: random.Random) -> str:
    parts = []
    for _ in range(source.randrange(1, 12)):
        kind = source.random()
        if kind < 0.35:
            low, high = source.choice(PLANES)
            points = (source.randrange(low, high) for _ in range(source.randrange(1, 6)))
            parts.append("".join(chr(point) for point in points if not 0xD800 <= point < 0xE000))
        elif kind < 0.6:
            parts.append(source.choice(WORDS))
        elif kind < 0.85:
            parts.append(source.choice(SPACES))
        elif kind < 0.95:
            parts.append(source.choice(_vocabulary_text()))
        else:
            parts.append(source.choice(("<|endoftext|>", "<|endoftext", "<|pad|>", "<|né|>", "<|ne\u0301|>", "    ")))
    return "".join(parts)


def _composable(source: random.Random) -> str:
    """A text without the combining marks that Unicode got after 3.2: how they are ordered depends on the version of
    Unicode, and that of the package is an old one."""
    old = unicodedata.ucd_3_2_0
    return "".join(c for c in _text(source) if not unicodedata.category(c).startswith("M") or old.category(c) != "Cn")


def _vocabulary_text() -> list[str]:
    """Words for training the pairs."""
    source = random.Random("words")
    return ["".join(source.choice("etaoinshrdluäöπ") for _ in range(source.randrange(2, 9))) for _ in range(600)]


def _trained(tokenizer: Tokenizer, special: list[AddedToken]) -> Tokenizer:
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words = _vocabulary_text()
    source = random.Random("corpus")
    lines = (" ".join(source.choices(words + WORDS, k=12)) + source.choice(SPACES) for _ in range(2000))
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def _gpt2(*, add_prefix_space: bool = False, use_regex: bool = True) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)
    tokenizer.decoder = decoders.ByteLevel()
    return _trained(tokenizer, [AddedToken("<|endoftext|>", special=True)])


def _neox() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    _trained(tokenizer, [AddedToken("<|endoftext|>", special=True), AddedToken("<|pad|>", special=True, lstrip=True)])
    # Runs of blanks, as in that family, and tokens that are matched in the composed text.
    blanks = [AddedToken(" " * count, normalized=True) for count in range(24, 1, -1)]
    tokenizer.add_tokens([*blanks, AddedToken("<|né|>", normalized=True, rstrip=True)])
    return tokenizer


def _ignoring() -> Tokenizer:
    tokenizer = _gpt2()
    learnt = tokenizer.model
    learnt.ignore_merges = True
    tokenizer.model = learnt
    return tokenizer
