"""What rejects a trace, and at which threshold (pure). Every default says where it comes from."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.judge.opinion import LlmJudge
from tasks.judge.screens.policy import Screens

RuleName = Literal[
    "finish", "empty", "encoding", "reasoning", "refusal", "identity", "control", "injection", "secrets", "personal",
    "script", "question", "contamination", "length", "repetition", "duplicate",
]  # fmt: skip
"""The rules that `JudgePolicy.annotate` can quieten; the answer check has its own field."""


PRESETS: dict[str, dict[str, object]] = {
    "sft": {"answer": "annotate", "keep_per_prompt": 4},
    "rl": {"answer": "require", "keep_per_prompt": 1, "min_pass_rate": 1 / 16, "max_pass_rate": 15 / 16},
}
"""`sft`: for fine-tuning, where OpenThoughts3 (2506.04178) found no filter by answer that beat keeping all; four
different traces a prompt are a middle between one and its sixteen. `rl`: what gives a reward signal, as Skywork-OR1
keeps prompts with 1 to 15 of 16 samples right; a prompt once, as its traces are only a start."""


class JudgePolicy(BaseModel):
    """The judge's part of a recipe.

    A rule always measures; whether what it finds rejects the trace is decided here. A rule that cannot
    decide says `undecided`, and an undecided trace is never published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    preset: Literal["sft", "rl"] | None = None
    """Defaults for a purpose (`PRESETS`); what the recipe says itself holds."""

    answer: Literal["require", "annotate"] = "require"
    """`require`: where the prompt names a verifier (other than none), only an answer that it accepts is
    kept, and one that it cannot check is `undecided`. `annotate`: the check is stored and rejects nothing.
    Published work differs: keeping wrong answers did not hurt fine-tuning in OpenThoughts3 (arXiv
    2506.04178), while sets made for RL, DeepMath (2504.11456) and OpenR1 keep verified rows only. We
    require by default because whoever names a verifier has said what right means, and because one word in
    the recipe and a second judging, which asks no teacher, give the other choice."""

    annotate: tuple[RuleName, ...] = ()
    """Rules that record what they find and reject nothing. `secrets` rejects, as no credential teaches anything and the
    rest of such a trace is suspect; `personal` puts aside, as most of what it finds in stories is made up and only a
    person can tell."""

    complete: tuple[str, ...] = ("stop", "end_turn", "stop_sequence", "eos", "eos_token")
    """Finish reasons of an answer that ended by itself: OpenAI-compatible servers say `stop`; the others
    are what servers with their own words pass through."""

    min_tokens: int = Field(4, ge=0)
    """Fewest tokens of reasoning and answer together, by cl100k_base whoever the teacher is. Low on purpose: it
    catches a bare number or 'OK', which teach no reasoning; 64 is usual for long-thinking teachers. Set 0
    for labels and other one-word answers."""

    max_tokens: int = Field(16_384, ge=1)
    """Most tokens, counted likewise; OpenCodeReasoning (arXiv 2504.01943) and most open sets cut at 16k."""

    min_reasoning_tokens: int = Field(0, ge=0)
    """Fewest tokens of reasoning, counted likewise. 0, as many teachers think in the answer itself; 16
    for teachers that have a reasoning field."""

    max_repeated: float = Field(0.5, gt=0, le=1)
    """Largest share of word 8-grams that occurred before in the same trace. Measured on 20,000 clean
    traces: 99th percentile 0.075, largest 0.41; a loop of 20 words x 40 starts at 0.51."""

    max_compression: float = Field(5.0, gt=1)
    """Largest ratio of bytes to zstd (level 1) bytes, for loops without spaces. Measured: clean at most
    2.9, loops 5.8."""

    max_foreign_script: float = Field(0.05, ge=0, le=1)
    """Largest share of a trace's letters from scripts that its question does not use (Latin and Greek always may
    occur). Teachers that think in two languages switch for whole sentences; one quoted word stays below it."""

    min_question_characters: int = Field(0, ge=0)
    """Fewest characters of a question. 0, as `2 + 2 = ?` is a question; 20 drops fragments of scraped sets."""

    eval_packs: tuple[Path, ...] = ()
    """Files of evaluation questions (JSON lines with `question`, `problem`, `prompt`, `instruction` or `input`): what
    holds one of them is no training data. A relative path is taken from the recipe's folder."""

    max_eval_coverage: float = Field(0.5, gt=0, le=1)
    """Share of an evaluation question's runs of words (8 in questions, 13 in traces) from which a question or a trace
    holds it. Any one run, which is usual, flags 10 % of MATH's training questions, most of them for their
    boilerplate."""

    review_eval_coverage: float = Field(0.25, gt=0, le=1)
    """From this share on, with 13 words in a row in common, a question is put aside for a person to look at."""

    near_duplicate_jaccard: float = Field(0.8, ge=0.75, le=1)
    """Exact Jaccard of word 5-grams from which two traces are near duplicates; the usual value since Lee et
    al. (2107.06499). Not below 0.75: the bands that propose pairs (25 of 5) would miss too many."""

    cross_prompt_words: int = Field(20, ge=0)
    """Traces of different prompts are duplicates only from this many words: a short answer is right for
    many questions."""

    template: Literal["annotate", "reject"] = "annotate"
    """What happens to a trace made of text that its teacher repeats whatever it is asked. Noted by default: unlike a
    duplicate no best one is kept, so that rejecting can take every answer of a teacher that always works in one form,
    and AM-DeepSeek, whose rule this is, does not say what it gained by it."""

    template_prompts: int = Field(20, ge=1)
    """Prompts in whose traces 20 words in a row must occur, and in more, to be a template; 20 as in AM-DeepSeek (arXiv
    2503.19633)."""

    max_template: float = Field(0.2, ge=0, le=1)
    """Largest share of a trace's 20-grams that are templates. An opening and a closing phrase stay below it."""

    steps: Literal["annotate", "reject"] = "annotate"
    """What happens to a trace that states false equations. Noted by default: keeping wrong work did not hurt
    fine-tuning in OpenThoughts3 (arXiv 2506.04178), and a student may profit from a slip that its teacher corrects. A
    teacher of which many traces are noted is spoiled, or bad at sums: `reject`."""

    max_false_steps: float = Field(0.1, ge=0, lt=1)
    """Largest share of the equations that could be worked out that may be false. A trace of fewer than ten is allowed
    none, while one slip in ten equations, which a long trace of thoughts may notice and mend, passes. Of 8,792 human
    solutions of gsm8k 13 have more, none of the 500 of MATH (`bench/judge/false_positives.py`)."""

    consistency: Literal["annotate", "quarantine"] = "annotate"
    """What happens to a trace whose reasoning comes to another answer than it gives. `quarantine`: it is put aside
    for a person, who alone can say which of the two is meant. Noted by default, as no published figure says that
    leaving such traces out helps."""

    keep_per_prompt: int | None = Field(None, ge=1)
    """Most traces kept for one prompt. Unlimited by default: samples cost money, 16 a prompt helped in
    OpenThoughts3, and `samples_per_prompt` already bounds them."""

    screens: Screens = Screens()
    """What looks at a teacher over the whole run, and pauses it; no part of the rule set."""

    llm: LlmJudge | None = None
    """An LLM judge that is asked about what the verifiers leave open. None: nobody is."""

    vote_samples: int = Field(8, ge=2)
    """Where a prompt has no reference and its verifier compares answers, its samples vote; with fewer than this they
    are undecided. 8 or more is the advice for a majority that stands in for a reference; OpenMathReasoning
    (2504.16891) took 32."""

    vote_share: float = Field(0.5, ge=0.5, le=1)
    """Share of all samples of a prompt that must give one answer for it to count as right; of two with half each,
    neither does."""

    pass_rate_samples: int = Field(4, ge=2)
    """Fewest samples of a prompt from which its pass rate may reject."""

    min_pass_rate: float = Field(0.0, ge=0, le=1)
    """Prompts of which a smaller share of samples is right are too hard to learn from. 0: none."""

    max_pass_rate: float = Field(1.0, ge=0, le=1)
    """Prompts of which a larger share is right teach nothing in reinforcement learning. 1: none."""

    @model_validator(mode="before")
    @classmethod
    def _preset_fills_in(cls, data: Any) -> Any:
        preset = data.get("preset") if isinstance(data, dict) else None
        return {**PRESETS[preset], **data} if isinstance(preset, str) and preset in PRESETS else data

    def rejects(self, rule: str) -> bool:
        """Whether what `rule` finds rejects the trace (or leaves it undecided)."""
        own = {
            "answer": self.answer == "require",
            "template": self.template == "reject",
            "steps": self.steps == "reject",
            "consistency": self.consistency == "quarantine",
        }
        return own.get(rule, rule not in self.annotate)
