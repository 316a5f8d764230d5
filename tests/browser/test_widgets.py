"""The widgets alone in a real browser: with no kernel, and with a stand-in for the kernel's side."""

from __future__ import annotations

import json
import math
import random

import pytest
import toy
from accessibility import grave_findings
from widget_pages import alive, in_the_book, widget_pages

from labkit import recorded
from labkit.experiment import Axis, Outcome, Published, Unavailable, compare
from labkit.units import quantity
from labkit.widgets.base import LabWidget
from labkit.widgets.explorer import Explorer
from labkit.widgets.guess import Beside, Guess
from labkit.widgets.quiz import Choice, Question, Quiz

# A kernel's side for the browser: it keeps the state, and records what the widget sends.
_LIVE = """<div id="here"></div><script type="application/json" id="state">%s</script>
<script type="module">
const { default: widget } = await import("../modules/%s.js");
const state = JSON.parse(document.getElementById("state").textContent), listeners = {};
window.sent = [];
window.model = {
  get: (name) => state[name],
  set(name, value) { state[name] = value; (listeners[`change:${name}`] ?? []).forEach((tell) => tell()); },
  on: (event, tell) => (listeners[event] ??= []).push(tell),
  off: (event, tell) => (listeners[event] = listeners[event].filter((other) => other !== tell)),
  save_changes() {},
  send: (content) => sent.push(content),
};
const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "../_static/labkit/style.css" });
document.head.append(link);
window.end = await widget.render({ model, el: document.getElementById("here") });
</script>"""


def formats(title="One step, by number format"):
    """Two curves, one of them with a gap, and parts that outnumber the colours."""

    def predict(format, batch):
        if format == "int8" and batch in (8, 16):
            return Unavailable("This format has no kernel for such a batch.")
        value = (2 if format == "int8" else 6) * (1 + batch) * 1e-4
        return Outcome(value, "s", parts={f"part {i}": value / 6 for i in range(6)})

    axes = [
        Axis("format", "Number format", ("fp32", "int8")),
        Axis("batch", "Batch", (1, 2, 4, 8, 16, 32, 64), unit="pictures", log=True),
    ]
    changes = {"title": title, "axes": axes, "predict": predict, "measure": None, "published": ()}
    return toy.step_time(**changes, readout="In {format}, {batch} take {value}, {part:part 5} of it at the end.")


@pytest.fixture(scope="session")
def site():
    """A function that puts a page of widgets online and returns its address."""
    with widget_pages() as add:
        yield add


@pytest.fixture(scope="session")
def everything(site):
    """A page with one widget of each kind and no kernel; returns its address and the explorer's Python side."""
    with in_the_book():
        experiment = toy.step_time()
        points = [{"nodes": n, "batch": 256, "link": 10} for n in (1, 2, 4)]
        presets = {"your laptop": {"nodes": 1, "batch": 64}, "8 × H100": {"nodes": 8, "batch": 1024, "link": 50}}
        explorer = Explorer(experiment, x="nodes", presets=presets, comparison=compare(experiment, points))
        guess = Guess("cats", "How many cats will it recognise?", "%", 0, 100)
        slow = Guess("slow", "How long does it take?", "s", 1e-4, 10)
        choices = [Choice("The weights", True, "They are what learns."), Choice("The pictures", False, "They stay.")]
        rows = [("Cats", guess, Outcome(94, "%", 90, 97), Outcome(96.5, "%")), ("Time", slow, Unavailable("No."), None)]
        widgets = [
            guess,
            slow,
            explorer,
            Explorer(formats(), x="batch", colour="format", run_url="https://example.org/lab"),
            Beside(rows),
            Quiz([Question("What does training change?", choices), Question("And inference?", choices[::-1])]),
        ]
        return site("everything", "\n".join(widget.html() for widget in widgets)), explorer


@pytest.fixture
def page(visit, everything):
    return visit(everything[0])


def explorers(page):
    return page.locator(".labkit-explorer")


def said(explorer):
    return explorer.locator(".labkit-sentence").inner_text()


# The same words in Python and JavaScript


