"""A tiktoken encoding in the words of a `tokenizer.json`, which other libraries read (pure)."""

from typing import Any

import tiktoken

Ranks = dict[bytes, int]


def tokenizer_json(encoding: tiktoken.Encoding) -> dict[str, Any]:
    """The same vocabulary and the same pattern, without special tokens: text that spells one is plain text."""
    ranks: Ranks = encoding._mergeable_ranks
    split = {"type": "Split", "pattern": {"Regex": encoding._pat_str}, "behavior": "Isolated", "invert": False}
    as_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    shown = {token: "".join(_SHOWN[byte] for byte in token) for token in ranks}
    merges = [[shown[part] for part in parts_of(token, ranks)] for token in sorted(ranks, key=ranks.__getitem__)]
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, as_bytes]},
        "post_processor": None,
        "decoder": as_bytes,
        "model": {
            "type": "BPE",
            "unk_token": None,
            "vocab": {shown[token]: rank for token, rank in ranks.items()},
            "merges": [merge for merge in merges if len(merge) == 2],
        },
    }


def parts_of(token: bytes, ranks: Ranks) -> list[bytes]:
    """The two tokens whose merge makes this one: what byte pair encoding makes of it with the ranks below its
    own. One part only where it is a single byte."""
    parts, limit = [bytes((byte,)) for byte in token], ranks[token]
    while len(parts) > 2:
        best = min(range(len(parts) - 1), key=lambda at: ranks.get(parts[at] + parts[at + 1], limit))
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    return parts


def _shown() -> dict[int, str]:
    """The character that stands for each byte in a `tokenizer.json`: itself where it is printable, else the next of
    U+0100 on (GPT-2's table)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + n) for n, byte in enumerate(others)}


_SHOWN = _shown()
