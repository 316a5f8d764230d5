"""Lab 4.3: farther is slower, the line is where both are equal, and two clocks give two numbers."""

from __future__ import annotations

import math

import fakes
import pytest

from labkit import catalogue
from labkit.checks import NOT_ATTEMPTED
from labkit.experiment import Comparison, Outcome, Row, Unavailable, compare
from labkit.labs.distance_to_memory import at_scale, checks, figures, measuring, tables
from labkit.labs.distance_to_memory import experiments as lab
from labkit.measure.probes import weights as probe
from labkit.predict import boards, memory_ladder
from labkit.specs.calibration import Calibration
from labkit.specs.link import LinkSpec
from labkit.widgets.explorer import Explorer

NO_NUMBER = [0, -1, math.nan, math.inf]


@pytest.fixture(scope="module")
def here():
    return fakes.with_offload()


@pytest.fixture(scope="module")
def ladder(here):
    return lab.ladder(here)


def predicted(experiment, points):
    rows = [Row(point, experiment.predict(**point), experiment.predict(**point)) for point in points]
    return Comparison(experiment, tuple(rows))


# The ladder


def test_farther_is_slower_for_weights_and_inputs_feel_the_network_alone(ladder):
    def seconds(rung, what):
        return ladder.predict(**dict(lab.START, rung=rung, what=what)).value

    near = (lab.CACHE, lab.MEMORY, lab.MAP, lab.DRIVE, *measuring.LINKS)
    weights = [seconds(rung, lab.WEIGHTS) for rung in near]
    assert weights == sorted(weights) and weights[-1] > 100 * weights[1]
    inputs = [seconds(rung, lab.SOME) for rung in near[1:]]
    assert inputs == sorted(inputs) and inputs[2] < 1.5 * inputs[0] and inputs[-1] > 5 * inputs[0]


def test_every_point_is_predicted_or_says_why_not_and_reads_as_a_sentence(ladder, here):
    for experiment in (ladder, lab.line(here), at_scale.wait(), at_scale.worth()):
        assert all(f"{{{axis.name}}}" in experiment.readout for axis in experiment.axes)
        for point in list(experiment.points())[::5]:
            outcome = experiment.predict(**point)
            assert outcome or outcome.reason.endswith("."), point


def test_a_model_larger_than_memory_is_refused_in_words_by_both_halves(ladder):
    for half in (ladder.predict, ladder.measure):
        outcome = half(**dict(lab.START, size=2**17))
        assert isinstance(outcome, Unavailable) and "128 GiB does not fit the 8 GiB of memory" in outcome.reason


def test_what_the_lab_does_not_write_is_not_measured(ladder, here):
    assert "32 MiB at most" in ladder.measure(**dict(lab.START, size=1024)).reason
    assert "1000 Mbit/s at most" in lab.line(here).measure(**dict(lab.ASKED, rate=10_000)).reason


@pytest.mark.parametrize("probe_name, key, rung", [
    ("weights", ("fetch", probe.READ_COLD), measuring.DRIVE), ("loopback", ("message",), measuring.PROCESS),
    ("offload", ("message", "relay"), tables.NEAREST), ("storage", ("random",), measuring.DRIVE)])
def test_what_could_not_be_calibrated_leaves_its_rung_out_and_the_others_in(here, probe_name, key, rung):
    kept = here.calibration(probe_name)
    lacking = fakes.calibration({k: c for k, c in kept.curves.items() if k != key}, {**kept.missing, key: "Not here."})
    machine = fakes.machine(calibrations={**here.calibrations, probe_name: lacking})
    ladder = lab.ladder(machine)
    for half in (ladder.predict, ladder.measure):
        assert half(**dict(lab.START, rung=rung)) == Unavailable("Not here.")
    assert ladder.predict(**lab.START)


# The line


def test_on_the_line_asking_takes_as_long_as_answering(here):
    line, seconds = lab.line(here), lab.Seconds(here)
    trip = line.predict(**lab.ASKED).value
    near = seconds.answer(2) + 511 * seconds.hot(2)
    far = seconds.answer(2) + seconds.link(LinkSpec(trip, lab.ASKED["rate"] * 1e6 / 8), lab.SIDE_BYTES, lab.SIDE_BYTES)
    assert near == pytest.approx(far, rel=0.01)


def test_the_line_rises_with_bandwidth_and_with_a_slower_near_processor(here):
    line = lab.line(here)

    def trips(**changes):
        return [line.predict(**dict(lab.ASKED, **{name: value})).value for name, values in changes.items()
                for value in values]

    assert trips(rate=lab.BITS) == sorted(trips(rate=lab.BITS))
    assert trips(slower=(64, 512)) == sorted(trips(slower=(64, 512)))
    assert not line.predict(**dict(lab.ASKED, slower=1))


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("wrong", NO_NUMBER)
def test_a_line_of_numbers_that_cannot_be_is_refused(place, wrong):
    numbers = [0.1, 0.01, 1000, 1e6]
    numbers[place] = wrong
    with pytest.raises(ValueError, match="above 0"):
        memory_ladder.worth(*numbers)


