"""The widgets in Python: what they refuse, what they tell the browser, and how a measurement ends."""

from __future__ import annotations

import base64
import json
import math
import random
import re
import threading
import time
import zlib

import pytest
import toy
import vl_convert

from labkit import cache, units
from labkit.experiment import Axis, Outcome, Unavailable, compare
from labkit.progress import report
from labkit.widgets.explorer import Explorer, bundle, chart
from labkit.widgets.guess import Beside, Guess
from labkit.widgets.quiz import Choice, Question, Quiz


@pytest.fixture(scope="module")
def explorer():
    return Explorer(toy.step_time(), x="nodes")


@pytest.fixture
def book(monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_BOOK", "1")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    return tmp_path


# The grid


def looked_up(grid: dict, index: tuple[int, ...]) -> Outcome | Unavailable:
    """Return what the browser finds in a grid: the same few lines as in explorer.js."""

    def at(column: dict) -> float:
        return column["values"][sum(i * stride for i, stride in zip(index, column["strides"], strict=True))]

    if at(grid["reason"]):
        return Unavailable(grid["texts"][at(grid["reason"])])
    parts = {name: at(column) for name, column in grid["parts"].items()}
    value = at(grid["value"]) if "value" in grid else sum(parts.values())
    scale = value if grid["scaled"] else 1
    low, high = (at(grid[name]) * scale if name in grid else value for name in ("low", "high"))
    return Outcome(value, "s", low, high, parts, note=grid["texts"][at(grid["note"])])


def without_parts(nodes, batch, link):
    return Outcome(batch / nodes, "s", high=batch) if link > 1 else Unavailable(f"Too slow for {nodes} nodes.")


def zero_at_times(nodes, batch, link):
    return Outcome((nodes - 1) * batch, "s", low=0, high=nodes * batch)


@pytest.mark.parametrize("predict", [toy.predict, without_parts, zero_at_times, lambda **_: Unavailable("No.")])
def test_every_prediction_reaches_the_browser(predict):
    experiment = toy.step_time(predict=predict, readout="{value}")
    grid = json.loads(json.dumps(Explorer(experiment, x="nodes").config["grid"]))
    for point in experiment.points():
        outcome = experiment.predict(**point)
        found = looked_up(grid, tuple(axis.index(point[axis.name]) for axis in experiment.axes))
        if not outcome:
            assert found == outcome
            continue
        for name in ("value", "low", "high"):
            assert getattr(found, name) == pytest.approx(getattr(outcome, name), rel=1e-4)
        assert {part: found.parts[part] for part in outcome.parts} == pytest.approx(outcome.parts, rel=1e-4)
        assert found.note == outcome.note


def test_what_a_slider_does_not_change_is_sent_once():
    grid = Explorer(toy.step_time(), x="nodes").config["grid"]
    nodes, batches, links = map(len, (toy.NODES, toy.BATCHES, toy.LINKS))
    assert {part: len(column["values"]) for part, column in grid["parts"].items()} == {
        "compute": nodes * batches, "communication": nodes * links, "waiting for the slowest": nodes}
    assert "value" not in grid  # the sum of its parts
    assert len(grid["low"]["values"]) == len(grid["high"]["values"]) == 1  # ratios to the value


def test_a_grid_too_large_is_refused_with_its_size():
    axes = [Axis(name, name, range(1, 31)) for name in "abc"]
    experiment = toy.step_time(axes=axes, predict=lambda **_: Outcome(1, "s"), readout="", published=())
    with pytest.raises(ValueError, match=r"27,000 points.*20,000"):
        Explorer(experiment, x="a")


def test_a_readout_that_cannot_be_filled_is_refused():
    with pytest.raises(ValueError, match=r"\{speed\}.*part:communication"):
        Explorer(toy.step_time(readout="{speed} in {value}"), x="nodes")


def test_a_prediction_in_another_unit_is_refused():
    with pytest.raises(ValueError, match="'B'"):
        Explorer(toy.step_time(predict=lambda **_: Outcome(1, "B"), readout=""), x="nodes")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"x": "speed"}, "no axis 'speed'"),
        ({"x": "nodes", "colour": "batch"}, "categorical"),
        ({"x": "nodes", "presets": {"mine": {"batch": 3}}}, "Global batch cannot be 3"),
        ({"x": "nodes", "presets": {"mine": {"speed": 3}}}, "no axis 'speed'"),
    ],
)
def test_what_is_not_on_the_axes_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Explorer(toy.step_time(), **arguments)


# The chosen point


