"""A verdict as a person meets it in a notebook: accessible HTML, and plain text that says the same."""

from __future__ import annotations

from html import escape

from coursework.model import Status, Verdict

#: (mark, words, colour of the edge). The words carry the meaning; the colour only repeats it.
LOOK = {
    Status.PASSED: ("✓", "Passed", "#2e7d32"),
    Status.WRONG: ("✗", "Not yet", "#b45309"),
    Status.BLANK: ("○", "Not yet", "#6b7280"),
    Status.ERROR: ("✗", "Not yet: an error", "#b91c1c"),
    Status.TIMEOUT: ("✗", "Not yet: out of time", "#b91c1c"),
    Status.CRASHED: ("✗", "Not yet: the kernel died", "#b91c1c"),
    Status.OUT_OF_BOUNDS: ("✗", "Not yet: out of bounds", "#b91c1c"),
    Status.UNMARKED: ("◔", "Received", "#1d4ed8"),
}

#: Labels and texts side by side; JupyterLab's own style for such lists floats and indents, and is undone here.
GRID = "display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em;margin:.4em 0 0 0"
CELL = "float:none;width:auto;margin:0;padding:0"


def rows(verdict: Verdict, hints_left: int, after: str = "") -> list[tuple[str, str]]:
    """The panel's lines as (label, text)."""
    lines = []
    if verdict.message:
        label = "Likely cause" if verdict.mistake else "What happened"
        lines.append((label, verdict.message))
    if verdict.status in (Status.WRONG, Status.ERROR):
        if verdict.call:
            lines.append(("Called", verdict.call))
        lines.append(("Expected", verdict.expected))
        if verdict.got:
            lines.append(("Got", verdict.got))
    if verdict.status is not Status.PASSED and hints_left and verdict.status is not Status.UNMARKED:
        lines.append(("Stuck?", f'check.hint("{verdict.question}") gives the next of {hints_left} hints.'))
    if after:
        lines.append(("Next", after))
    return lines


def headline(verdict: Verdict) -> str:
    mark, words, _ = LOOK[verdict.status]
    points = f"{verdict.points:g} of {verdict.out_of:g} point{'s' * (verdict.out_of != 1)}"
    return f"{mark} {verdict.question}: {words} · {points}"


def as_text(verdict: Verdict, hints_left: int = 0, after: str = "") -> str:
    lines = [f"  {label}: {text}" for label, text in rows(verdict, hints_left, after)]
    return "\n".join([headline(verdict), *lines])


def as_html(verdict: Verdict, hints_left: int = 0, after: str = "") -> str:
    colour = LOOK[verdict.status][2]
    code = {"Called", "Got"}
    body = "".join(
        f"<dt style='{CELL};font-weight:600'>{label}</dt><dd style='{CELL}'>{_cell(text, label in code)}</dd>"
        for label, text in rows(verdict, hints_left, after)
    )
    body = f"<dl style='{GRID}'>{body}</dl>" if body else ""
    return (
        f"<section class='coursework-verdict coursework-{verdict.status.name.lower()}' role='status' "
        f"style='border-left:4px solid {colour};padding:.4em .9em;margin:.3em 0;max-width:48em'>"
        f"<strong>{escape(headline(verdict))}</strong>{body}</section>"
    )


def hint_html(question: str, number: int, total: int, text: str) -> str:
    return (
        "<section class='coursework-hint' role='status' style='border-left:4px solid #1d4ed8;padding:.4em .9em;"
        f"margin:.3em 0;max-width:48em'><strong>Hint {number} of {total} for {escape(question)}</strong><br>"
        f"{escape(text)}</section>"
    )


def _cell(text: str, code: bool) -> str:
    return f"<code style='white-space:pre-wrap'>{escape(text)}</code>" if code else escape(text)