def test_a_link_of_the_readers_own_is_compared_and_one_of_zero_bandwidth_is_refused(here):
    shown = str(tables.own_link(here, LinkSpec(0.05, 1e6)))
    assert "the weights come" in shown and "the question goes" in shown
    with pytest.raises(ValueError, match="rate is above 0 B/s, not 0 B/s: where nothing passes, cut"):
        LinkSpec(0.05, 0)


# Published


def test_rungs_and_devices_have_their_numbers_from_the_catalogue():
    pi, orin = (at_scale.worth().predict(rate=100, near=near, picture="as ResNet-50 sees it")
                for near in ("Raspberry Pi 4", "Jetson AGX Orin"))
    assert pi.value > 0.4 and not orin
    least = at_scale.least_rate("Jetson AGX Orin") / 1e6
    enough = [rate for rate in at_scale.BITS if rate > least]
    assert at_scale.worth().predict(rate=enough[0], near="Jetson AGX Orin", picture="as ResNet-50 sees it")


def test_two_clocks_give_back_the_sum_that_they_were_made_of():
    cycles, rest = boards.two_clocks((1e8, 3e6 / 1e8 + 2e-3), (4e8, 3e6 / 4e8 + 2e-3))
    assert cycles == pytest.approx(3e6) and rest == pytest.approx(2e-3)
    for wrong in (((1e8, 1), (1e8, 0.5)), ((1e8, 1), (2e8, 2)), ((0, 1), (1, 1)), ((2e8, 1), (1e8, 2))):
        with pytest.raises(ValueError, match="Two clocks"):
            boards.two_clocks(*wrong)


def test_the_published_board_keeps_a_rest_that_its_weights_do_not_explain():
    found = at_scale.clocks()
    assert found.keys() == boards.OPERATIONS.keys() and all(2 < times < 2.61 for times, _, _ in found.values())
    most = max(boards.WEIGHTS, key=boards.WEIGHTS.get)
    assert found[most][2] == min(rest for _, _, rest in found.values())
    assert boards.WEIGHTS[most] * 2 == boards.OPERATIONS[most]  # dense layers use each weight once
    assert len(catalogue.table("two-clocks")) == 8


# What the lab shows


def test_tables_and_figures_show_a_run_and_the_want_of_one(here, ladder):
    line = lab.line(here)
    timed, lines = predicted(ladder, lab.points()), predicted(line, lab.line_points())
    reads = measuring.Reads(8, 0.01, Outcome(0.002, "s"), Outcome(0.008, "s"))
    shown = str(tables.cold(here, reads))
    assert all(part in shown for part in ("1 %", "4.19 GB/s", "1.05 GB/s")) and "Gbit/s" in str(tables.fleet(here))
    assert tables.over_memory(timed, tables.NEAREST).value > 10
    figures.ladder(timed)
    assert tables.trip(lines) and "times" in tables.times_said(timed, tables.NEAREST)
    none = compare(ladder, [])
    assert not figures.ladder(none)
    assert "did not come" in tables.said(none, lab.MEMORY) and not tables.trip(compare(line, []))


def test_a_machine_that_can_write_no_model_says_so_in_every_cell(here):
    nothing = Calibration.unavailable(probe.KEYS, "No disk.")
    machine = fakes.machine(calibrations={**here.calibrations, "weights": nothing})
    ladder, line = lab.ladder(machine), lab.line(machine)
    timed, lines = compare(ladder, lab.points()), compare(line, lab.line_points())
    shown = [figures.ladder(timed), tables.cold(machine, Unavailable("No disk.")), tables.fleet(machine),
             tables.trip(lines), tables.own_link(machine, LinkSpec(0.05, 1e6)),
             tables.times_said(timed, tables.NEAREST)]
    assert all("No disk." in str(part) for part in shown)
    for experiment, x in ((ladder, "size"), (line, "rate")):
        assert "No disk." in Explorer(experiment, x=x).text()


# Self-checks


def test_checks_accept_what_is_right_and_nothing_else():
    agx = "Jetson AGX Orin", "as ResNet-50 sees it"
    clocks = (600e6, 0.010), (1.2e9, 0.006)
    right = [checks.waiting(2.02, 25e6, 12.5e6, 0.02), checks.trip(0.025, 0.09, 0.005, 150e3, 2.5e6),
             checks.least_bandwidth(10_000, *agx), checks.stays(0.002, *clocks)]
    wrong = [checks.waiting(0.27, 25e6, 12.5e6, 0.02), checks.trip(0.085, 0.09, 0.005, 150e3, 2.5e6),
             checks.least_bandwidth(1000, *agx), checks.stays(0.004, *clocks), checks.least_bandwidth("fast", *agx)]
    assert [verdict.ok for verdict in right] == [True] * 4 and [verdict.ok for verdict in wrong] == [False] * 5
    assert checks.stays(None, *clocks).state == NOT_ATTEMPTED
