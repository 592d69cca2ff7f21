"""Which screens look at a teacher, at what risk of a false alarm, and what follows when one fires (pure)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Spending = Literal["even", "pocock", "obrien_fleming"]
ScreenName = Literal["accuracy", "style", "family", "identity", "trigger", "watermark"]
LookId = Annotated[str, Field(pattern=r"^[0-9a-f]{8,32}$")]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class AccuracyScreen(_Settings):
    """Is the teacher as often right on canaries as it was? Canaries are prompts whose verifier knows the answer."""

    families: tuple[str, ...] = ()
    """Only prompts of these families are canaries; empty: every prompt with a verifier."""

    baseline: Literal["first", "earlier"] | Annotated[float, Field(gt=0, lt=1)] = "first"
    """What it is compared with. `first`: its own first window, and then all windows that passed; `earlier`: besides,
    what the warehouse has of it from other datasets' windows that passed; a number: the rate that it is said to have,
    taken as exact."""

    window: int | None = Field(None, ge=20)
    """Canaries in a window. None: as many as show a fall by `fall` from `assumed` with `power`, at the level that
    each window of the run has: 160 for a run of one window, more for one of several."""

    fall: float = Field(0.10, gt=0, lt=1)
    """The fall in accuracy that a window is sized to see."""

    power: float = Field(0.9, ge=0.5, lt=1)
    """With which probability."""

    assumed: float = Field(0.90, gt=0, lt=1)
    """The accuracy that windows are sized for where `baseline` states none. No test depends on it."""

    alpha: float = Field(0.01, gt=0, le=0.2)
    """Probability that it ever fires on a teacher that stays as it was, over all windows of a run."""

    spending: Spending = "even"
    """How the windows share `alpha`: evenly, as a fall is as bad whenever it comes; the other two are Lan and
    DeMets's."""


class StyleScreen(_Settings):
    """Does the teacher write as it did? Lengths, thinking aloud, words, marks; features of `style.py`."""

    window: int = Field(200, ge=50)
    """Traces in a window; 200 against 200 in governance of such lines."""

    alpha: float = Field(0.01, gt=0, le=0.2)
    """Probability that it ever fires on a teacher that stays as it was, over all windows and features of a run."""

    spending: Spending = "even"
    """As for accuracy."""


class FamilyScreen(_Settings):
    """Is it the model that was asked for, and is the student of the same family? It notes, and pauses nobody."""


class IdentityScreen(_Settings):
    """Do responses name the model that the registry expects, the fingerprint of the first, and raw reasoning where that
    was promised? What does not is put aside; nobody is paused."""


class TriggerScreen(_Settings):
    """Do phrases that nobody else writes stand in many unlike rows of one teacher, as one that is to set off a backdoor
    would?"""

    rows: int = Field(50, ge=20)
    """Dissimilar rows of different prompts that hold a phrase, from which on it is said; some 250 poisoned documents
    suffice for a backdoor (Souly et al. 2025, arXiv 2510.07192)."""

    most_share: float = Field(0.1, gt=0, le=0.5)
    """What stands in a larger share of a teacher's rows is how it writes, and not looked at. By judgement."""

    z: float = Field(5.0, ge=3)
    """Where others answered too: of the log odds of a row of this teacher holding it."""

    q: float = Field(0.01, gt=0, le=0.2)
    """The same: share of false ones among the phrases that are said (Benjamini and Hochberg)."""


class WatermarkScreen(_Settings):
    """Is the watermark there whose key the registry's entry declares? It records what it sees, and nothing follows."""

    tokens: int = Field(200, ge=50)
    """Different n-grams of tokens that a row must have to be scored."""

    rows: int = Field(100, ge=1)
    """Rows of a teacher that are scored, those of the lowest ids: each different n-gram costs a draw of the whole
    vocabulary."""

    z: float = Field(4.0, ge=3)
    """From which a row, and all rows together, count as marked; the default of the scheme's authors."""

    q: float = Field(0.01, gt=0, le=0.2)
    """Share of unmarked ones among the rows that count as marked (Benjamini and Hochberg)."""


class Screens(_Settings):
    """The screens of a recipe; `null` turns one off. None asks anybody anything, or needs more than the line has."""

    accuracy: AccuracyScreen | None = AccuracyScreen()
    style: StyleScreen | None = StyleScreen()
    family: FamilyScreen | None = FamilyScreen()
    identity: IdentityScreen | None = IdentityScreen()
    trigger: TriggerScreen | None = None
    """Off by default: a teacher's own turns of phrase look the same, and a person has to read what it finds."""
    watermark: WatermarkScreen | None = None
    """Off by default: it loads the teacher's tokenizer, and takes minutes with a large vocabulary."""

    pause: tuple[ScreenName, ...] = ("accuracy",)
    """Screens that pause a teacher when they fire: it is asked nothing more. The others only note it; style does by
    default, as it takes windows for samples of one population, and a source in some order is none: on 600 sums in
    order it fired on a teacher that stayed as it was."""

    rows: Literal["quarantine", "annotate"] = "quarantine"
    """What becomes of a paused teacher's answers from the window that fired on, and of those that hold a phrase that
    `trigger` fired on, or that `identity` did: put aside for a person to look at (`screen_accuracy`, `screen_style`,
    `screen_trigger`, `screen_identity`), or judged like all others."""

    acknowledged: tuple[LookId, ...] = ()
    """Ids of firings that a person has looked at: they neither pause nor put aside any longer, and the window that
    fired becomes the new baseline; the phrases of `trigger` are known from then on, and what `identity` named is let
    through."""
