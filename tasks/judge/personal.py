"""The rule `personal`: addresses and numbers by which a person can be reached or charged (pure).

Only what proves itself: an e-mail address in a domain that can exist, a telephone number that its country's numbering
plan gives to subscribers (phonenumbers, Apache-2.0, offline), an IBAN whose check digits are right, a card number whose
check digit is right and that is grouped or called a card, an American social security number that is called one. What
the standards set aside for examples is nobody's. Not found on purpose, as mathematics is full of such runs: numbers
without `+` or brackets that nothing around them calls telephone numbers, IP addresses, names and postal addresses.
"""

import functools
import re
from collections.abc import Callable, Iterator
from itertools import islice

from tasks.judge.finding import Finding, Trace, passed, quarantined
from tasks.judge.policy import JudgePolicy

Found = Iterator[tuple[int, str]]
"""Where each stands, and what it is."""

_EMAIL = re.compile(r"(?<=[\w+-])@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}(?![\w.-]*[(\w@])")
_LOCAL = re.compile(r"[A-Za-z0-9][\w.%+-]{2,63}$")
_IN_URL = re.compile(r"://\S{0,60}$")
_NOBODY = re.compile(
    r"(?:^|\.)(?:example(?:\.\w+)?|test|invalid|localhost|local)$"  # RFC 2606, RFC 6761, RFC 6762
    r"|^(?:your|my|some|the)?-?(?:domain|company|email|e-mail|site|website|host|server|school|university)\.\w+$",
    re.IGNORECASE,
)
_ROLES = frozenset((
    "info", "marketing", "sales", "support", "abuse", "noc", "security", "postmaster", "hostmaster", "usenet", "news",
    "webmaster", "www", "uucp", "ftp",  # RFC 2142
    "admin", "contact", "help", "hello", "office", "service", "team", "jobs", "press", "billing", "noreply", "no-reply",
    "donotreply", "root", "git", "user", "username", "name", "your.name", "yourname", "firstname.lastname",
    "first.last", "someone", "somebody",
))  # fmt: skip
_GENERIC = frozenset(
    ("com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "name", "pro", "dev", "app", "eu", "uk")
)


def _domains() -> frozenset[str]:
    """Top-level domains: those of countries, by ISO 3166, and a few others."""
    import phonenumbers

    return _GENERIC | {region.lower() for region in phonenumbers.SUPPORTED_REGIONS}


def emails(text: str) -> Found:
    """Addresses of persons: not of roles (RFC 2142), nor in domains for examples."""
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        local = _LOCAL.search(text, max(0, match.start() - 64), match.start())
        domain = match[0][1:].lower()
        if (
            local
            and local[0].lower() not in _ROLES
            and domain.rpartition(".")[2] in _known_domains()
            and not _NOBODY.search(domain)
            and not _IN_URL.search(text, max(0, match.start() - 80), match.start())
        ):
            yield local.start(), local[0] + match[0]


_known_domains = functools.cache(_domains)

_RUN = re.compile(r"\d[\d ().-]{7,}+")
_FEWEST_DIGITS = 9
_ABROAD = re.compile(
    r"\+(?<![\w)\]}$=]\+)(?<![\d)\]}=] \+)[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d[\d .-]{5,14}\d(?!\w)"
)
_BRACKETED = re.compile(r"\(\d{3}\)(?<![\w)]\(\d{3}\)) ?\d{3}-\d{4}(?![\w-])")
_HYPHENED = re.compile(r"\d{3}(?<![\w.-]\d{3})-\d{3}-\d{4}(?![\w-])")
_CALLED = re.compile(
    r"\b(?:phone|telephone|tel|call|mobile|cell|fax|dial|text me|whatsapp)\b[^\n\d]{0,30}$", re.IGNORECASE
)
_FICTITIOUS = re.compile(
    r"\+1\d{3}555\d{4}"  # NANP: 555-01xx is set aside for stories, and the rest of 555 for directories
    r"|\+44(?:2079460\d{3}|7700900\d{3}|1632960\d{3}|1\d{2}4960\d{3}|8081570\d{3})"  # Ofcom: numbers for drama
    r"|\+61(?:[2378]5550\d{4}|[2378]7010\d{4}|491570\d{3}|49157\d{4})"  # ACMA: numbers for fiction
    r"|\+33(?:199|261|353|465|536|639)\d{6}"  # ARCEP: numbers for fiction
    r"|\+1\d{3}1234567|\+\d{1,3}\d{0,4}(?:12345678?9?0?|(\d)\1{6,})"
)
_MOST = 32
"""Candidates of a kind that are looked at in one text, so that no text takes long."""


def phones_abroad(text: str) -> Found:
    """Numbers with `+` that a numbering plan gives to subscribers."""
    for match in islice(_ABROAD.finditer(text), _MOST):
        if _is_subscriber(match[0]):
            yield match.start(), match[0]


def phones(text: str, at: int, end: int) -> Found:
    """The same in American form: with brackets, or where the text calls it a telephone number."""
    for pattern in (_BRACKETED, _HYPHENED):
        for match in pattern.finditer(text, at, end):
            is_called = pattern is _BRACKETED or _CALLED.search(text, max(0, match.start() - 60), match.start())
            if is_called and _is_subscriber(match[0]):
                yield match.start(), match[0]


def _is_subscriber(number: str) -> bool:
    import phonenumbers as plan

    try:
        parsed = plan.parse(number, "US")
    except plan.NumberParseException:
        return False
    kind = plan.PhoneNumberType
    people = {kind.FIXED_LINE, kind.MOBILE, kind.FIXED_LINE_OR_MOBILE, kind.PERSONAL_NUMBER, kind.VOIP}
    if not plan.is_valid_number(parsed) or plan.number_type(parsed) not in people:
        return False
    return not _FICTITIOUS.fullmatch(plan.format_number(parsed, plan.PhoneNumberFormat.E164))


_IBAN = re.compile(r"[A-Z]{2}(?<![\w]\w\w)\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_EXAMPLE_IBANS = frozenset(
    {"GB82WEST12345698765432", "GB29NWBK60161331926819", "DE89370400440532013000", "FR1420041010050500013M02606",
     "NL91ABNA0417164300", "BE68539007547034", "ES9121000418450200051332", "IT60X0542811101000000123456",
     "CH9300762011623852957", "AT611904300234573201", "GR1601101250000000012300695"}
)  # fmt: skip
"""The examples of the IBAN registry (SWIFT)."""


def ibans(text: str, at: int, end: int) -> Found:
    """Account numbers whose check digits are right: ISO 13616, which is ISO 7064 MOD 97-10. Of random digits 1 %
    pass, but those have no country before them."""
    for match in _IBAN.finditer(text, max(0, at - 12), end + 8):
        plain = match[0].replace(" ", "")
        if 15 <= len(plain) <= 34 and plain[:2].lower() in _known_domains() and plain not in _EXAMPLE_IBANS:
            turned = "".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])
            if int(turned) % 97 == 1:
                yield match.start(), match[0]