def test_numbers_read_the_same_in_python_and_javascript(page, site):
    rng = random.Random(3)
    units = ["s", "B", "%", "", "pictures", "B/s", "FLOP/s", "FLOP", "J", "W", "bit/s", "Hz", "times"]
    values = [0, 1, -1, 0.125, 2.5, 1.125, 1.005, 0.0625, 999.5, 999.4999, 1023, 1024, 1e21, 3e25, -0.5, 1e-12, 1e-30]
    values += [1.004]
    values += [10.0**e for e in range(-15, 25)] + [2.0**e for e in range(-5, 70)]
    values += [float(f"{rng.uniform(-1, 1) * 10 ** rng.uniform(-12, 22):.4g}") for _ in range(1500)]
    values += [rng.randrange(1, 2000) / 2 ** rng.randrange(1, 8) for _ in range(500)]
    module = Quiz.module().replace("export default { render };", "export { quantity };")
    javascript = page.evaluate(
        """async ([source, values, units]) => {
            const { quantity } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
            return values.map((value) => units.map((unit) => quantity(value, unit)));
        }""",
        [module, values, units],
    )
    for value, row in zip(values, javascript, strict=True):
        assert row == [quantity(value, unit) for unit in units], value


def test_the_page_says_what_python_says(page, everything):
    """At points across the grid, the unavailable ones among them."""
    explorer, (_, source) = explorers(page).first, everything
    rng = random.Random(5)
    for point in rng.sample(list(source._experiment.points()), 25):
        for name, field in zip(point, explorer.locator("input[type=number]").all(), strict=True):
            field.fill(str(point[name]))
            field.press("Enter")
        shown = explorer.locator("[aria-live] p:not([hidden])").all_inner_texts()
        expected = source._grid.sentence(point)
        assert " ".join(t for t in shown if not t.startswith("Predicted")) == expected


# Controls


def test_every_slider_and_list_moves_the_readout_the_chart_and_its_own_value(page):
    for explorer in explorers(page).all():
        chart = explorer.locator(".labkit-chart")
        for slider in explorer.locator("input[type=range]").all():
            before = said(explorer), chart.inner_html(), slider.get_attribute("aria-valuetext")
            slider.press("ArrowRight")
            after = said(explorer), chart.inner_html(), slider.get_attribute("aria-valuetext")
            assert all(a != b for a, b in zip(before, after, strict=True))
        for choice in explorer.locator("select").all():
            before = said(explorer), chart.inner_html()
            choice.select_option(index=1)
            assert said(explorer) != before[0]
            assert chart.inner_html() != before[1]


def test_every_control_has_a_name_and_the_slider_speaks_in_units(page):
    explorer = explorers(page).first
    slider = explorer.get_by_label("Global batch", exact=True)
    assert slider.get_attribute("type") == "range"
    assert slider.get_attribute("aria-valuetext") == "256 pictures"
    assert explorer.get_by_label("Global batch, in pictures: type a value").input_value() == "256"
    page.get_by_label("Number format", exact=True).wait_for()
    assert explorer.locator("[aria-live=polite]").inner_text().startswith("With 4 nodes")


def test_a_typed_value_is_taken_or_explained(page):
    explorer = explorers(page).first
    field = explorer.get_by_label("Global batch, in pictures: type a value")
    message = explorer.locator("[role=status]").first
    slider = explorer.get_by_label("Global batch", exact=True)
    for typed, value, words in [
        ("", "256", "type a number"),
        ("64", "64", None),
        ("100", "128", "not on the slider"),
        ("0", "1", "below"),
        ("99999", "2048", "above"),
        ("-1", "1", "below"),
        ("2.5", "2", "not on the slider"),
    ]:
        field.evaluate("(field, text) => { field.value = text; field.dispatchEvent(new Event('change')); }", typed)
        assert field.input_value() == value
        assert slider.get_attribute("aria-valuetext").startswith(f"{int(value):,} ")
        if words:
            assert words in message.inner_text()
            assert message.is_visible()
            explorer.locator("input[type=range]").first.press("ArrowRight")
        assert not message.is_visible()


