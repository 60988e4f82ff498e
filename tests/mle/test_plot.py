"""Figures say what is to be seen; a slider is there for people, and for nobody else."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest
from IPython.utils.capture import capture_output

from mle.plot import show, slider


def test_a_figure_without_words_is_refused():
    figure, _ = plt.subplots()
    with pytest.raises(ValueError, match="say what is to be seen"):
        show(figure, alt="a figure")
    plt.close(figure)


def drawn(value):
    figure, ax = plt.subplots()
    ax.set_title(value)
    return figure


def test_a_page_and_a_test_get_no_slider(monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    with capture_output() as captured:
        slider(drawn, "step", ["a", "b"])
    assert not captured.outputs and not captured.stdout


def test_in_jupyterlab_a_slider_draws_the_first_figure_and_leaves_none_open(monkeypatch):
    import ipywidgets

    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/math/optimisation.ipynb")
    made = []
    monkeypatch.setattr(ipywidgets, "interact", lambda function, value: made.append((function, value)))
    slider(drawn, "step", ["a", "b"])
    [(function, choice)] = made
    assert choice.options == ("a", "b") and choice.description == "step"
    before = plt.get_fignums()
    with capture_output():
        function("a")
    assert plt.get_fignums() == before
