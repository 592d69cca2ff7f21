"""Which form a chat template keeps."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from tasks.publish.template import choose_form, keeps_reasoning, render, template_of
from warehouse.errors import BadInput

REAL = Path(find_spec("trl").origin).parent / "chat_templates"

KEEPS_FIELD = (
    "{% for m in messages %}<|{{ m.role }}|>\n"
    "{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n{% endif %}"
    "{% generation %}{{ m.content }}{% endgeneration %}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
DROPS_FIELD = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CUTS_INLINE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content.split('</think>')[-1] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)
OPENS_THE_TAG = (
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.role == 'assistant' %}<think>\n{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)
READS_THINKING = "{% for m in messages %}{{ m.role }}{{ m.thinking }}{{ m.content | trim }}{% break %}{% endfor %}"


def test_auto_takes_the_field_where_the_template_keeps_it() -> None:
    assert choose_form("auto", KEEPS_FIELD) == "field"
    assert choose_form("auto", OPENS_THE_TAG) == "field"


def test_auto_inlines_where_the_template_drops_the_field() -> None:
    assert choose_form("auto", DROPS_FIELD) == "inline"


@pytest.mark.parametrize(
    ("name", "form"), [("qwen3", "field"), ("gptoss", "field"), ("qwen2_5", "inline"), ("llama3", "inline")]
)
def test_the_templates_of_real_students_are_told_apart(name: str, form: str) -> None:
    assert choose_form("auto", (REAL / f"{name}.jinja").read_text()) == form


def test_a_real_template_that_cuts_reasoning_away_is_refused() -> None:
    with pytest.raises(BadInput, match="drops the reasoning"):
        choose_form("auto", (REAL / "deepseek_r1_distill.jinja").read_text())


def test_without_a_student_reasoning_is_inlined_unless_the_recipe_says_otherwise() -> None:
    assert choose_form("auto", None) == "inline"
    assert choose_form("field", None) == "field"


def test_a_template_that_drops_both_is_refused() -> None:
    with pytest.raises(BadInput, match="drops the reasoning in a field or inlined.*give the student a template"):
        choose_form("auto", CUTS_INLINE)


def test_a_form_that_the_template_drops_is_refused_and_the_other_named() -> None:
    with pytest.raises(BadInput, match="drops the reasoning as field.*set publish.reasoning to inline"):
        choose_form("field", DROPS_FIELD)


def test_a_template_that_prints_the_question_only_keeps_nothing() -> None:
    assert not keeps_reasoning(READS_THINKING, "field")


def test_the_older_name_of_the_field_counts_as_the_field() -> None:
    template = "{% for m in messages %}{{ m.role }}{{ m.thinking }}{{ m.content }}{% endfor %}"
    assert keeps_reasoning(template, "field")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for m in messages %}", "not a template"),
        ("{{ raise_exception('roles must alternate') }}", "refuses.*roles must alternate"),
        ("{{ messages.__class__.__mro__[1].__subclasses__() }}", "refuses"),
    ],
)
def test_a_broken_or_hostile_template_is_one_line(template: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        choose_form("auto", template)


def test_filters_and_globals_of_transformers_are_there() -> None:
    rendered = render("{{ strftime_now('%Y') }} {{ {'a': '<é>'} | tojson }}", [])
    assert rendered.endswith(json.dumps({"a": "<é>"}, ensure_ascii=False))


def test_a_template_is_read_from_a_model_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no chat template"):
        template_of(tmp_path)
    several = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": several}))
    assert template_of(tmp_path) == "d"
    (tmp_path / "chat_template.jinja").write_text("j")
    assert template_of(tmp_path) == "j"