def test_the_point_follows_both_sides(explorer):
    explorer.point = {"batch": 64}
    assert explorer.point == {"nodes": 4, "batch": 64, "link": 10}
    explorer.set_state({"index": [0, 0, 0]})
    assert explorer.point == {"nodes": 1, "batch": 1, "link": 1}


def test_a_point_off_its_axis_is_refused_and_the_old_one_kept(explorer):
    before = explorer.point
    with pytest.raises(ValueError, match="nearest value on it is 128"):
        explorer.point = {"batch": 100}
    for index in ([99, 0, 0], [0, 0], [-1, 0, 0], [0.5, 0, 0], ["1", 0, 0]):
        with pytest.raises(ValueError, match="position"):
            explorer.index = index
    assert explorer.point == before


def test_the_text_states_the_point_or_the_reason(explorer):
    explorer.point = {"nodes": 4, "batch": 256, "link": 10}
    value = explorer._experiment.predict(**explorer.point).value
    assert f"one step takes {units.quantity(value, 's')} (" in explorer.text()
    explorer.point = {"nodes": 32, "batch": 1}
    assert "cannot share a batch of 1" in explorer.text()


# The chart


def test_ticks_are_round_few_and_inside_whatever_the_range():
    rng = random.Random(7)
    for _ in range(500):
        low = 10 ** rng.uniform(-9, 12)
        numbers = [low, low * 10 ** rng.uniform(0, 6)]
        unit = rng.choice(["s", "B", "%", "pictures/s", "FLOP/s"])
        axis = chart._vertical(numbers, unit)
        first, last = axis["scale"]["domain"]
        assert first <= numbers[0] <= numbers[1] <= last
        ticks = axis["axis"]["values"]
        assert 2 <= len(ticks) <= 10, (numbers, unit, ticks)
        assert all(first * 0.998 <= tick <= last * 1.002 for tick in ticks)
        labels = json.loads(re.match(r"\[.*?\](?=\[)", axis["axis"]["labelExpr"])[0])
        assert len(set(labels)) == len(labels), (numbers, unit, labels)


@pytest.mark.parametrize("numbers", [[], [0.0], [5.0], [0.0, 100.0], [-3.0, 4.0], [1e-300, 1.0]])
def test_odd_ranges_still_give_an_axis(numbers):
    axis = chart._vertical(numbers, "s")
    low, high = axis["scale"]["domain"]
    assert low < high
    assert axis["axis"]["values"]


def test_marks_can_be_seen_in_the_light_and_in_the_dark():
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for colour in chart.COLOURS:
        for paper in ("#ffffff", "#14181e"):
            dark, light = sorted([luminance(colour), luminance(paper)])
            assert (light + 0.05) / (dark + 0.05) >= 3, (colour, paper)


@pytest.mark.parametrize("categorical", [False, True])
def test_the_picture_is_an_svg(categorical):
    axes = [
        Axis("format", "Number format", ("fp32", "bf16", "int8")),
        Axis("batch", "Batch", (1, 2, 4, 8), log=True),
    ]

    def predict(format, batch):
        return Unavailable("Not here.") if format == "int8" else Outcome(batch * 1e-3, "s", batch * 9e-4, batch * 2e-3)

    experiment = toy.step_time(axes=axes, predict=predict, readout="{value}", published=())
    axes = {"x": "format"} if categorical else {"x": "batch", "colour": "format"}
    assert Explorer(experiment, **axes).picture().startswith("<svg")


# Measuring


def ask(explorer, content):
    """Send what the browser sends."""
    explorer._handle_custom_msg(content, [])


def ended(explorer, limit=10.0):
    """Wait for the measurement's end and return its state and text."""
    end = time.monotonic() + limit
    while explorer.job["state"] in ("idle", "running"):
        assert time.monotonic() < end, "the measurement does not end"
        time.sleep(0.005)
    while any(thread.name == "labkit measurement" for thread in threading.enumerate()):
        time.sleep(0.005)
    return explorer.job["state"], explorer.job["text"]


def measure_here(explorer):
    ask(explorer, {"do": "measure", "index": explorer.index})


def until_cancelled(**_):
    while True:
        report(0.5, "Waiting")
        time.sleep(0.005)


def test_a_measurement_becomes_a_dot_and_a_row():
    explorer = Explorer(toy.step_time(), x="nodes")
    seen = []
    explorer.observe(lambda change: seen.append(change["new"]["state"]), "job")
    measure_here(explorer)
    assert ended(explorer) == ("done", "")
    assert seen[0] == "running"
    (row,), (dot,) = explorer.measured, explorer.dots
    assert row.point == explorer.point
    assert row.error == pytest.approx(1 - 1 / 1.1)
    assert list(dot["index"]) == explorer.index
    assert dot["low"] < dot["value"] < dot["high"]


