import pytest

from tasks.right.licenses import (
    OWN_PROMPTS,
    PROMPTS_FREE_TO_USE,
    WEIGHTS_WITH_TRAINABLE_OUTPUTS,
    checked,
    why_listed,
)


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("MIT", "MIT"),
        ("apache-2.0", "Apache-2.0"),
        ("MIT or Apache-2.0", "MIT OR Apache-2.0"),
        ("OpenMDW-1.0", "OpenMDW-1.0"),
        ("LicenseRef-scancode-deepseek-la-1.0", "LicenseRef-scancode-deepseek-la-1.0"),
        ("LicenseRef-our-contract.2026", "LicenseRef-our-contract.2026"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
    ],
)
def test_an_spdx_id_is_accepted_in_its_own_spelling(written: str, spelled: str) -> None:
    assert checked(written) == spelled


@pytest.mark.parametrize(
    "invented",
    [
        "Apache2",
        "LicenseRef-scancode-made-up",
        "MIT AND",
        "",
        "   ",
        "LicenseRef-",
        "LicenseRef-a b",
        "MIT OR Nope-1.0",
    ],
)
def test_an_invented_id_is_refused(invented: str) -> None:
    with pytest.raises(ValueError):
        checked(invented)


def test_every_id_of_the_tables_is_a_licence() -> None:
    for license in (*WEIGHTS_WITH_TRAINABLE_OUTPUTS, *PROMPTS_FREE_TO_USE):
        assert checked(license) == license


@pytest.mark.parametrize(
    ("expression", "listed"),
    [
        ("mit", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND (Apache-2.0 OR CC-BY-NC-4.0)", True),
        ("Apache-2.0 WITH LLVM-exception", False),
        (OWN_PROMPTS, True),
        ("CC-BY-SA-4.0", False),
        ("CC-BY-NC-4.0", False),
        ("LicenseRef-mine", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_a_licence_expression_is_free_when_a_permitted_choice_covers_it(expression: str, listed: bool) -> None:
    assert (why_listed(expression, PROMPTS_FREE_TO_USE) is not None) == listed
