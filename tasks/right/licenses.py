"""Licence ids, and two short tables: whose outputs may be trained on, which prompts may be used (pure).

Ids are SPDX expressions, checked against the lists that `license-expression` carries. A licence that is in no
table is not forbidden, it is unknown, and unknown denies.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from license_expression import ExpressionError, Licensing, get_spdx_licensing

OWN_PROMPTS = "LicenseRef-own"
"""What `prompts.license` says of prompts that the recipe's author wrote or owns."""

_NOTICE = "keep its notice; it claims nothing about what the software puts out"
_NO_CLAIM = "puts no restriction or obligation on any use of outputs, in so many words"
_DEDICATED = "its owner gave up the rights a licence would need"

WEIGHTS_WITH_TRAINABLE_OUTPUTS: Mapping[str, str] = {
    "MIT": _NOTICE,
    "MIT-0": _NOTICE,
    "Apache-2.0": _NOTICE,
    "BSD-2-Clause": _NOTICE,
    "BSD-3-Clause": _NOTICE,
    "ISC": _NOTICE,
    "0BSD": _DEDICATED,
    "Unlicense": _DEDICATED,
    "CC0-1.0": _DEDICATED,
    "CC-BY-4.0": "name the author when sharing the weights; it has no clause about outputs",
    "OpenMDW-1.0": _NO_CLAIM,
    "LicenseRef-scancode-openmdw-1.0": _NO_CLAIM,
}
"""Licences whose text neither forbids training on outputs nor attaches a duty to it, each with the reason."""

_ATTRIBUTE = "may be adapted and shared when the source is named, which every row and card does"

PROMPTS_FREE_TO_USE: Mapping[str, str] = {
    "MIT": _NOTICE,
    "MIT-0": _NOTICE,
    "Apache-2.0": _NOTICE,
    "BSD-2-Clause": _NOTICE,
    "BSD-3-Clause": _NOTICE,
    "ISC": _NOTICE,
    "0BSD": _DEDICATED,
    "Unlicense": _DEDICATED,
    "CC0-1.0": _DEDICATED,
    "PDDL-1.0": _DEDICATED,
    "CC-BY-3.0": _ATTRIBUTE,
    "CC-BY-4.0": _ATTRIBUTE,
    "ODC-By-1.0": _ATTRIBUTE,
    "CDLA-Permissive-1.0": "permits publishing and computed results",
    "CDLA-Permissive-2.0": "permits publishing and computed results",
    OWN_PROMPTS: "the recipe's author says that the prompts are their own",
}
"""Licences under which prompts may be asked, published inside a dataset and trained on.

Left out on purpose, so that they deny: non-commercial (-NC-) and no-derivatives (-ND-) licences, and
share-alike and copyleft ones (CC-BY-SA, ODbL, GPL), whose duty would pass to the whole published version.
"""

NEWER_THAN_THE_BUNDLED_LIST = frozenset(
    {
        "OpenMDW-1.0",
        "LicenseRef-scancode-gemini-api-additional-tos-2025",
        "LicenseRef-scancode-gemma-tou-2025-03-24",
        "LicenseRef-scancode-moonshot-ai-modified-mit-2025",
        "LicenseRef-scancode-nvidia-model-training-2025",
        "LicenseRef-scancode-qwen-2024",
    }
)
"""In SPDX or ScanCode's licence database (053a651f, 2026-02-24), not yet in license-expression 30.4.4."""

_OWN_REFERENCE = re.compile(r"LicenseRef-(?!scancode-)[A-Za-z0-9.-]+")


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


def checked(license: str) -> str:
    """Spell a licence expression as SPDX does. ValueError says which id in it is not one.

    `LicenseRef-...` of one's own is accepted; `LicenseRef-scancode-...` must be on the list it names.
    """
    expression = _parse(license)
    for symbol in sorted(str(key) for key in _licensing().license_keys(expression)):
        known = symbol in _licensing().known_symbols or symbol in NEWER_THAN_THE_BUNDLED_LIST
        if not known and not _OWN_REFERENCE.fullmatch(symbol):
            raise ValueError(
                f"{symbol!r} is no SPDX licence id: use one (MIT, Apache-2.0, ...), or LicenseRef-<name>"
                " for a text that has none"
            )
    return str(expression)


def why_listed(license: str, table: Mapping[str, str]) -> str | None:
    """Why a table lists a licence expression (all sides of AND, any side of OR); None when it does not."""
    try:
        return _why(_parse(checked(license)), table)
    except ValueError:
        return None


def _parse(license: str) -> Any:
    try:
        expression = _licensing().parse(license)
    except ExpressionError as error:
        raise ValueError(f"{license!r} is no SPDX licence expression") from error
    if expression is None:
        raise ValueError("the licence is empty")
    return expression


def _why(expression: Any, table: Mapping[str, str]) -> str | None:
    operator = getattr(expression, "operator", "").strip()
    if operator in ("AND", "OR"):
        join: Callable[[list[bool]], bool] = all if operator == "AND" else any
        sides = [_why(side, table) for side in expression.args]
        return "; ".join(why for why in sides if why) if join([why is not None for why in sides]) else None
    key = str(getattr(expression, "key", ""))  # a licence WITH an exception has a key that no table lists
    return f"{key}: {table[key]}" if key in table else None
