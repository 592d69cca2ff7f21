"""What a teacher lets slip into a trace and a student must not learn: whose model it is, the markers of its chat
template, orders to whoever reads it, and scripts that nobody asked for (pure)."""

import re
import unicodedata
from functools import lru_cache

from tasks.judge.finding import Finding, Trace, passed, rejected
from tasks.judge.policy import JudgePolicy

_MODELS = (
    r"(?:Chat-?GPT|GPT-?[3-9o][\w.-]*|Claude|Gemini|Gemma|Bard|Copilot|Llama|LLaMA|Qwen\w*|Tongyi|DeepSeek\w*|Mistral|Mixtral"
    r"|Grok|Kimi|GLM\w*|ChatGLM\w*|MiniMax\w*|Nemotron|Command R\+?|Phi-?\d\w*|ERNIE|Doubao|Hunyuan)"
)
_MAKERS = (
    r"(?:OpenAI|Anthropic|Google(?: DeepMind)?|DeepMind|Meta(?: AI)?|Microsoft|Alibaba(?: Cloud)?|DeepSeek(?:-AI| AI)?"
    r"|Mistral(?: AI)?|xAI|Moonshot(?: AI)?|Zhipu(?: AI)?|Z\.ai|MiniMax|NVIDIA|Cohere|Baidu|ByteDance|Tencent|Amazon)"
)
_MADE = r"(?:created|made|trained|developed|built|designed|fine-tuned)"
_KIND = r"(?:AI|artificial intelligence|assistant|chatbot|(?:large )?language model|model)"
_IDENTITY = re.compile(
    "|".join(
        (
            rf"\bI(?:['’]m| am) (?:actually |just |really )?{_MODELS}(?![\w'’])",
            rf"\b[Mm]y name is {_MODELS}(?![\w'’])",
            rf"\bI(?:['’]m| am| was)(?: an?)?(?: \w+){{0,4}}?,? {_MADE} by {_MAKERS}\b",
            rf"\b[Aa]s an? (?:\w+ ){{0,3}}?{_KIND}(?: \w+){{0,2}},? {_MADE} by {_MAKERS}\b",
            rf"\b{_MAKERS} (?:created|made|trained|developed|built) me\b",
        )
    )
)
"""In the first person and with a name: a text about a model is no leak."""

_CONTROL = re.compile(
    r"<[|｜][A-Za-z][A-Za-z0-9_▁ -]{2,40}[|｜]>"  # ChatML, Llama 3, GPT, DeepSeek, Phi, Harmony; not <|x|>
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad)>"  # Gemma and SentencePiece
    r"|\[/?INST\]|<</?SYS>>|\[(?:/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT))\]"  # Llama 2, Mistral
    r"|</?(?:tool_call|tool_response|function_call)>|</s>"
)

_INJECTION = re.compile(
    r"\b(?:ignore|disregard|forget|override) (?:all |any |the |your |my )*(?:of )?(?:the |your )?"
    r"(?:previous|prior|above|earlier|preceding|foregoing|system) (?:instructions?|prompts?|rules|guidelines)\b"
    r"|\byou are now (?:in )?(?:DAN|developer mode|jailbroken|unrestricted)\b"
    r"|\b(?:reveal|print|repeat|output) (?:your|the) (?:system prompt|hidden instructions|initial instructions)\b",
    re.IGNORECASE,
)


def check_identity(trace: Trace, policy: JudgePolicy) -> Finding:
    """Nowhere does the teacher say which model it is or who made it: a student would say it of itself."""
    if found := _IDENTITY.search(trace.text):
        said = " ".join(found[0].split())
        return rejected("identity_leak", f"the teacher says {said!r}", identity=said)
    return passed(identity=None)


def check_control(trace: Trace, policy: JudgePolicy) -> Finding:
    """No markers of chat templates, which a student's tokenizer would read as its own."""
    if found := _foreign(_CONTROL, trace):
        return rejected("control_tokens", f"the trace holds the control token {found!r}", control=found)
    return passed(control=None)


def check_injection(trace: Trace, policy: JudgePolicy) -> Finding:
    """No orders to whoever reads the trace."""
    if found := _foreign(_INJECTION, trace):
        return rejected("injection", f"the trace gives its reader an order: {found!r}", injection=found)
    return passed(injection=None)


def _foreign(pattern: re.Pattern[str], trace: Trace) -> str | None:
    """What matches in the trace, and is not in the question in these words: that may be spoken of."""
    question = trace.question.casefold()
    return next((found[0] for found in pattern.finditer(trace.text) if found[0].casefold() not in question), None)


ALWAYS = frozenset({"LATIN", "GREEK", "MICRO", "OHM", "KELVIN", "ANGSTROM", "FEMININE", "MASCULINE", "MODIFIER"})
"""Scripts that mathematics uses in any language, and letters that Unicode names otherwise."""
_LETTERS = re.compile(r"[^\W\d_]")
_ONE_SCRIPT = {
    "HIRAGANA": "CJK",
    "KATAKANA": "CJK",
    "KATAKANA-HIRAGANA": "CJK",
    "IDEOGRAPHIC": "CJK",
    "HALFWIDTH": "CJK",
}


@lru_cache(maxsize=65_536)
def script(letter: str) -> str:
    """The script of a letter: the first word of its Unicode name; Chinese and Japanese signs are one."""
    first = unicodedata.name(letter, "UNNAMED").split()[0]
    return _ONE_SCRIPT.get(first, first)


def check_script(trace: Trace, policy: JudgePolicy) -> Finding:
    """The trace keeps to the scripts of its question and reference."""
    if trace.text.isascii():
        return passed(foreign_script=0.0)
    known = ALWAYS | {script(letter) for letter in _LETTERS.findall(f"{trace.question} {trace.reference or ''}")}
    letters = _LETTERS.findall(unicodedata.normalize("NFKC", trace.text))
    foreign: dict[str, int] = {}
    for letter in letters:
        if not letter.isascii() and (name := script(letter)) not in known:
            foreign[name] = foreign.get(name, 0) + 1
    share = round(sum(foreign.values()) / max(1, len(letters)), 4)
    if share <= policy.max_foreign_script:
        return passed(foreign_script=share)
    most = max(foreign, key=lambda name: foreign[name])
    details = (
        f"{share:.1%} of its letters are of scripts that the question does not use, most of them {most.lower()}; "
        f"max_foreign_script is {policy.max_foreign_script:.1%}"
    )
    return rejected("script_mix", details, foreign_script=share)
