"""What a verifier says of one answer (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """What a verifier said of one answer."""

    score: float | None
    """1 right, less not right, None undecided (or not asked, with the verifier `none`)."""
    details: str
    """One line for people, e.g. `expected 151, got 150`."""
    code: str | None = None
    """Why it is undecided; None where it decided or was not asked."""
    got: str | None = None
    """The final answer that was found."""
    sandbox: str | None = None
    """In which sandbox code ran; None where none was run."""

    @property
    def right(self) -> bool:
        return self.score is not None and self.score >= 1
