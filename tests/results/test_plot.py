"""Pictures of a comparison: what they show, and that they read on paper and on a dark page."""

from __future__ import annotations

import sys

import pytest

from tests.results import runs
from toolkit.errors import MissingDependencyError, UsageError
from toolkit.results import Results

WORSE, BASE, BETTER = [0.0] * 11 + [1.0], [0.0, 1.0] * 6, [1.0] * 12


def results(**options):
    """Returns three arms over twelve cases: the baseline, one that is better, one that is worse."""
    costs = options.pop("costs", [0.001, 0.004, None])
    answers = [
        [runs.outcome(f"t-{arm}-{case}", "x", cost_usd=cost) for case in range(12)] for arm, cost in enumerate(costs)
    ]
    return Results(runs.run(answers, scores={"right": [BASE, BETTER, WORSE]}, **options))


def texts(figure):
    """Returns every text of a figure."""
    import matplotlib.text

    return [found.get_text() for found in figure.findobj(matplotlib.text.Text)]


def luminance(colour):
    """Returns the relative luminance of a colour, as WCAG 2.2 defines it."""
    from matplotlib.colors import to_rgb

    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a, b):
    """Returns the contrast of two colours, from 1 to 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_all_has_three_panels():
    """Without a kind there are three panels: arms, gaps to the baseline, cost against quality."""
    figure = results().plot()
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "right, mean and 95 % interval",
        "gap to reply@1 (points)",
        "cost against quality",
    ]


def test_arms_show_means_and_intervals():
    """Each arm has a mark at its mean, and a line over its interval."""
    (axes,) = results().plot("arms").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["reply@1 (baseline)", "reply@2", "reply@3"]
    marks = [line.get_xdata()[0] for line in axes.lines if line.get_marker() != "None"]
    assert marks == pytest.approx([0.5, 1.0, 1 / 12])
    intervals = [tuple(line.get_xdata()) for line in axes.lines if line.get_marker() == "None"][:3]
    assert all(low < mean <= high for (low, high), mean in zip(intervals, marks, strict=True))


def test_gaps_show_differences_in_points():
    """Each other arm has a mark at its gap in points; better and worse have different marks."""
    (axes,) = results().plot("gaps").axes
    found = [(line.get_xdata()[0], line.get_marker()) for line in axes.lines if line.get_marker() != "None"]
    assert [value for value, _ in found] == pytest.approx([50, -500 / 12])
    assert [mark for _, mark in found] == ["^", "v"]


def test_an_arm_without_a_cost_is_left_out_and_told():
    """An arm whose cost is not known is not drawn at a made-up place, and the picture says so."""
    (axes,) = results().plot("cost").axes
    places = [line.get_xdata()[0] for line in axes.lines if line.get_marker() != "None"]
    assert places == pytest.approx([0.001, 0.004])
    assert "1 arm without a known cost or score left out" in axes.get_xlabel()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_reads_in_its_theme(theme):
    """Every text has a contrast of at least 4.5 with the paper, every mark at least 3, and the paper is opaque."""
    figure = results().plot(theme=theme)
    paper = figure.get_facecolor()
    assert paper[3] == 1
    import matplotlib.text

    for found in figure.findobj(matplotlib.text.Text):
        if found.get_text():
            assert contrast(found.get_color(), paper) >= 4.5, found.get_text()
    for axes in figure.axes:
        for line in axes.lines:
            if line.get_marker() != "None":
                assert contrast(line.get_color(), paper) >= 3
    assert (luminance(paper) > 0.5) == (theme == "light")


def test_names_are_no_formulas_and_no_controls():
    """A dollar in a name is a dollar, and control characters are shown as escapes."""
    arms = [runs.arm(place, model=f"fake/$x^{place}$\x1b") for place in range(3)]
    figure = results(arms=arms).plot()
    assert any("$x^1$\\x1b" in text for text in texts(figure))
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_run_of_one_arm_has_pictures():
    """With one arm, and without any cost, there is still a picture of each kind."""
    figure = Results(runs.run([[runs.outcome("t-0-0", "x", cost_usd=None)]], scores={"right": [[1.0]]})).plot()
    assert "no arm has both a score and a known cost" in texts(figure)


def test_what_cannot_be_drawn():
    """Without scores, and for kinds and themes that there are not, it is said what to do."""
    with pytest.raises(UsageError, match="Nothing is scored yet"):
        Results(runs.run([["a"]])).plot()
    with pytest.raises(UsageError, match="'pie'"):
        results().plot("pie")
    with pytest.raises(UsageError, match="'light', 'dark'"):
        results().plot(theme="blue")


def test_matplotlib_is_named_when_it_is_missing(monkeypatch):
    """Without matplotlib the message is the command that brings it."""
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'promptsweep\[plot\]'"):
        results().plot()
