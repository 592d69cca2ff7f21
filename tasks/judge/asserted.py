"""Whether an equation is stated, by the words around it, or only spoken of (pure): supposed, denied, asked, rounded,
taken back, or a part of something else."""

import re

AROUND = 60
"""Characters before and after an equation that are looked at."""
_OTHER_ARITHMETIC = re.compile(
    r"\bmod(?:ulo|ul[aeu]\w*)?\b|\\[bp]?mod|\\equiv|≡|\bbase[- ](?:\d|two|three|four|five|six|seven|eight|nine|ten|b\b)"
    r"|\bbinary\b|\bhexadecimal\b|\boctal\b|\bo['’]clock\b|\bcryptarithm|\balphametic|\bclock arithmetic",
    re.IGNORECASE,
)
_OWN_OPERATION = re.compile(
    r"\boperation\b|\bdefined? (?:by|as|to)\b|\b[a-z] ?(?:\*|×|÷|/|\\(?:ast|times|div|star|circ|oplus)) ?[a-z]\b ?=",
    re.IGNORECASE,
)
_TAKEN_UP = re.compile(
    r"\b(?:if|suppos\w+|assum\w+|imagin\w+|pretend\w*|say|claim\w*|not|never|wrong\w*|incorrect\w*|false\w*|mistak\w+"
    r"|errors?|instead|rather|whether|unless|would|approx\w*|about|roughly|around|nearly|almost|estimat\w+|round\w*"
    r"|wrote|written)\b[^.!?\n]{0,30}$|n['’]t\b[^.!?\n]{0,30}$",
    re.IGNORECASE,
)
"""Before an equation: it is supposed, denied, quoted or rounded."""
_LEADS_ON = re.compile(
    r"(?:\b(?:of|by|plus|minus|times|over|twice|thrice|double|triple|half|third|quarter|less|than|to|root|sqrt|sin|cos"
    r"|tan|cot|sec|log|ln|exp|gcd|lcm|max|min|floor|ceil|abs|mod|choose|dozen|hundred|thousand|million|billion|and a"
    r"|one|two|three|four|five|six|seven|eight|nine|ten)|(?<![A-Za-z])[A-Za-z]|\d and|\\[A-Za-z]+)[ (]*$",
    re.IGNORECASE,
)
"""Words that belong to the arithmetic after them."""
_GOES_ON = re.compile(
    r"\s*(?:\\text\w*\{\s*)?(?:million|billion|trillion|thousand|hundred|dozen|percent|per cent|plus|minus|times"
    r"|divided|multiplied|less|more than|mod|modulo|remainder|rem|with|and (?:a|one|\d)|squared|cubed|to the"
    r"|o['’]clock|am|pm|a\.m|p\.m|or|R|r)\b|\s*[\r\n][\s&]*[+/*^](?! )|\s*\r[\s&]*[-+*/]|[!?]",
    re.IGNORECASE,
)
"""Words and signs that belong to the number before them."""
_TAKEN_BACK = re.compile(
    r"[^\n=]{0,12}\?|[.?,;:!(—–…-]\s*(?:no|nope|wait|hmm+|oops|hold on|sorry|actually|but|scratch|let me)\b"
    r"|\b(?:wait|oops|wrong|incorrect|mistake\w*|error|false|not|instead|should (?:be|have|equal)|impossible"
    r"|contradict\w*|absurd|nonsense|round\w*|approx\w*|nearest|roughly|estimat\w*|cents|mod)\b"
    r"|n['’]t\b|≠|≈|\\ne|✗|❌",
    re.IGNORECASE,
)
_CONTINUED = re.compile(r"[-+*/(,^]\s*[\r\n]\s*$")
_WORD_AFTER = re.compile(r"\s*(?:\\text\w*\{\s*)?[A-Za-z]{2}")
_NAME = re.compile(r"[A-Za-z] *$")


def is_other_arithmetic(text: str) -> bool:
    """The text speaks of a base or a modulus."""
    return bool(_OTHER_ARITHMETIC.search(text))


def has_own_operation(question: str) -> bool:
    """The question says what a sign shall mean."""
    return bool(_OWN_OPERATION.search(question))


def is_stated(before: str, after: str) -> bool:
    """Nothing of what stands before and after an equation says that it is no statement."""
    led_up = _TAKEN_UP.search(before) or _LEADS_ON.search(before) or _CONTINUED.search(before)
    return not (led_up or _GOES_ON.match(after) or _TAKEN_BACK.search(after))


def follows_a_name(before: str) -> bool:
    """A word stands directly before: what follows may be its number, as in `Week 2`."""
    return bool(_NAME.search(before))


def names_a_unit(after: str) -> bool:
    return bool(_WORD_AFTER.match(after))
