"""Lab 5.1: what it plans, what it shows, and its exercises."""

from __future__ import annotations

import fakes
import pytest

from labkit.checks import NOT_ATTEMPTED, RIGHT, WRONG
from labkit.experiment import Outcome, Row, Unavailable
from labkit.labs.compose_your_cluster import checks
from labkit.labs.compose_your_cluster import experiments as lab
from labkit.plan import bill, constants
from labkit.specs import network


def test_the_planners_training_is_the_operations_over_a_share_of_the_peak():
    machine = fakes.machine()
    experiment = lab.training(machine)
    one = experiment.predict(batch=64, width=16)
    assert experiment.predict(batch=128, width=16).value == pytest.approx(2 * one.value)
    share, work = constants.convolution_training_share(), lab.STEPS * network.training_flop(network.cats(16), 64)
    peak = lab.product_rates(machine)["fp32"]
    assert one.value * peak * share.value == pytest.approx(work)
    assert one.high / one.low == pytest.approx(share.high / share.low)


def test_a_measured_share_makes_a_plan_of_ones_own_machine():
    machine = fakes.machine()
    point = {"batch": 64, "width": 16}
    predicted = lab.training(machine).predict(**point)
    measured = Outcome(predicted.value / 2, "s", low=0.45 * predicted.value, high=0.55 * predicted.value)
    share = lab.reached(machine, Row(point, predicted, measured))
    assert share.value == pytest.approx(2 * constants.convolution_training_share().value)
    plan = lab.bill("hospital", measured=lab.here(machine, share))
    assert plan["training_hours"].kind == bill.MEASURED
    assert plan["training_hours"].value > 100 * lab.bill("hospital")["training_hours"].value
    assert lab.here(machine, Unavailable("Nothing here.")) == {}
    assert lab.bill("hospital", measured={})["training_hours"].kind == bill.PREDICTED


def test_the_tables_say_what_the_plans_say():
    cloud = lab.bill("retailer", edge={"cloud_percent": 100})
    table = str(lab.price_table({"edge": lab.bill("retailer"), "cloud": cloud}))
    assert "yes" in table and "no: A site sends" in table
    assert "Replicas" in str(lab.bill_table(lab.bill("assistant"), "Inference"))
    assert 0 < lab.unnamed() < len([each for some in lab.decided_by().values() for each in some])
    assert 0.5 < lab.moved_by_tips() <= 1


@pytest.mark.parametrize(("check", "right", "wrong"), [
    (checks.hours, 507_000, 300_000), (checks.conversations, 143, 200), (checks.cheapest, 70, 30),
    (checks.edge, "deadline_seconds", "frame_bytes"),
], ids=lambda each: getattr(each, "__name__", None))
def test_exercises_know_right_answers_from_wrong_ones(check, right, wrong):
    assert check(right).state == RIGHT and check(wrong).state == WRONG and check(None).state == NOT_ATTEMPTED
