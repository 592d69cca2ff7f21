"""Promise 8: whatever the student's chat template does with a reasoning field, the reasoning is among the labels."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from publish.kept_answers import judged, sums
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tasks.publish.publication import Published
from tasks.publish.template import choose_form
from warehouse.errors import BadInput
from warehouse.layout import DataRoot

if TYPE_CHECKING:  # each process of the tests collects this file; the one that runs it takes the seconds of the imports
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast
    from trl import SFTTrainer

TURNS = "{% for m in messages %}<|{{ m.role }}|>\n"
END = "<|end|>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
KEEPS = TURNS + "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}" + END
DROPS = TURNS + "{{ m.content }}" + END
CUTS = TURNS + "{{ m.content.split('</think>')[-1] }}" + END

ANSWERS = sums(24)


def tokenizer(chat_template: str) -> "PreTrainedTokenizerFast":
    """One token a byte, so that what is decoded is exactly what was tokenised."""
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<|pad|>", "<|end|>"]
    made = Tokenizer(models.BPE({one: place for place, one in enumerate(specials + letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<|pad|>", eos_token="<|end|>", chat_template=chat_template
    )


def trainer(rows: "Dataset", chat_template: str, folder: Path) -> "SFTTrainer":
    """TRL as its users use it: a model, a tokenizer, and the published rows untouched."""
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    reader = tokenizer(chat_template)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(reader),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=512,
            pad_token_id=reader.pad_token_id,
            eos_token_id=reader.eos_token_id,
            bos_token_id=None,
        )
    )
    settings = SFTConfig(
        output_dir=str(folder / "student"),
        max_steps=2,
        per_device_train_batch_size=4,
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    return SFTTrainer(model=model, args=settings, train_dataset=rows, processing_class=reader)


def labelled(of: "SFTTrainer") -> list[str]:
    """The text of each row that the loss sees, out of the batches that the model is given."""
    texts = []
    for batch in of.get_train_dataloader():
        for labels in batch["labels"].tolist():
            texts.append(of.processing_class.decode([label for label in labels if label != -100]))
    return texts


def train_rows(published: Published, folder: Path) -> "Dataset":
    from datasets import load_dataset

    return load_dataset(published.folder, split="train", cache_dir=str(folder / "cache"))


@pytest.mark.parametrize(("chat_template", "form"), [(KEEPS, "field"), (DROPS, "inline")], ids=["keeps", "drops"])
def test_every_reasoning_and_every_answer_is_among_the_labels(
    data_root: DataRoot, tmp_path: Path, chat_template: str, form: str
) -> None:
    chosen = choose_form("auto", chat_template)
    assert chosen == form
    published = judged(data_root, ANSWERS).with_(form=chosen).published()
    texts = labelled(trainer(train_rows(published, tmp_path), chat_template, tmp_path))
    by_reasoning = {a.reasoning: a for a in ANSWERS}
    assert len(texts) == published.train_rows > 10
    for text in texts:
        reasoning = text.partition("<think>")[2].partition("</think>")[0].strip()
        answer = by_reasoning.pop(reasoning)
        assert text.partition("</think>")[2].strip().startswith(answer.answer)
        assert answer.question not in text, "the question is context, not a target"


def test_the_field_is_lost_under_a_template_that_drops_it_which_is_why_it_is_inlined(
    data_root: DataRoot, tmp_path: Path
) -> None:
    published = judged(data_root, ANSWERS).with_(form="field").published()
    texts = labelled(trainer(train_rows(published, tmp_path), DROPS, tmp_path))
    assert not any("I add" in text for text in texts)


def test_a_template_that_cuts_reasoning_away_in_either_form_is_refused_before_anything_is_published() -> None:
    with pytest.raises(BadInput, match="drops the reasoning in a field or inlined"):
        choose_form("auto", CUTS)


def test_a_published_folder_trains_in_trl_untouched(data_root: DataRoot, tmp_path: Path) -> None:
    published = judged(data_root, ANSWERS).with_(form="field").published()
    student = trainer(train_rows(published, tmp_path), KEEPS, tmp_path)
    before = student.model.lm_head.weight.detach().clone()
    result = student.train()
    assert result.global_step == 2
    assert 0 < result.training_loss < 20
    assert not before.equal(student.model.lm_head.weight)