_CARD = re.compile(r"\d(?<![\w.,]\d)(?:\d{3}([ -])\d{4}\1\d{4}\1\d{4}|\d{3}([ -])\d{6}\2\d{5}|\d{12,18})(?![\w.,]?\d)")
_CARD_ISSUERS = re.compile(r"4|5[1-5]|2[2-7]|3[47]|6(?:011|4|5)|35|3[068]|62")
_CALLED_CARD = re.compile(r"\b(?:card|visa|mastercard|amex|credit|debit)\b[^\n\d]{0,40}$", re.IGNORECASE)
_TEST_CARDS = re.compile(
    r"(?:4242){4}|4(?:1{15}|0{11}\d{4}|0128888\w*)|5(?:5{11}4{4}|105105105105100|2008\d{11})|2223\d{9}222\d|3(?:78282246310005"
    r"|71449635398431|782822463\d*|056930902\d*|530111333\d*|566002020\d*|852000002\d*)|6011(?:1{11}7|0009901\d*|98\d*)"
)


def cards(text: str, at: int, end: int) -> Found:
    """Numbers with an issuer's first digits and a right check digit (ISO/IEC 7812, Luhn), grouped or called a card."""
    for match in _CARD.finditer(text, at, end):
        digits = re.sub(r"\D", "", match[0])
        is_called = len(digits) < len(match[0]) or _CALLED_CARD.search(text, max(0, match.start() - 80), match.start())
        if is_called and _CARD_ISSUERS.match(digits) and _is_luhn(digits) and not _TEST_CARDS.fullmatch(digits):
            yield match.start(), match[0]


def _is_luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


_SSN = re.compile(r"(?!000|666|9)\d{3}(?<![\w.-]\d{3})-(?!00)\d\d-(?!0000)\d{4}(?![\w-])")
_CALLED_SSN = re.compile(r"\b(?:SSN|social[ -]security)\b[^\n\d]{0,40}$", re.IGNORECASE)
_PUBLISHED_SSNS = frozenset({"078-05-1120", "219-09-9999", "123-45-6789"})


def ssns(text: str, at: int, end: int) -> Found:
    """American social security numbers that the text calls so; those once printed in advertisements are nobody's."""
    for match in _SSN.finditer(text, at, end):
        if match[0] not in _PUBLISHED_SSNS and _CALLED_SSN.search(text, max(0, match.start() - 80), match.start()):
            yield match.start(), match[0]


_NUMBERS: tuple[tuple[str, Callable[[str, int, int], Found]], ...] = (
    ("telephone number", phones), ("IBAN", ibans), ("card number", cards), ("social security number", ssns),
)  # fmt: skip


_DIGITS_ALIKE = bytes(48 if 48 <= value <= 57 else value for value in range(256))
_SHAPES = (b"-0000", b"0000 0000", b"00000000")
"""One of these is in every number looked for that has no `+`, and seldom in another text."""


def personal(text: str) -> Iterator[tuple[str, int, str]]:
    """Kind, place and text of every such address or number."""
    yield from (("e-mail address", at, found) for at, found in islice(emails(text), _MOST))
    yield from (("telephone number", at, found) for at, found in phones_abroad(text))
    shapes = text.encode("utf-8", "replace").translate(_DIGITS_ALIKE)
    if not any(shape in shapes for shape in _SHAPES):
        return
    for run in islice(_long_runs(text), _MOST):
        for kind, numbers in _NUMBERS:
            yield from ((kind, at, found) for at, found in islice(numbers(text, *run), _MOST))


def _long_runs(text: str) -> Iterator[tuple[int, int]]:
    """Where digits stand together that could be such a number, with what may belong before them."""
    for run in _RUN.finditer(text):
        if sum(map(run[0].count, "0123456789")) >= _FEWEST_DIGITS:
            yield max(0, run.start() - 2), run.end()


def check_personal(trace: Trace, policy: JudgePolicy) -> Finding:
    """No personal address or number but what the question itself holds. For a person to look at, as only a person can
    tell a made-up one from a leaked one. The verdict keeps kind and place only: a hash of so few digits is no veil."""
    question = trace.question.casefold()
    for part, text in (("answer", trace.answer), ("reasoning", trace.reasoning)):
        for kind, at, found in personal(text):
            if found.casefold() not in question:
                return quarantined(
                    "personal_data", f"{kind} at character {at} of the {part}", kind=kind, part=part, at=at
                )
    return passed(kind=None)