def test_letters_in_a_number_field_are_explained(page):
    explorer = explorers(page).first
    field = explorer.get_by_label("Nodes, in nodes: type a value")
    field.press("Control+a")
    page.keyboard.type("eee")
    field.press("Enter")
    assert "type a number from 1 node to 32 nodes" in explorer.locator("[role=status]").first.inner_text()
    assert field.input_value() == "4"


def test_arrow_keys_in_a_number_field_go_along_the_axis(page):
    field = explorers(page).first.get_by_label("Global batch, in pictures: type a value")
    for key, value in (("ArrowUp", "512"), ("ArrowDown", "256"), ("ArrowDown", "128")):
        field.press(key)
        assert field.input_value() == value


def test_presets_set_the_sliders_and_show_which_one_holds(page):
    explorer = explorers(page).first
    preset = explorer.get_by_role("button", name="8 × H100")
    assert preset.get_attribute("aria-pressed") == "false"
    preset.click()
    assert preset.get_attribute("aria-pressed") == "true"
    assert "With 8 nodes and a batch of 1,024 pictures" in said(explorer)
    explorer.locator("input[type=range]").first.press("ArrowLeft")
    assert preset.get_attribute("aria-pressed") == "false"


# What is shown


def test_a_point_without_a_prediction_shows_its_reason_and_a_gap(page):
    explorer = explorers(page).nth(1)
    explorer.get_by_label("Number format").select_option("int8")
    marks = ".mark-symbol path[d]"
    visible = explorer.locator(marks).count()
    field = explorer.get_by_label("Batch, in pictures: type a value")
    field.fill("8")
    field.press("Enter")
    assert said(explorer) == "This format has no kernel for such a batch."
    assert explorer.locator(marks).count() == visible - 1
    assert not explorer.locator(".labkit-bar").is_visible()
    curves = [path.get_attribute("d") for path in explorer.locator(".mark-line path").all()]
    assert sorted(curve.count("M") for curve in curves) == [1, 2]  # int8 is drawn in two pieces


def test_the_breakdown_is_a_list_that_adds_up(page):
    explorer = explorers(page).first
    items = explorer.get_by_role("list", name="What the Time of one step is made of").get_by_role("listitem")
    assert items.all_inner_texts() == ["compute 27.6 ms", "communication 3.4 ms", "waiting for the slowest 90 µs"]
    bar = explorer.locator(".labkit-bar").bounding_box()["width"]
    parts = [part.bounding_box()["width"] for part in explorer.locator(".labkit-bar > *").all()]
    assert sum(parts) == pytest.approx(bar, abs=6)
    assert parts[0] / sum(parts) == pytest.approx(27.6 / 31.1, abs=0.02)


def test_measured_and_published_points_show_where_they_belong(page):
    explorer = explorers(page).first
    verdict = explorer.locator("[aria-live] p").last
    assert "Predicted 31.1 ms, measured 34.2 ms (33.2 ms to 35.6 ms): 9 % off." in verdict.inner_text()
    assert explorer.get_by_text("measured on the machine that built this page").is_visible()
    source = explorer.get_by_role("link", name="https://example.org/rack")
    assert source.is_visible()
    dots = explorer.locator(".mark-symbol path").count()
    explorer.get_by_label("Link", exact=True).press("ArrowRight")
    assert explorer.locator(".mark-symbol path").count() == dots - 4  # three measured, one published
    assert not source.is_visible()
    assert not verdict.is_visible()


def test_what_one_source_says_of_a_curve_is_one_line(visit, site):
    figures = [Published({"nodes": nodes, "batch": 256, "link": 10}, seconds, label, "A record")
               for nodes, seconds, label in ((2, 0.02, "a rack"), (4, 0.01, "a rack"), (8, 0.005, "a hall"))]
    with in_the_book():
        body = Explorer(toy.step_time(published=figures), x="nodes").html()
    assert visit(site("cited", body)).locator(".labkit-sources li").all_inner_texts() == [
        "published: a rack, 2 points, 10 ms to 20 ms. Source: A record", "published: a hall, 5 ms. Source: A record"]


