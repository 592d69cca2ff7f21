"""A language model of well under a million parameters and its tokenizer, both made on the spot from a version's text.

Numbers are cut into digits, so that sums are learned digit by digit, and what comes again and again between them costs
few tokens. All 256 bytes are in the vocabulary, so no text is unknown.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from tasks.train.dialogue import DONE, END, PAD, ROLES, THINK, TINY_TEMPLATE
from tasks.train.student import Student

_PIECES = r"\d|(?:\s*[^\d\s]+\s*){1,4}|\s+"
"""A digit, or up to four words between digits: a phrase that comes again and again may become one token."""
_TEXTS = 20_000  # rows the vocabulary is made from: more change nothing that a tiny model would notice
_SPREAD = 0.06  # of the first weights; at the usual 0.02 a model this narrow stays on a plateau for hundreds of steps


def make_tokenizer(rows: Sequence[Mapping[str, Any]], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on the rows' prompts and answers; the same rows in the same order give the same one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(rows), trainer)
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in (THINK, DONE)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, chat_template=TINY_TEMPLATE, padding_side="right"
    )


def _texts(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in islice(rows, _TEXTS):
        yield from (message["content"] for message in row["prompt"])
        yield from (text for text in (row["reasoning"], row["answer"]) if text)


def make_model(student: Student, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained model of the student's shape; its weights follow from the student's seed."""
    set_seed(student.seed)
    shape = student.tiny
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=2 * shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=student.max_length,
        initializer_range=_SPREAD,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)
