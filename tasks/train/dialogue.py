"""How the tiny student writes a conversation, and how any student's output falls into reasoning and answer (pure)."""

END = "<|end|>"
PAD = "<|pad|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
THINK, DONE = "<think>", "</think>"

TINY_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|' ~ message['role'] ~ '|>' }}"
    "{%- if message.get('reasoning_content') -%}"
    "{{ '<think>' ~ message['reasoning_content'] ~ '</think>' }}"
    "{%- endif -%}"
    "{{ message['content'] }}"
    "{%- if message['role'] == 'assistant' -%}{{ '<|end|>' }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)
"""Nothing but the turns, each opened by its role: every token saved is time on a CPU."""


def answer_of(output: str) -> str:
    """What a student says after its reasoning; nothing where the reasoning was opened and never closed."""
    reasoning, closed, answer = output.rpartition(DONE)
    if closed:
        return answer.strip()
    return "" if THINK in output else output.strip()