@pytest.mark.parametrize("kernel", [False, True])
def test_what_another_machine_measured_is_measured_there_and_not_published(visit, site, live, monkeypatch, kernel):
    there = Published({"nodes": 4, "batch": 256, "link": 10}, 0.02, "measured on A box", "labkit record, 2026-11-30")
    monkeypatch.setattr(recorded, "figures", lambda experiment: [there])
    if kernel:
        page = live(Explorer(toy.step_time(), x="nodes"))
    else:
        with in_the_book():
            page = visit(site("elsewhere", Explorer(toy.step_time(), x="nodes").html()))
    first, *others = page.locator(".labkit-sources li").all_inner_texts()
    assert first == "measured on A box, 20 ms. Source: labkit record, 2026-11-30"
    assert others and all(other.startswith("published: ") for other in others)
    marks = page.locator(".mark-symbol path").count()
    page.get_by_label("Link", exact=True).press("ArrowRight")
    assert page.locator(".mark-symbol path").count() == marks - 2


def test_without_a_kernel_a_link_leads_to_the_lab(page, visit, site, everything):
    name = "Run this lab to measure it on your machine"
    assert page.get_by_role("button", name="Measure this point").count() == 0
    assert explorers(page).get_by_role("link", name=name).count() == 0
    launch = '<a href="https://colab.research.google.com/github/o/r">Colab</a>'
    launched = visit(site("launch", launch + everything[1].html()))
    assert launched.get_by_role("link", name=name).get_attribute("href").endswith("/github/o/r")


def test_labels_are_text_and_never_markup(visit, site):
    evil = "<img src=x onerror='document.title=1'><script>document.title=1</script>"
    with in_the_book():
        body = Explorer(formats(evil), x="batch").html() + Guess("g", evil, "%", 0, 1).html()
    page = visit(site("evil", body))
    assert evil in page.locator(".labkit-title").first.inner_text()
    assert page.locator(".labkit img").count() == 0
    assert page.title() == "Widgets"


# Every reader


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_no_serious_accessibility_finding_and_nothing_cut_off(visit, everything, width, mode):
    page = visit(everything[0], viewport={"width": width, "height": 900}, color_scheme=mode)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    svg = explorers(page).first.locator("svg").first.bounding_box()
    assert svg["x"] >= 0
    assert svg["x"] + svg["width"] <= width
    for control in page.locator(":is(button, select, input):visible").all():
        box = control.bounding_box()
        if control.get_attribute("type") != "radio":  # its whole label can be touched
            assert min(box["width"], box["height"]) >= 24, control.evaluate("e => e.outerHTML")
    assert grave_findings(page) == []


def test_the_theme_can_change_without_losing_anything(page):
    explorer = explorers(page).first
    explorer.locator("input[type=range]").first.press("ArrowRight")
    page.get_by_label("The weights").first.check()
    before = said(explorer)
    label = explorer.locator(".role-axis-label text").first
    light = label.evaluate("e => getComputedStyle(e).fill")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert label.evaluate("e => getComputedStyle(e).fill") != light
    assert said(explorer) == before
    assert page.get_by_label("The weights").first.is_checked()


def test_the_chart_follows_the_width_of_its_column(page):
    svg = explorers(page).first.locator("svg.marks")
    for width in (1280, 500):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("w => document.querySelector('svg.marks').clientWidth <= w - 40", arg=width)
    narrow = svg.bounding_box()["width"]
    page.set_viewport_size({"width": 800, "height": 900})
    page.wait_for_function("w => document.querySelector('svg.marks').clientWidth > w", arg=narrow + 100)


def test_what_is_near_the_screen_lives_though_the_browser_is_never_idle(browser, everything):
    """The rest waits for an idle browser, or for a reader who comes near."""
    page = browser.new_page(viewport={"width": 800, "height": 300})
    try:
        page.add_init_script("window.requestIdleCallback = () => {}")
        page.goto(everything[0])
        page.locator(".labkit-guess").first.wait_for()
        quiz = page.locator(".labkit-host[data-module=quiz]")
        assert quiz.locator("> script").count() == 1
        quiz.scroll_into_view_if_needed()
        quiz.locator(".labkit-quiz").wait_for()
    finally:
        page.close()


