"""Read LaTeX with math-verify's ANTLR grammar several times faster, into the same trees.

What ANTLR's runtime does in Python is done once for what comes again. Its lexer is an automaton whose edges are kept
here, those that lead nowhere too. Its parser sees kinds of tokens and no text (the grammar has no action and no
predicate but those of precedence), so a tree is read once for a sequence of kinds, and the tokens of each text are put
into it.

The parser runs in SLL mode first, whose predictions ANTLR keeps from one text to the next. SLL mode gives the tree
that LL mode would give, or a syntax error (ANTLR's documentation of PredictionMode.SLL). That holds for texts that are
parsed to their end, and `math`, the rule that is asked, ends with the end of the text. After an error the parse is
done again in LL mode, by ANTLR alone.
"""

import functools
import re
from typing import Any

_SHAPES = 1024
_LONGEST_SHAPE = 100
"""Tokens of a sequence whose tree is kept: a tree takes some 1.3 KB a token."""


class _Read:
    """A parser that is done: it gives the tree it has read."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree

    def math(self) -> Any:
        return self._tree


def two_stages(full: Any) -> Any:
    """latex2sympy's `create_parser`, with the quick reading first."""

    @functools.wraps(full)
    def create_parser(self: Any, latex: str) -> Any:
        is_inner = hasattr(self, "_has_read")  # it reads a part of a text whose tree is still in use
        self._has_read = True
        for text in dict.fromkeys((latex, grouped(latex))):
            if (tree := read(text, is_fresh=is_inner)) is not None:
                return _Read(tree)
        return full(self, latex)

    return create_parser


_POWER = re.compile(
    r"(?P<symbol>\\(?:pi|alpha|beta|gamma|delta|theta|lambda|mu|phi|omega)|(?<![_d\\])[a-cf-hj-zA-DF-HJ-Z])"
    r"\s*(?P<power>\^\s*(?:\d+|\{\s*\d+\s*\}))(?!\s*(?:[(_'!\[\d.]|\\left|\\[lb]))|\\[A-Za-z]+"
)


def grouped(latex: str) -> str:
    """`x^2` as `{x}^2`. The grammar knows the first in two ways, as a power and as a symbol with something above it
    (which it then takes for a power), and SLL mode stumbles over that; the second in one."""
    return _POWER.sub(lambda found: f"{{{found['symbol']}}}{found['power']}" if found["symbol"] else found[0], latex)


Place = tuple[int, int, int]
"""A token: its kind, and where its first and its last character stand."""


def read(text: str, *, is_fresh: bool = False) -> Any:
    """The tree of a text that SLL mode reads to its end, else None. It is valid until a text of the same kinds is read,
    and for good where it is a fresh one."""
    places = tokens(text)
    if places is None:
        return None
    kinds = tuple(kind for kind, _, _ in places)
    is_kept = len(kinds) <= _LONGEST_SHAPE and not is_fresh
    found = (_shape if is_kept else _shape.__wrapped__)(kinds)
    if found is None:
        return None
    tree, symbols = found
    source = None, _Text(text)
    for symbol, (_, start, stop) in zip(symbols, (*places, (0, len(text), len(text) - 1)), strict=True):
        symbol.source, symbol.start, symbol.stop = source, start, stop
    return tree


def quicken_trees() -> None:
    """Find the children of a tree's nodes without a generator for each."""
    from antlr4.ParserRuleContext import ParserRuleContext
    from antlr4.tree.Tree import TerminalNode

    @functools.wraps(ParserRuleContext.getTypedRuleContext)
    def rule(self: Any, kind: type, at: int) -> Any:
        for child in self.children or ():
            if isinstance(child, kind):
                if at == 0:
                    return child
                at -= 1
        return None

    @functools.wraps(ParserRuleContext.getToken)
    def token(self: Any, kind: int, at: int) -> Any:
        for child in self.children or ():
            if isinstance(child, TerminalNode) and child.symbol.type == kind:
                if at == 0:
                    return child
                at -= 1
        return None

    ParserRuleContext.getTypedRuleContext, ParserRuleContext.getToken = rule, token


