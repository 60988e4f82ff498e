"""One look for every figure of the course, and the sentence that says what is to be seen.

Not for drawing: lessons draw with Matplotlib itself, then hand the figure to `show`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure

#: Okabe and Ito's palette (2008), safe for colour-blind readers, darkest first so that it also reads in grey.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]

STYLE = {
    "figure.figsize": (7.0, 3.8),
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "figure.facecolor": "white",
    "axes.prop_cycle": mpl.cycler(color=PALETTE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "font.size": 10.5,
    "font.family": "DejaVu Sans",
}


def use_style() -> None:
    """Make every figure drawn from here on look like the course's."""
    mpl.rcParams.update(STYLE)


def show(figure: Figure, alt: str) -> None:
    """Display `figure` with a text alternative, and close it.

    The alternative is the output's plain text, so a terminal, a screen reader and a test of the notebook all
    see it; the site sets it as the picture's `alt`.

    Raises:
        ValueError: `alt` says nothing (fewer than five words).
    """
    if len(alt.split()) < 5:
        raise ValueError(f"show(figure, alt=...): say what is to be seen, in a sentence; {alt!r} does not")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    width = figure.get_size_inches()[0] * STYLE["figure.dpi"]
    display(
        {"image/png": buffer.getvalue(), "text/plain": alt},
        raw=True,
        metadata={"image/png": {"alt": alt, "width": int(width)}},
    )


def slider(draw: Callable[[Any], Figure], label: str, values: Sequence[Any]) -> None:
    """A slider over `values` that shows the figure `draw(value)`, where a person sits before the notebook.

    Elsewhere, as on a page or in a test, nothing: a lesson has a series of stills for those. Jupyter's server names
    the session in the environment of each kernel that it starts for a document, and nothing else does.
    """
    if "JPY_SESSION_NAME" not in os.environ:
        return
    import ipywidgets

    def show_one(value: Any) -> None:
        figure = draw(value)
        display(figure)
        plt.close(figure)

    choice = ipywidgets.SelectionSlider(options=list(values), description=label, continuous_update=False)
    ipywidgets.interact(show_one, value=choice)


use_style()