def test_without_scripts_the_picture_says_it(browser, everything):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(everything[0])
    picture = page.locator(".labkit-host img").first
    assert "one step takes 31.1 ms" in picture.get_attribute("alt")
    assert picture.bounding_box()["width"] > 300
    assert page.get_by_text("How many cats will it recognise?").is_visible()
    context.close()


# With a kernel


@pytest.fixture
def live(visit, site, tmp_path, monkeypatch):
    """A page on which a widget is rendered as in a notebook."""
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    monkeypatch.setattr(LabWidget, "module", classmethod(lambda cls: ""))

    def show(widget):
        text = json.dumps(widget.state()).replace("<", "\\u003c")
        page = visit(site("live", _LIVE % (text, widget.script.stem)))
        page.wait_for_function("window.end !== undefined || document.querySelector('.labkit')")
        return page

    return show


def job(page, state, text="", fraction=0):
    page.evaluate("job => model.set('job', job)", {"state": state, "text": text, "fraction": fraction})


def test_measuring_shows_progress_can_be_cancelled_and_ends_in_a_dot(live):
    page = live(Explorer(toy.step_time(), x="nodes"))
    button = page.get_by_role("button", name="Measure this point")
    button.click()
    assert page.evaluate("sent") == [{"do": "measure", "index": [3, 8, 3]}]
    job(page, "running", "Training", 0.4)
    assert page.get_by_role("progressbar", name="Progress of the measurement").evaluate("e => e.value") == 0.4
    assert page.get_by_text("Training (40 %)").is_visible()
    page.get_by_role("button", name="Cancel").click()
    assert page.evaluate("sent.at(-1)") == {"do": "cancel"}
    dot = {"index": [3, 8, 3], "value": 0.0342, "low": 0.033, "high": 0.0356, "note": "Emulated."}
    page.evaluate("dot => model.set('dots', [dot])", dot)
    job(page, "done")
    assert page.get_by_text("Predicted 31.1 ms, measured 34.2 ms (33 ms to 35.6 ms): 9 % off. Emulated.").is_visible()
    assert page.get_by_text("measured on this machine").is_visible()
    assert button.is_visible()
    assert not page.locator("progress").is_visible()


@pytest.mark.parametrize("state", ["unavailable", "failed", "cancelled"])
def test_a_measurement_without_a_result_says_why_and_can_be_tried_again(live, state):
    page = live(Explorer(toy.step_time(), x="nodes"))
    job(page, state, "This machine runs at most 4 nodes, not 8.")
    assert page.get_by_text("This machine runs at most 4 nodes, not 8.").is_visible()
    page.get_by_role("button", name="Measure this point").click()
    assert page.evaluate("sent.length") == 1


def test_a_busy_machine_offers_to_cancel_the_other_measurement(live):
    page = live(Explorer(toy.step_time(), x="nodes"))
    job(page, "busy", "Another measurement is running.")
    page.get_by_role("button", name="Cancel the other measurement").click()
    assert page.evaluate("sent") == [{"do": "cancel"}]


def test_the_view_follows_python_and_ends_cleanly(live):
    page = live(Explorer(toy.step_time(), x="nodes"))
    page.evaluate("model.set('index', [0, 8, 3])")
    assert "With 1 node" in said(explorers(page))
    page.evaluate("model.set('specs', model.get('specs').map((s) => ({ ...s, height: 300 })))")
    page.wait_for_function("document.querySelector('svg.marks').clientHeight === 300")
    page.evaluate("end()")
    page.evaluate("model.set('index', [1, 8, 3])")
    assert "With 1 node" in said(explorers(page))


def test_without_a_measurement_there_is_no_button(live):
    page = live(Explorer(formats(), x="batch", colour="format"))
    assert page.get_by_role("button").count() == 0


# Guess, table and quiz