class _Text:
    """As much of ANTLR's InputStream as its tokens ask."""

    def __init__(self, text: str) -> None:
        self._text, self.size = text, len(text)

    def getText(self, start: int, stop: int) -> str:
        return self._text[start : stop + 1]


@functools.lru_cache(_SHAPES)
def _shape(kinds: tuple[int, ...]) -> tuple[Any, list[Any]] | None:
    """The tree of a sequence of kinds, and the tokens in it; None where SLL mode does not read it to its end."""
    from antlr4 import PredictionMode
    from antlr4.error.Errors import ParseCancellationException
    from latex2sympy2_extended.antlr_parser import PSParser

    stream = _Stream(kinds)
    parser = PSParser(stream)
    parser._interp.predictionMode = PredictionMode.SLL
    parser._errHandler = _stop()
    try:
        return parser.math(), stream.tokens
    except ParseCancellationException:
        return None


class _Stream:
    """As much of ANTLR's TokenStream as its parser asks, of tokens that are all there."""

    def __init__(self, kinds: tuple[int, ...]) -> None:
        from antlr4 import Token
        from antlr4.Token import CommonToken

        self.tokens = [CommonToken(type=kind) for kind in (*kinds, Token.EOF)]
        for at, token in enumerate(self.tokens):
            token.tokenIndex, token.line = at, 1
        self.index = 0

    def LT(self, ahead: int) -> Any:
        at = self.index + ahead - (ahead > 0)
        return self.tokens[min(at, len(self.tokens) - 1)] if at >= 0 else None

    def LA(self, ahead: int) -> int:
        kind: int = self.LT(ahead).type
        return kind

    def consume(self) -> None:
        self.index += 1

    def get(self, index: int) -> Any:
        return self.tokens[index]

    def seek(self, index: int) -> None:
        self.index = index

    def mark(self) -> int:
        return 0

    def release(self, marker: int) -> None:
        """Nothing was set aside."""


@functools.cache
def _stop() -> Any:
    """What ends a parse at its first error."""
    from antlr4.error.Errors import ParseCancellationException
    from antlr4.error.ErrorStrategy import BailErrorStrategy

    class Stop(BailErrorStrategy):  # type: ignore[misc]
        def reportError(self, recognizer: Any, error: Any) -> None:
            raise ParseCancellationException(error)

    return Stop()


def tokens(text: str) -> list[Place] | None:
    """The tokens of a text, each the longest that the lexer's rules allow; None where no rule does."""
    found, at = [], 0
    while at < len(text):
        state, end, last = _start(), at, None
        for stop in range(at, len(text)):
            following = state.after(text[stop])
            if following is None:
                break
            state = following
            if state.kind is not None:
                end, last = stop + 1, state
        if last is None:
            return None
        if not last.is_skipped:
            found.append((last.kind or 0, at, end - 1))
        at = end
    return found


class _State:
    """A state of the lexer's automaton. An edge is asked of ANTLR once."""

    def __init__(self, state: Any) -> None:
        self._state = state
        self._edges: dict[str, _State | None] = {}
        self.kind: int | None = state.prediction if state.isAcceptState else None
        self.is_skipped = state.lexerActionExecutor is not None  # to skip is the only action in the grammar

    def after(self, character: str) -> "_State | None":
        """The state after one more character; None where no token goes on like this."""
        if character in self._edges:
            return self._edges[character]
        lexer = _lexer()
        target = lexer.computeTargetState(_NOWHERE, self._state, ord(character))
        found = None if target is lexer.ERROR else _state(target)
        if character.isascii():  # there are too many others to keep them all
            self._edges[character] = found
        return found


class _Nowhere:
    """As much of ANTLR's InputStream as an edge asks: an edge does not depend on what stands elsewhere."""

    index = 0


_NOWHERE = _Nowhere()


@functools.cache
def _state(state: Any) -> _State:
    return _State(state)


@functools.cache
def _lexer() -> Any:
    """The automaton's maker, with its first state made."""
    from antlr4 import InputStream
    from latex2sympy2_extended.antlr_parser import PSLexer

    lexer = PSLexer(InputStream("0"))
    lexer.nextToken()
    return lexer._interp


@functools.cache
def _start() -> _State:
    lexer = _lexer()
    return _state(lexer.decisionToDFA[lexer.mode].s0)
