"""Counts green n-grams by `transformers`' own detector, from texts and a tokenizer on this machine. Import it inside
functions: it takes seconds and much memory to load."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import AutoTokenizer, WatermarkDetector, WatermarkingConfig

from tasks.judge.screens.watermark import Scored
from tasks.right.watermark import DeclaredWatermark
from warehouse.errors import BadInput

SCORED_TOKENS = 400
"""Of a row the first so many: a mark that shows at all shows in these."""
_NO_TOKEN = -1


class GreenTokens:
    """A declared watermark's tokenizer and detector."""

    def __init__(self, mark: DeclaredWatermark) -> None:
        """Raises BadInput where the folder holds no tokenizer; nothing is ever fetched."""
        if not Path(mark.tokenizer).is_dir():
            raise BadInput(f"watermark.tokenizer: {mark.tokenizer} is no folder: save the teacher's tokenizer there")
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(mark.tokenizer, local_files_only=True)
        except (OSError, ValueError) as error:
            line = str(error).splitlines()[0]
            raise BadInput(f"watermark.tokenizer: {mark.tokenizer} holds no tokenizer: {line}") from error
        rule = WatermarkingConfig(
            greenlist_ratio=mark.gamma,
            hashing_key=mark.hashing_key,
            seeding_scheme=mark.seeding_scheme,
            context_width=mark.context_width,
        )
        size = mark.vocab_size or len(self._tokenizer)
        model = SimpleNamespace(vocab_size=size, bos_token_id=_NO_TOKEN, is_encoder_decoder=False)
        self._detector = WatermarkDetector(model, "cpu", rule, ignore_repeated_ngrams=True)
        self._fewest = mark.context_width + 1

    def score(self, texts: Iterable[str], tokens: int, rows: int) -> tuple[list[Scored], Scored]:
        """Each of the first `rows` texts that have so many different n-grams; and those texts together, an n-gram that
        several hold counted once."""
        found = list(islice(self._scored(texts, tokens), rows))
        together = [token for row, _ in found for token in row]
        return [scored for _, scored in found], self._score(together) if found else Scored(0, 0)

    def _scored(self, texts: Iterable[str], tokens: int) -> Iterable[tuple[list[int], Scored]]:
        for text in texts:
            row = self._tokenizer(text, add_special_tokens=False)["input_ids"][:SCORED_TOKENS]
            if len(row) >= max(tokens, self._fewest) and (scored := self._score(row)).n >= tokens:
                yield row, scored

    def _score(self, row: list[int]) -> Scored:
        seen = self._detector(torch.tensor([row]), return_dict=True)
        return Scored(int(seen.num_green_tokens[0]), int(seen.num_tokens_scored[0]))