def test_a_guess_is_locked_dated_kept_and_reaches_the_table(page):
    guess = page.locator("#guess-cats")
    row = page.locator(".labkit-beside tbody tr").first
    assert "no guess yet" in row.inner_text()
    guess.get_by_role("button", name="Commit").click()
    assert "Please type a number from 0 % to 100 %" in guess.get_by_role("alert").inner_text()
    field = guess.get_by_role("spinbutton")
    field.fill("180")
    guess.get_by_role("button", name="Commit").click()
    assert "180 % is above the range of 0 % to 100 %" in guess.get_by_role("alert").inner_text()
    field.fill("80")
    field.press("Enter")
    assert guess.get_by_role("status").inner_text().startswith("Your guess: 80 %, committed ")
    assert not field.is_visible()
    assert "Your guess: 16.5 points too low" in row.inner_text()
    assert "The model: 2.5 points too low" in row.inner_text()

    page.reload()
    alive(page)
    assert guess.get_by_role("status").inner_text().startswith("Your guess: 80 %")
    guess.get_by_role("button", name="Guess again").click()
    field.fill("95")
    guess.get_by_role("button", name="Commit").click()
    assert guess.get_by_role("status").inner_text().startswith("Your guess: 95 %")
    (earlier,) = guess.get_by_role("list", name="Your earlier guesses").get_by_role("listitem").all_inner_texts()
    assert earlier.startswith("80 %")
    assert "95 %" in row.inner_text()


def test_the_table_leads_back_to_a_missing_guess(page):
    page.get_by_role("link", name="go back and make one").first.click()
    assert page.evaluate("document.activeElement.id") == "guess-cats"


def test_a_guess_over_orders_of_magnitude_moves_by_factors(page):
    guess = page.locator("#guess-slow")
    slider = guess.get_by_role("slider")
    for _ in range(3):
        slider.press("PageUp")
    value = float(guess.get_by_role("spinbutton").input_value())
    assert math.sqrt(1e-4 * 10) < value < 10
    assert slider.get_attribute("aria-valuetext") == quantity(value, "s")


def test_a_broken_memory_of_the_browser_does_no_harm(page):
    for broken in ("not json", "[]", "{}", '[{"value": "x", "at": 1}]', "null", "[null]"):
        page.evaluate("text => localStorage.setItem('labkit-guess:cats', text)", broken)
        page.reload()
        alive(page)
        assert page.locator("#guess-cats").get_by_role("button", name="Commit").is_visible()
        assert "no guess yet" in page.locator(".labkit-beside tbody tr").first.inner_text()


def test_with_a_kernel_a_guess_goes_to_python(live):
    guess = Guess("cats", "How many?", "%", 0, 100)
    page = live(guess)
    page.get_by_role("spinbutton").fill("80")
    page.get_by_role("button", name="Commit").click()
    guess.set_state({"history": page.evaluate("model.get('history')")})
    assert guess.value == 80
    assert page.evaluate("localStorage.length") == 0
    page.evaluate("model.set('message', 'It could not be saved.')")
    assert page.get_by_role("alert").inner_text() == "It could not be saved."


def test_the_quiz_answers_by_keyboard_and_can_be_retried(page):
    quiz = page.locator(".labkit-quiz")
    first, second = quiz.locator("fieldset").all()
    first.get_by_role("button", name="Check").click()
    assert first.locator("[aria-live]").inner_text() == "Choose an answer first."
    first.get_by_label("The weights").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert first.locator("[aria-live]").inner_text() == "Not quite. They stay."
    first.get_by_label("The weights").check()
    assert first.locator("[aria-live]").inner_text() == ""
    first.get_by_role("button", name="Check").press("Enter")
    assert first.locator("[aria-live]").inner_text() == "Right. They are what learns."
    assert quiz.get_by_text("1 of 2 right, 1 left").is_visible()
    second.get_by_label("The weights").check()
    second.get_by_role("button", name="Check").click()
    assert quiz.get_by_text("2 of 2 right: all of them.").is_visible()
    quiz.get_by_role("button", name="Start again").click()
    assert quiz.locator(":checked").count() == 0
    assert page.evaluate("document.activeElement.type") == "radio"