def test_earlier_measurements_are_dots_from_the_start():
    experiment = toy.step_time()
    points = [{"nodes": n, "batch": 256, "link": 10} for n in (1, 2, 8)]
    explorer = Explorer(experiment, x="nodes", comparison=compare(experiment, points))
    assert [dot["index"][0] for dot in explorer.dots] == [0, 1]  # eight nodes were refused
    assert "2 measured points" in explorer.text()


def test_a_measurement_beyond_the_chart_widens_it():
    explorer = Explorer(toy.step_time(measure=lambda **_: Outcome(500.0, "s")), x="nodes")
    before = explorer.specs
    measure_here(explorer)
    assert ended(explorer)[0] == "done"
    assert explorer.specs != before


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("the disk is full"), "RuntimeError: the disk is full"),
        (SystemExit(3), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_a_measurement_that_fails_says_so_and_another_can_start(error, words):
    def measure(**_):
        raise error

    explorer = Explorer(toy.step_time(measure=measure), x="nodes")
    for _ in range(2):
        measure_here(explorer)
        state, text = ended(explorer)
        assert state == "failed"
        assert words in text
        assert explorer.error is error


def test_an_unavailable_point_gives_its_reason():
    explorer = Explorer(toy.step_time(), x="nodes")
    explorer.point = {"nodes": 8}
    measure_here(explorer)
    assert ended(explorer) == ("unavailable", "This machine runs at most 4 nodes, not 8.")
    assert not explorer.dots


def test_a_measurement_in_another_unit_is_refused():
    explorer = Explorer(toy.step_time(measure=lambda **_: Outcome(1, "J")), x="nodes")
    measure_here(explorer)
    state, text = ended(explorer)
    assert state == "failed"
    assert "'J'" in text


def test_cancel_ends_a_measurement_and_records_nothing():
    explorer = Explorer(toy.step_time(measure=until_cancelled), x="nodes")
    measure_here(explorer)
    ask(explorer, {"do": "cancel"})
    assert ended(explorer)[0] == "cancelled"
    assert not explorer.measured


def test_one_measurement_at_a_time_and_the_other_can_be_cancelled():
    first = Explorer(toy.step_time(measure=until_cancelled), x="nodes")
    second = Explorer(toy.step_time(), x="nodes")
    measure_here(first)
    measure_here(second)
    assert second.job["state"] == "busy"
    ask(second, {"do": "cancel"})
    assert second.job["state"] == "idle"
    assert ended(first)[0] == "cancelled"
    measure_here(second)
    assert ended(second)[0] == "done"


def test_closing_the_widget_cancels():
    explorer = Explorer(toy.step_time(measure=until_cancelled), x="nodes")
    measure_here(explorer)
    while explorer.job["state"] != "running":
        time.sleep(0.005)
    explorer.close()
    assert ended(explorer)[0] == "cancelled"


@pytest.mark.parametrize("content", [None, "x", {"do": "measure"}, {"do": "fly"}, {"do": "measure", "index": [999]}])
def test_a_strange_message_changes_nothing(content):
    explorer = Explorer(toy.step_time(), x="nodes")
    ask(explorer, content)
    assert explorer.job["state"] in ("idle", "failed")
    assert not explorer.dots


# The book


def test_in_the_book_a_widget_is_html_with_a_picture(book):
    experiment = toy.step_time(title="</script><script>alert(1)</script>")
    shown = Explorer(experiment, x="nodes")._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html", "image/svg+xml"}
    html = shown["text/html"]
    assert html.count("<script") == html.count("</script>") == 1
    packed = re.search(r'<script type="text/plain">(.*?)</script>', html)[1]
    state = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert state["live"] is False
    assert state["config"]["title"] == experiment.title
    alt = re.search(r'<img alt="([^"]*)"', html)[1]
    assert "Time of one step against Nodes" in alt
    assert "one step takes" in alt
    assert "://" not in html


# The bundle


def test_the_bundle_is_made_once_and_also_without_a_cache(home, monkeypatch):
    made = []
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda source: made.append(source) or f"bundled {source}")
    assert bundle("a") == bundle("a") == "bundled a"
    assert made == ["a"]
    assert bundle("b") == "bundled b"

    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr(cache, "write_atomically", refuse)
    assert bundle("c") == bundle("c") == "bundled c"
    assert made == ["a", "b", "c", "c"]


