"""The chain of decisions as the catalog holds it."""

from typing import Any

from tasks.right.decisions import GENESIS, Decision
from warehouse.errors import RunFailed

Connection = Any
"""What `warehouse.catalog.connect` gives; only the warehouse names its library."""

ENDS = "select decision_id from store.decision where decision_id not in (select prev_hash from store.decision)"
"""The newest decision; more than one row where the chain was tampered with."""

_CHAIN = """
    select decision_id, prev_hash, "at", verdict, purpose, teacher, terms_id, terms_sha256, reasons, record
    from store.decision
"""


def read_chain(connection: Connection) -> tuple[Decision, ...]:
    """Every decision, in no order that matters."""
    return tuple(Decision(*row) for row in connection.execute(_CHAIN).fetchall())


def read_head(connection: Connection) -> str:
    """The newest decision's id; 64 zeros where there is none.

    Raises:
        RunFailed: the chain has more than one end, so nothing can be said to follow all that was decided.
    """
    ends = [decision_id for (decision_id,) in connection.execute(ENDS).fetchall()]
    if len(ends) > 1:
        raise RunFailed(
            f"the chain of decisions has {len(ends)} ends and not one: nothing was published; `still verify` says more"
        )
    return str(ends[0]) if ends else GENESIS
