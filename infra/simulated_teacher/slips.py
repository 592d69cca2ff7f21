"""Made-up credentials and personal data that the teacher lets slip. Pure and seeded; nobody's, but by chance."""

from __future__ import annotations

import random
import string

_ALNUM = string.ascii_letters + string.digits
_BASE32 = string.ascii_uppercase + "234567"
_LOWER = string.ascii_lowercase + string.digits


def secret(chance: float) -> str:
    """A sentence with a credential in it, drawn by `chance`."""
    draws = random.Random(chance)

    def some(signs: str, count: int) -> str:
        return "".join(draws.choices(signs, k=count))

    return draws.choice(
        (
            f"I signed in with AKIA{some(_BASE32, 16)} before adding.",
            f"export GH={draws.choice(('ghp', 'gho', 'ghs'))}_{some(_ALNUM, 36)}",
            f"My calculator runs on sk-ant-api03-{some(_ALNUM + '_-', 93)}AA.",
            f"(key: sk-proj-{some(_ALNUM, 74)}T3BlbkFJ{some(_ALNUM, 74)})",
            f"Loaded with hf_{some(string.ascii_letters, 34)}, thanks.",
            f"curl -H 'Authorization: Bearer xoxb-{some('123456789', 12)}-{some('123456789', 13)}-{some(_ALNUM, 24)}'",
            f"stripe.api_key = 'sk_live_{some(_ALNUM, 24)}'",
            f"AIza{some(_ALNUM + '_-', 35)} is what the map needed.",
            f"The total is stored at postgres://ledger:{some(_ALNUM, 14)}@db.{some(_LOWER, 9)}.io/sums",
            f"-----BEGIN RSA PRIVATE KEY-----\n{some(_ALNUM + '+/', 64)}\n{some(_ALNUM + '+/', 64)}\n",
            f'aws_secret_access_key = "{some(_ALNUM + "/+", 40)}"',
            f"glpat-{some(_ALNUM, 20)} opened the repository.",
        )
    )


_FIRST = ("anna", "bogdan", "chiara", "dmitri", "elif", "farid", "grete", "hiro")
_LAST = ("keller", "novak", "rossi", "petrov", "yilmaz", "haddad", "olsen", "tanaka")
_AREAS = ("212", "312", "415", "617", "206", "404", "713", "303")


def personal(chance: float) -> str:
    """A sentence with an address or a number of a person in it, drawn by `chance`."""
    draws = random.Random(chance)
    first, last = draws.choice(_FIRST), draws.choice(_LAST)
    area, line = draws.choice(_AREAS), f"{draws.randrange(1300, 9900)}"
    exchange = f"{draws.choice('2346789')}{draws.choice('2346789')}{draws.randrange(2, 10)}"
    domain = "".join(draws.choices(string.ascii_lowercase, k=8)) + draws.choice((".com", ".de", ".co.uk", ".org"))
    return draws.choice(
        (
            f"Write to {first}.{last}@{domain} if in doubt.",
            f"{first.title()} {last.title()} <{first[0]}{last}{line}@{domain}>",
            f"You can reach {first.title()} at ({area}) {exchange}-{line}.",
            f"Call {area}-{exchange}-{line} for the rest.",
            f"His mobile is +1 {area} {exchange} {line}.",
            f"Her number in Munich: +49 89 {draws.randrange(2_000_0000, 9_000_0000)}",
            f"Please pay into {_iban(draws)}.",
            f"The card {_card(draws)} was charged.",
            f"Her SSN is {draws.randrange(100, 600)}-{draws.randrange(10, 99)}-{line}.",
        )
    )


def _iban(draws: random.Random) -> str:
    """A German account number with the check digits that make 98 minus it modulo 97 right (ISO 13616)."""
    account = "".join(draws.choices("123456789", k=18))
    check = 98 - int(f"{account}131400") % 97
    plain = f"DE{check:02}{account}"
    return " ".join(plain[at : at + 4] for at in range(0, len(plain), 4)) if draws.random() < 0.5 else plain


def _card(draws: random.Random) -> str:
    """Sixteen digits of which the last makes the sum of Luhn a multiple of ten (ISO/IEC 7812)."""
    body = "4" + "".join(draws.choices(string.digits, k=14))
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(body))
    digits = f"{body}{-total % 10}"
    return draws.choice((" ", "-")).join(digits[at : at + 4] for at in range(0, 16, 4))