# Guess and Beside


def test_guesses_are_kept_and_wrong_ones_stay_visible(home):
    Guess("cats", "How many?", "%", 0, 100).commit(80)
    again = Guess("cats", "How many?", "%", 0, 100)
    assert again.value == 80
    again.commit(95.5)
    assert [entry["value"] for entry in Guess("cats", "How many?", "%", 0, 100).history] == [80, 95.5]
    assert Guess("dogs", "How many?", "%", 0, 100).value is None


def test_a_guess_from_the_browser_is_checked(home):
    guess = Guess("cats", "How many?", "%", 0, 100)
    entry = {"value": 50, "at": "2026-01-02T03:04:05.000Z"}
    guess.set_state({"history": [entry]})
    assert guess.value == 50
    for wrong in ({"value": 101, "at": entry["at"]}, {"value": "x", "at": entry["at"]}, {"value": 5}, 7):
        with pytest.raises(ValueError, match="guesses"):
            guess.history = [entry, wrong]
    assert guess.value == 50


@pytest.mark.parametrize("value", [-1, 101, math.nan, math.inf, "80", None])
def test_a_guess_outside_the_range_is_refused(home, value):
    guess = Guess("cats", "How many?", "%", 0, 100)
    with pytest.raises(ValueError, match=r"0 % to 100 %"):
        guess.commit(value)
    assert guess.value is None


def test_two_notebooks_lose_no_guess(home):
    one, two = (Guess("cats", "How many?", "%", 0, 100) for _ in range(2))
    one.commit(10)
    two.commit(20)
    one.commit(30)
    assert {entry["value"] for entry in Guess("cats", "How many?", "%", 0, 100).history} == {10, 20, 30}


@pytest.mark.parametrize("content", [b"", b"[1", b"\xff\xfe", b"{}", b'[{"value": 900, "at": "now"}]', b"[7]"])
def test_a_damaged_file_of_guesses_is_set_aside(home, content):
    file = home / "guesses" / "cats.json"
    file.parent.mkdir()
    file.write_bytes(content)
    guess = Guess("cats", "How many?", "%", 0, 100)
    assert guess.value is None
    assert "damaged" in guess.message
    (aside,) = file.parent.glob("cats.damaged-*.json")
    assert aside.read_bytes() == content
    guess.commit(40)
    assert Guess("cats", "How many?", "%", 0, 100).value == 40


def test_a_cache_that_cannot_be_written_keeps_the_guess_in_memory(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path / "file"))
    guess = Guess("cats", "How many?", "%", 0, 100)
    with pytest.warns(UserWarning, match="could not be saved"):
        guess.commit(40)
    assert guess.value == 40
    assert "could not be saved" in guess.message


def test_the_builder_of_the_book_leaves_no_guess_in_it(home, monkeypatch):
    Guess("cats", "How many?", "%", 0, 100).commit(80)
    monkeypatch.setenv("CLUSTER_TO_EDGE_BOOK", "1")
    assert Guess("cats", "How many?", "%", 0, 100).value is None


@pytest.mark.parametrize("arguments", [("A b", 0, 1), ("a/b", 0, 1), ("a", 1, 1), ("a", 0, math.inf), ("a", 0, 1, 2)])
def test_a_guess_that_makes_no_sense_is_refused(home, arguments):
    key, *numbers = arguments
    with pytest.raises(ValueError):
        Guess(key, "How many?", "%", *numbers)


def test_the_table_follows_the_guess(home):
    guess = Guess("cats", "How many?", "%", 0, 100)
    table = Beside(guess, Outcome(94, "%"), Unavailable("No GPU."))
    assert "no guess yet" in table.text()
    guess.commit(80)
    assert table.guesses == {"cats": 80}
    assert "80 %" in table.text()
    assert "No GPU." in table.text()
    assert len(Beside([("a", guess, None, None), ("b", guess, None, Outcome(1, "%"))]).config["rows"]) == 2


def test_a_table_of_different_units_is_refused(home):
    with pytest.raises(ValueError, match="'s'"):
        Beside(Guess("cats", "How many?", "%", 0, 100), Outcome(94, "s"), None)


def test_a_question_has_exactly_one_right_choice():
    for right in ([True, True], [False, False], [True]):
        with pytest.raises(ValueError, match="one of several"):
            Question("?", [Choice(str(i), correct, "") for i, correct in enumerate(right)])
    with pytest.raises(ValueError, match="no questions"):
        Quiz([])
