"""The idea that the course hangs on: what it refuses, in which order it works, and how it reckons errors."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest
import toy
from IPython.lib.pretty import pretty

from labkit.experiment import Axis, Comparison, Outcome, Published, Row, Unavailable, compare, compare_published
from labkit.progress import Cancelled, report, watch

# Axes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"values": ()}, "no values"),
        ({"values": (1, 1)}, "must rise"),
        ({"values": (2, 1)}, "must rise"),
        ({"values": (1, "many")}, "mixes numbers"),
        ({"values": (1, None)}, "mixes numbers"),
        ({"values": (1, math.nan)}, "mixes numbers"),
        ({"values": (1, math.inf)}, "mixes numbers"),
        ({"values": (0, 1), "log": True}, "above 0"),
        ({"values": ("a", "b", "a")}, "twice"),
        ({"values": (1, 2, 4), "start": 3}, "nearest value on it is"),
        ({"values": ("a", "b"), "start": "c"}, "Choose one of: a, b"),
    ],
)
def test_an_axis_that_makes_no_sense_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Axis("speed", "Speed", **arguments)


def test_an_axis_starts_where_it_is_told_and_else_at_its_first_value():
    assert Axis("a", "A", range(1, 5)).start == 1
    assert Axis("a", "A", (1, 2), start=2).start == 2
    assert Axis("a", "A", (-1, 0, 1), start=0).start == 0
    assert Axis("a", "A", np.arange(3)).index(2) == 2


@pytest.mark.parametrize(("value", "nearest"), [(100, "128"), (0, "1"), (-7, "1"), (1e9, "2,048"), (127.9, "128")])
def test_a_number_off_the_axis_names_what_is_allowed_and_the_nearest(value, nearest):
    with pytest.raises(ValueError, match="from 1 to 2,048 pictures") as refusal:
        toy.step_time().axis("batch").index(value)
    assert str(refusal.value).startswith(f"Global batch cannot be {value!r}.")
    assert f"the nearest value on it is {nearest}." in str(refusal.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "128", None, [128], (), {}, object(), 1j])
def test_what_is_no_number_is_refused_with_what_is_allowed(value):
    with pytest.raises(ValueError, match=r"Global batch cannot be .* from 1 to 2,048 pictures"):
        toy.step_time().predict(nodes=1, batch=value, link=1)


def test_a_category_that_is_not_there_is_refused_with_those_that_are():
    axis = Axis("format", "Number format", ("fp32", "int8"))
    for value in ("fp64", 32, None, math.nan):
        with pytest.raises(ValueError, match="Choose one of: fp32, int8"):
            axis.index(value)


# Points


def test_a_point_needs_every_axis_and_no_other():
    experiment = toy.step_time()
    with pytest.raises(ValueError, match="missing: batch, link"):
        experiment.predict(nodes=1)
    with pytest.raises(ValueError, match=r"no axis 'speed'.*nodes, batch, link"):
        experiment.measure(nodes=1, batch=1, link=1, speed=3)


@pytest.mark.parametrize("kind", [float, np.int64, np.float32, np.float64])
def test_both_halves_receive_the_axis_own_values(kind):
    """128.0 and NumPy's 128 name a point, but the code that runs it needs a whole number."""
    seen = []
    experiment = toy.step_time(predict=lambda **p: seen.append(p), measure=lambda **p: seen.append(p))
    experiment.predict(nodes=kind(2), batch=kind(128), link=kind(10))
    experiment.measure(nodes=kind(2), batch=kind(128), link=kind(10))
    assert all(type(value) is int for point in seen for value in point.values())
    assert seen == [{"nodes": 2, "batch": 128, "link": 10}] * 2


def test_the_grid_holds_every_point_once_and_its_last_axis_is_the_fastest():
    experiment = toy.step_time()
    points = list(experiment.points())
    assert len(points) == math.prod(len(axis.values) for axis in experiment.axes)
    places = [tuple(axis.index(point[axis.name]) for axis in experiment.axes) for point in points]
    assert places == sorted(set(places))
    assert experiment.check(experiment.start) == experiment.start


@pytest.mark.parametrize("point", [{"nodes": 8, "batch": 100, "link": 10}, {"nodes": 8}])
def test_a_published_figure_off_the_axes_is_refused(point):
    with pytest.raises(ValueError, match=r"Global batch|missing"):
        toy.step_time(published=[Published(point, 1.0, "somebody", "somewhere")])


def test_without_a_measurement_every_point_says_so():
    experiment = toy.step_time(measure=None)
    assert not experiment.measurable
    outcome = experiment.measure(**experiment.start)
    assert isinstance(outcome, Unavailable) and experiment.title in outcome.reason
    with pytest.raises(ValueError):
        experiment.measure(nodes=0, batch=1, link=1)


# Outcomes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"value": math.nan}, "finite"),
        ({"value": math.inf}, "finite"),
        ({"value": 1.0, "high": math.inf}, "finite"),
        ({"value": 1.0, "parts": {"a": math.nan}}, "finite"),
        ({"value": 1.0, "low": 1.1}, "misses"),
        ({"value": 1.0, "high": 0.9}, "misses"),
        ({"value": 1.0, "parts": {"a": 0.5, "b": 0.4}}, "add up to 0.9"),
    ],
)
def test_an_outcome_that_makes_no_sense_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Outcome(unit="s", **arguments)


