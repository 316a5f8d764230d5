"""A statement about a measurement: it holds, it comes out otherwise, or it cannot be tested; it never ends a lab."""

from __future__ import annotations

import math

import pytest
import toy

from labkit import effort, expectation
from labkit.expectation import HOLDS, MIME, SURPRISE, UNTESTED, Expectation
from labkit.experiment import Outcome, Unavailable, compare

FASTER = Expectation("faster", "Two are {gain:.1f} times as fast as one.", "The cores share caches: {gain:.1f}.",
                     lambda gain: gain > 1)


@pytest.fixture(autouse=True)
def lab():
    expectation.begin("9.9")
    yield
    expectation.begin("")


@pytest.mark.parametrize(("gain", "state"), [(1.5, HOLDS), (Outcome(1.5, "times"), HOLDS), (0.5, SURPRISE),
                                             (Outcome(0.5, "times"), SURPRISE), (None, UNTESTED),
                                             (math.nan, UNTESTED), (math.inf, UNTESTED)])
def test_a_statement_comes_out_in_one_of_three_ways(gain, state):
    finding = FASTER.judge(gain=gain)
    assert finding.state == state and finding.lab == "9.9"
    assert ("0.5" in finding.otherwise) == (state == SURPRISE)


def test_what_this_machine_cannot_run_leaves_a_statement_untested_with_the_reason():
    finding = FASTER.judge(gain=Unavailable("One core only."))
    assert finding.state == UNTESTED and finding.otherwise == "One core only." and "…" in finding.statement


def test_a_comparison_stands_for_its_median_error():
    close = Expectation("close", "Off by {error:.0%}.", "Off by {error:.0%}.", lambda error: error < 0.2)
    experiment = toy.step_time(measure=lambda **point: toy.predict(**point))
    assert close.judge(error=compare(experiment, [experiment.start])).statement == "Off by 0 %."
    nothing = compare(toy.step_time(measure=lambda **_: Unavailable("No link here.")), [experiment.start])
    finding = close.judge(error=nothing)
    assert finding.state == UNTESTED and "No link here." in finding.otherwise


def test_a_division_by_nothing_is_no_traceback():
    ratio = Expectation("ratio", "{a} of {b}", "", lambda a, b: a / b > 1)
    assert ratio.judge(a=1, b=0).state == UNTESTED


def test_the_list_at_the_end_names_every_surprise_once(capsys):
    for gain in (0.5, 0.7, 1.5, 0.9):
        FASTER.check(gain=gain)
    assert [finding.state for finding in expectation.findings()] == [SURPRISE]
    capsys.readouterr()
    expectation.show_summary()
    shown = capsys.readouterr().out
    assert shown.count("0.9 times") == 1 and "0 of 1" in shown


def test_a_finding_travels_in_the_notebook_and_its_words_are_escaped():
    risky = Expectation("risky", "a < b & c", "never <script>", lambda x: False).judge(x=1)
    bundle = risky._repr_mimebundle_()
    assert bundle[MIME]["state"] == SURPRISE and "<script>" not in bundle["text/html"]


def test_one_dial_of_effort(monkeypatch):
    effort.begin("long")
    assert effort.pick(quick=1, usual=2, long=3) == 3
    monkeypatch.setenv(effort.VARIABLE, "quick")
    assert effort.pick(quick=1, usual=2, long=3) == 1 and effort.VARIABLE in effort.begin("usual")
    monkeypatch.setenv(effort.VARIABLE, "hard")
    with pytest.raises(ValueError, match="quick, usual, long"):
        effort.current()
    monkeypatch.delenv(effort.VARIABLE)
    with pytest.raises(ValueError, match="quick, usual, long"):
        effort.begin("hard")
