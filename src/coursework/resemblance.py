"""Whether two answers are the same code but for names, comments and layout.

A hint for a person and no verdict: short answers, the stub and the reference look like nobody's in particular.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import keyword
import tokenize
from collections.abc import Collection, Sequence

#: An answer says something of its author from so many tokens on that the stub has not: eight to ten lines.
MINIMUM = 80
LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER)
KEPT = frozenset(dir(builtins)) | frozenset(keyword.kwlist)


def stream(cells: Sequence[str]) -> tuple[str, ...] | None:
    """An answer's tokens: names numbered in order of appearance, texts that stand alone left out.

    Attributes, built-ins and keywords keep their names. None where the code cannot be cut into tokens.
    """
    found: list[str] = []
    numbers: dict[str, str] = {}
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO("\n".join(cells) + "\n").readline))
    except (tokenize.TokenError, SyntaxError, RecursionError):
        return None
    tokens = [token for token in tokens if token.type not in LAYOUT]
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else None
        if token.type == tokenize.NAME and token.string not in KEPT and not (before and before.string == "."):
            found.append(numbers.setdefault(token.string, f"name{len(numbers)}"))
        elif token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            found.append(tokenize.tok_name[token.type])
        elif token.type == tokenize.STRING and _alone(tokens, i):
            continue
        else:
            found.append(token.string)
    return tuple(found)


def _alone(tokens: Sequence[tokenize.TokenInfo], i: int) -> bool:
    """Whether a text is a statement of its own, such as a docstring."""
    edges = (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    return (i == 0 or tokens[i - 1].type in edges) and (i + 1 == len(tokens) or tokens[i + 1].type in edges)


def shape(cells: Sequence[str], stub: Sequence[str], common: Collection[tuple[str, ...] | None] = ()) -> str:
    """A digest that two answers share if they are the same code, names aside; "" where that would say nothing.

    Args:
        stub: what was handed out; an answer has to go beyond it.
        common: streams that anybody may have, such as the reference's.
    """
    found = stream(cells)
    given = stream(stub) or ()
    if found is None or found in common or len(found) < len(given) + MINIMUM:
        return ""
    return hashlib.sha256("\0".join(found).encode("utf-8", "replace")).hexdigest()[:16]
