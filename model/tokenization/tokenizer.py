"""Text <-> token ids: byte-level BPE in which a line break and the indentation behind it are one token.

Knows bytes and ids. Knows no layout and no network. Special tokens have ids but no spelling: no text can produce one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Bpe

VOCABULARY = 8192  # ids in all, special ones included
HOLES = 8  # most holes of one request

_SPECIAL = (
    "pad", "mask", "eos", "file", "far_suffix", "far_prefix", "near_suffix", "near_prefix",
    *(f"hole_{number}" for number in range(HOLES)),
)  # fmt: skip
_PIECES = r"\n[ \t]*|[ ]?[A-Za-z_]+|\d|[ ]?[^\sA-Za-z\d_]+|\s+"
_SURROGATE = re.compile("[\ud800-\udfff]")


class Tokenizer:
    """Ids below `ordinary` spell bytes; the ones from there on are special.

    Any text that UTF-8 can encode comes back exactly; a lone surrogate, which it cannot, becomes U+FFFD.
    """

    def __init__(self, bpe: Bpe) -> None:
        self._bpe = bpe
        self.ordinary = VOCABULARY - len(_SPECIAL)
        if bpe.get_vocab_size() > self.ordinary:
            raise ValueError(f"the vocabulary has {bpe.get_vocab_size()} entries, at most {self.ordinary} fit")
        self.size = VOCABULARY
        ids = {name: self.ordinary + number for number, name in enumerate(_SPECIAL)}
        self.pad, self.mask, self.eos, self.file = ids["pad"], ids["mask"], ids["eos"], ids["file"]
        self.far_suffix, self.far_prefix = ids["far_suffix"], ids["far_prefix"]
        self.near_suffix, self.near_prefix = ids["near_suffix"], ids["near_prefix"]
        self.holes = tuple(ids[f"hole_{number}"] for number in range(HOLES))
        byte_of = _byte_of_character()
        self._bytes = [b""] * self.size
        for spelling, token in bpe.get_vocab().items():
            self._bytes[token] = bytes(byte_of[character] for character in spelling)
        self._encoded = lru_cache(maxsize=1024)(self._encode)

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        return cls(Bpe.from_file(str(path)))

    def save(self, path: Path) -> None:
        self._bpe.save(str(path))

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of the text's tokens. Equal texts that were asked for lately cost a look-up."""
        return self._encoded(text)

    def encode_once(self, text: str) -> tuple[int, ...]:
        """As `encode`, of a long text that nobody asks for again."""
        return self._encode(text)

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._bpe.encode(_SURROGATE.sub("\ufffd", text), add_special_tokens=False).ids)

    def decode(self, tokens: Iterable[int]) -> str:
        """Text of the tokens; special ones have none, bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(tokens).decode("utf-8", "replace")

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        return b"".join(self._bytes[token] for token in tokens)

    def bytes_of(self, token: int) -> bytes:
        return self._bytes[token]


@cache
def _byte_of_character() -> dict[str, int]:
    """The printable stand-ins that byte-level BPE uses for the 256 bytes (Radford et al. 2019, GPT-2)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


def learn_vocabulary(texts: Iterable[str]) -> Tokenizer:
    """A tokenizer whose merges are learned from the texts (Sennrich et al. 2016, over bytes)."""
    bpe = Bpe(models.BPE())
    split = pre_tokenizers.Split(Regex(_PIECES), behavior="isolated")
    bpe.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(_SPECIAL),
        initial_alphabet=sorted(_byte_of_character()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return Tokenizer(bpe)
