"""Which teacher is asked for which sample (pure)."""

import hashlib
import math
from collections.abc import Mapping


def rank_teachers(shares: Mapping[str, float], prompt_id: str, sample_index: int) -> tuple[str, ...]:
    """Teachers in the order in which they are wanted for a sample; the first is asked, unless another has
    answered.

    Weighted rendezvous hashing: each teacher draws -ln(u) / share from a u that depends on (teacher,
    prompt, sample) alone, and the smallest draw wins. So each teacher gets its share of the samples,
    whatever the order of the rows; a changed or added share moves only as many samples as the difference;
    and nothing else moves.
    """
    if len(shares) == 1:
        return tuple(shares)
    return tuple(
        sorted(shares, key=lambda teacher: (_draw(teacher, prompt_id, sample_index) / shares[teacher], teacher))
    )


def _draw(teacher: str, prompt_id: str, sample_index: int) -> float:
    digest = hashlib.blake2b(f"{teacher}\0{prompt_id}\0{sample_index}".encode(), digest_size=8).digest()
    return -math.log((int.from_bytes(digest) + 1) / (2**64 + 1))