def test_a_notebook_shows_why_something_is_unavailable_and_nothing_else():
    assert pretty(Unavailable("There is one core.")) == "There is one core."


def test_an_outcome_is_true_even_at_nought_and_an_unavailable_one_is_false():
    assert Outcome(0.0, "s")
    assert Outcome(2.0, "s").low == Outcome(2.0, "s").high == 2.0
    assert Outcome(0.3, "s", parts={"a": 0.1, "b": 0.2})
    assert not Unavailable("no GPU")


# Comparisons


def test_every_point_is_predicted_before_any_is_measured():
    order = []
    experiment = toy.step_time(
        predict=lambda nodes, **_: order.append(("predict", nodes)) or Outcome(1, "s"),
        measure=lambda nodes, **_: order.append(("measure", nodes)) or Outcome(1, "s"),
    )
    points = ({"nodes": n, "batch": 256, "link": 10} for n in (3, 1, 2))
    rows = compare(experiment, points).rows
    assert order == [(half, n) for half in ("predict", "measure") for n in (3, 1, 2)]
    assert [row.point["nodes"] for row in rows] == [3, 1, 2]


def test_no_point_is_begun_once_the_time_is_spent():
    experiment = toy.step_time(measure=lambda nodes, **_: time.sleep(0.02 * nodes) or Outcome(1, "s"))
    points = [{"nodes": n, "batch": 256, "link": 10} for n in (1, 1, 10, 1, 1)]
    rows = compare(experiment, points, seconds=0.1).rows
    assert [bool(row.measured) for row in rows] == [True, True, True, False, False]
    assert all(row.predicted for row in rows) and "were spent" in rows[-1].measured.reason


def test_a_wrong_point_is_refused_before_anything_runs():
    def never(**_):
        raise AssertionError("ran")

    experiment = toy.step_time(predict=never, measure=never)
    with pytest.raises(ValueError, match="nearest"):
        compare(experiment, [experiment.start, {**experiment.start, "nodes": 33}])


def comparison(*pairs):
    def outcome(half):
        return half if isinstance(half, Unavailable) else Outcome(half, "s")

    return Comparison(toy.step_time(), tuple(Row({}, *map(outcome, pair)) for pair in pairs))


def test_errors_are_fractions_of_the_measurement():
    gone = Unavailable("not here")
    compared = comparison((8, 10), (1, 0), (gone, 1), (15, 10), (1, gone), (10, 10))
    assert [row.error for row in compared.rows] == [pytest.approx(0.2), None, None, 0.5, None, 0.0]
    assert compared.errors == pytest.approx([0, 0.2, 0.5])
    assert compared.median_error == pytest.approx(0.2)
    assert compared.p90_error == pytest.approx(0.5)


def test_nine_errors_in_ten_do_not_exceed_the_p90():
    ten = comparison(*((100 + e, 100) for e in (1, 2, 3, 4, 5, 6, 7, 8, 9, 50)))
    assert ten.p90_error == pytest.approx(0.09)
    assert ten.median_error == pytest.approx(0.055)
    assert comparison((3, 2)).p90_error == comparison((3, 2)).median_error == 0.5


def test_without_a_common_point_there_is_no_error_to_report():
    for empty in (comparison(), comparison((Unavailable("no"), 1))):
        for name in ("median_error", "p90_error"):
            with pytest.raises(ValueError, match="No point has both halves"):
                getattr(empty, name)


def test_a_published_figure_is_held_to_the_prediction_and_never_becomes_a_measurement():
    def never(**_):
        raise AssertionError("measured")

    place = {"batch": 256, "link": 10}
    figures = [Published({"nodes": nodes, **place}, value, "A rack", "https://example.org")
               for nodes, value in ((1, 2), (8, 4))]
    compared = compare_published(toy.step_time(predict=lambda **_: Outcome(3, "s"), measure=never, published=figures))
    assert [row.published for row in compared.rows] == figures
    assert [row.error for row in compared.rows] == [0.5, 0.25]
    assert compared.median_error == 0.375 and compared.p90_error == 0.5
    assert "published by 38 % in the median" in str(compared)
    html = compared._repr_html_()
    assert ">published</th>" in html and "measured" not in html


def test_without_a_prediction_the_comparison_with_published_figures_says_why():
    compared = compare_published(toy.step_time(predict=lambda **_: Unavailable("No data sheet.")))
    assert str(compared) == "Nothing could be compared: No data sheet."
    assert "No data sheet." in compared._repr_html_()
    with pytest.raises(ValueError, match="No point has both halves"):
        _ = compared.median_error


# Progress


def test_reports_reach_who_watches_within_nought_and_one_and_nobody_else():
    seen, cancelled = [], threading.Event()
    report(0.5)
    with watch(lambda fraction, text: seen.append((fraction, text)), cancelled):
        for fraction in (-1, 0.5, 7):
            report(fraction, "Working")
        cancelled.set()
        with pytest.raises(Cancelled):
            report(1.0)
    report(0.5)
    assert seen == [(0.0, "Working"), (0.5, "Working"), (1.0, "Working")]
