"""Text that a stranger wrote, made fit to be shown: nothing hidden in it, nothing in it that acts.

Escaping is the template engine's work; this is about what escaping lets through.
"""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

#: Controls, half surrogate pairs, and what changes the direction or the width of the text around it without showing.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def plain(text: str) -> str:
    """Text in which controls, direction marks and characters of no width are shown by their names."""
    return UNSEEN.sub(_named, text)


def _named(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x20:
        return chr(0x2400 + code)  # the picture that Unicode has for it
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def prose(text: str) -> Markup:
    """A sentence, escaped; what stands in backticks is code, and words between stars are stressed."""
    pieces = re.split(r"`([^`]+)`", str(escape(plain(text))))
    pieces[::2] = [re.sub(r"(?<![\w*])\*(?=\w)([^*]*?\w)\*(?![\w*])", r"<em>\1</em>", piece) for piece in pieces[::2]]
    return Markup("".join(f"<code>{piece}</code>" if n % 2 else piece for n, piece in enumerate(pieces)))


def cell(value: Any) -> Any:
    """A CSV cell that a spreadsheet does not take for a formula."""
    text = plain(value) if isinstance(value, str) else value
    return f"'{text}" if isinstance(text, str) and text.lstrip()[:1] in ("=", "+", "-", "@") else text
