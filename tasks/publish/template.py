"""Which form of reasoning a student's chat template keeps, found out by rendering one and looking (pure).

Many chat templates read `content` and drop a separate `reasoning_content` without a word; some keep the
field; some cut even inlined reasoning away. Whatever a template drops never reaches the loss, so a version is
published in the form that its student's template keeps.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tasks.publish.publication import Form, Reasoning
from tasks.publish.rows import completion
from warehouse.errors import BadInput

_ASKED = [{"role": "user", "content": "How many moons has Mars?"}]
_REASONING = "Phobos is one and Deimos is another."
_ANSWER = "Mars has two moons."
FORMS: tuple[Form, ...] = ("field", "inline")


def choose_form(reasoning: Reasoning, chat_template: str | None) -> Form:
    """Say how a version should carry its reasoning.

    `reasoning` is the recipe's word and `chat_template` the student's, if a student is known. Without one the
    answer to 'auto' is 'inline': text between <think> tags survives every template that prints `content`, a
    field does not.

    Raises:
        BadInput: the template drops the reasoning in the form that was asked for, or in both.
    """
    if chat_template is None:
        return "inline" if reasoning == "auto" else reasoning
    for form in FORMS if reasoning == "auto" else (reasoning,):
        if keeps_reasoning(chat_template, form):
            return form
    other = next(
        (form for form in FORMS if reasoning not in ("auto", form) and keeps_reasoning(chat_template, form)),
        None,
    )
    remedy = f"set publish.reasoning to {other}" if other else "give the student a template that prints it"
    tried = "in a field or inlined" if reasoning == "auto" else f"as {reasoning}"
    raise BadInput(f"the student's chat template drops the reasoning {tried}, so it would not be trained on: {remedy}")


def keeps_reasoning(chat_template: str, form: Form) -> bool:
    """Render one answer and look for its reasoning, before the answer and after what the prompt alone
    renders to.
    """
    prompt = render(chat_template, _ASKED, add_generation_prompt=True)
    whole = render(chat_template, [*_ASKED, *completion(_REASONING, _ANSWER, form)])
    start = next((i for i, (one, other) in enumerate(zip(prompt, whole, strict=False)) if one != other), len(prompt))
    reasoning = whole.find(_REASONING, start)
    return 0 <= reasoning < whole.rfind(_ANSWER)


def render(chat_template: str, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool = False) -> str:
    """Render messages as transformers does: sandboxed, with its filters and globals, and `thinking` as an
    alias.

    Raises:
        BadInput: the template is not one, or refuses the messages.
    """
    try:
        return (
            _environment()
            .from_string(chat_template)
            .render(
                messages=[_aliased(message) for message in messages],
                add_generation_prompt=add_generation_prompt,
                tools=None,
                documents=None,
                bos_token="",
                eos_token="",
                pad_token="",
                unk_token="",
            )
        )
    except TemplateSyntaxError as error:
        raise BadInput(
            f"the student's chat template is not a template (line {error.lineno}: {error.message})"
        ) from error
    except TemplateError as error:
        raise BadInput(f"the student's chat template refuses a user's question with an answer: {error}") from error


def _aliased(message: Mapping[str, Any]) -> dict[str, Any]:
    reasoning = message.get("reasoning_content")
    return dict(message) | ({"thinking": reasoning} if reasoning else {})


def template_of(folder: Path) -> str:
    """Read the chat template of a model or tokenizer folder: `chat_template.jinja`, or
    `tokenizer_config.json`.

    Raises:
        BadInput: the folder has none.
    """
    if (file := folder / "chat_template.jinja").exists():
        return file.read_text()
    config = folder / "tokenizer_config.json"
    template = json.loads(config.read_text()).get("chat_template") if config.exists() else None
    if isinstance(template, list):  # several, by name
        template = {entry["name"]: entry["template"] for entry in template}.get("default")
    if not isinstance(template, str):
        raise BadInput(
            f"{folder} has no chat template: a student that is not a chat model needs one; add chat_template.jinja"
        )
    return template


class _Generation(Extension):
    """`{% generation %} ... {% endgeneration %}` marks what an assistant wrote; rendering keeps it as it
    is.
    """

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = datetime(2026, 1, 1, tzinfo=UTC).strftime  # only the reasoning is looked for
    return environment


def _to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _raise(message: str) -> None:
    raise TemplateError(message)
