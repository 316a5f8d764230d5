"""Every self-check that judges without a network, on an ordinary machine and on ones ten times as fast and as slow."""

from __future__ import annotations

import math
import subprocess
import sys

import fakes
import pytest

from labkit.checks import NOT_ATTEMPTED, RIGHT, WRONG
from labkit.labs.a_smaller_machine import checks as small_machine
from labkit.labs.a_smaller_machine import experiments as small
from labkit.labs.an_fpga_at_the_edge import checks as fpga
from labkit.labs.an_fpga_at_the_edge import experiments as circuits
from labkit.labs.cats import checks as cats
from labkit.labs.compose_your_cluster import checks as cluster
from labkit.labs.compute_and_precision import checks as precision
from labkit.labs.dedicated_or_shared import checks as sharing
from labkit.labs.dedicated_or_shared import experiments as share
from labkit.labs.distance_to_memory import at_scale
from labkit.labs.distance_to_memory import checks as distance
from labkit.labs.edge_cloud_or_both import checks as offload
from labkit.labs.feeding_the_cluster import checks as feeding
from labkit.labs.growing_clean_data import checks as clean
from labkit.labs.hundreds_of_instances import checks as instances
from labkit.labs.language_models import checks as llm
from labkit.labs.language_models import experiments as language_models
from labkit.labs.latency import checks as latency
from labkit.labs.latency import experiments as latencies
from labkit.labs.memory_and_io import checks as memory_and_io
from labkit.labs.memory_and_io import experiments as stored
from labkit.labs.more_nodes import checks as more_nodes
from labkit.labs.nodes_and_synapses import checks as nodes
from labkit.labs.one_clear_stream import checks as one_clear_stream
from labkit.labs.serving_under_load import checks as serving
from labkit.labs.surviving_failures import checks as failures
from labkit.labs.surviving_failures import planner as restarts
from labkit.labs.throughput import checks as throughput
from labkit.labs.throughput.experiments import Plan
from labkit.labs.too_big_for_one_node import checks as too_big
from labkit.labs.too_big_for_one_node import planner
from labkit.labs.your_machine import checks as your_machine
from labkit.predict.instances import multiplexed

NONSENSE = ["12 of them", "", [], [1], (1, 2, 3), {}, {1: 2}, object(), int, math.nan, 1j, b"", True, lambda: 1, -7.3]
MIB = 2**20


MACHINES = {"as it is": fakes.slower(1), "ten times as fast": fakes.slower(0.1), "ten times as slow": fakes.slower(10)}


def bandwidth(machine) -> float:
    size, seconds = machine.calibration("memory").curve("read")[-1]
    return size / seconds


def operations(machine) -> float:
    products = machine.calibration("products").curve("fp32")
    return 4 * max(work / seconds for work, seconds in products) / bandwidth(machine)


def usual(machine) -> float:
    return latencies.time(machine).predict(width=32, batch=1, way="runtime", threads=1).value


# Of each check: how it is asked on a machine, a right answer there, and a wrong one.
ASKED = {
    "1.1 operations": (your_machine.operations_a_number, operations, lambda m: operations(m) / 4),
    "1.1 format": (your_machine.fastest_format, lambda m: "int8", lambda m: "fp32"),
    "1.1 cache": (your_machine.cached, lambda m: 2**22, lambda m: 2**26),
    "1.1 message": (your_machine.half_latency, lambda m: 240_000, lambda m: 64),
    "1.1 addition": (your_machine.addition, lambda m: (12 * 2**24 / bandwidth(m),) * 2,
                     lambda m: (12 * 2**24 / bandwidth(m), 1e3)),
    "1.2 parameters": (lambda a, m: nodes.parameters(a, [784, 300, 10]), lambda m: 785 * 300 + 301 * 10,
                       lambda m: 784 * 300 + 300 * 10),
    "1.2 computers": (lambda a, m: nodes.computers(a, 3), lambda m: 9, lambda m: 3),
    "1.2 same count": (nodes.same_count, lambda m: ((64, 32), (256, 2)), lambda m: ((64, 32), (64, 1))),
    "1.3 parameters": (lambda a, m: cats.parameters(a, 4), lambda m: 28 * 4 + 37 * 8 + 73 * 16 + 257 * 3, lambda m: 4),
    "2.1 largest": (lambda a, m: precision.largest(a, "fp16"), lambda m: 65_504, lambda m: 65_536 * 2),
    "2.1 fraction": (lambda a, m: precision.fraction(a, 1e-3), lambda m: 9, lambda m: 10),
    "2.2 traffic": (lambda a, m: more_nodes.traffic(a, 4, 2), lambda m: 4 * (28 * 4 + 37 * 8 + 73 * 16 + 257 * 3),
                    lambda m: 4),
    "2.2 waiting": (lambda a, m: more_nodes.waiting(a, 100, 0.01, 0.03, 0.01), lambda m: 0.03 - 0.02 * 0.99**100,
                    lambda m: 0.01),
    "2.3 bandwidth": (lambda a, m: feeding.bandwidth(a, 256, 1800, 1e5, 0.5), lambda m: 2.304e10, lambda m: 4.608e10),
    "2.3 readers": (lambda a, m: feeding.readers_to_fill(a, 0.01, 12.5e6, 5e3), lambda m: 26, lambda m: 25),
    "2.3 shard": (lambda a, m: feeding.shard(a, 0.01, 12.5e6, 0.1), lambda m: 1.125e6, lambda m: 1.25e5),
    "2.4 fair": (lambda a, m: sharing.fair(a, 8, 12), lambda m: 1.5, lambda m: 12),
    "2.4 memory": (lambda a, m: sharing.memory_slowdown(a, 0.4, 2.5), lambda m: 1.6, lambda m: 2.5),
    "2.4 nodes": (lambda a, m: sharing.nodes_until(a, 1 / 500, 0.5), lambda m: 347, lambda m: 250),
    "2.4 threads": (lambda a, m: sharing.most_threads(a, share.sharing(m).slowdown, 2.5, job="a small network",
                                                      neighbour="the processor", place="one core"),
                    lambda m: 2, lambda m: 3),
    "2.5 half": (lambda a, m: clean.half(a, 0.25), lambda m: 16, lambda m: 4),
    "2.5 floor": (lambda a, m: clean.with_floor(a, 10, 7, 0.5, 5), lambda m: 6.25, lambda m: 2.04),
    "2.5 worth": (lambda a, m: clean.clean_worth(a, 10_000, 0.18, 10, 0.5), lambda m: 4_706, lambda m: 8_200),
    "2.5 test": (lambda a, m: clean.test_floor(a, 5, 0.04), lambda m: 8.7, lambda m: 9),
    "2.5 unseen": (lambda a, m: clean.unseen(a), lambda m: "labels wrong at random", lambda m: "pictures sent twice"),
    "2.7 fewest": (lambda a, m: too_big.fewest(a, 671e9, 18, 141e9), lambda m: 86, lambda m: 85),
    "2.7 times the bytes": (lambda a, m: too_big.times_the_bytes(a, 3), lambda m: 2, lambda m: 1.5),
    "3.1 needed": (lambda a, m: latency.needed(a, 99.9), lambda m: 2_995, lambda m: 1_000),
    "3.1 fan-out": (lambda a, m: latency.fan_out(a, 100, 99), lambda m: 63.4, lambda m: 1),
    "3.1 long enough": (lambda a, m: latency.long_enough(a, latencies.time(m), 32, 99.9),
                        lambda m: [usual(m)] * 2_995, lambda m: [usual(m)] * 2_000),
    "3.2 queries": (lambda a, m: throughput.queries(a, 0.999), lambda m: 4_603, lambda m: 1_000),
    "3.2 in work": (lambda a, m: throughput.in_work(a, "Orin_NX_TRT"), lambda m: 2.73, lambda m: 1),
    "3.2 machines": (lambda a, m: throughput.machines(a, 5_000, 1.25e9), lambda m: 81.4, lambda m: 8),
    "3.3 inside": (lambda a, m: serving.inside(a, 100, 0.02), lambda m: 2, lambda m: 200),
    "3.3 waits": (lambda a, m: serving.waits(a, 0.8), lambda m: 2.0, lambda m: 4.0),
    "3.6 cache": (lambda a, m: llm.cache_bytes(a, "Llama 70B", 32, 8192, 1), lambda m: 32 * 8192 * 80 * 2048,
                  lambda m: 32 * 8192 * 2048),
    "3.6 floor": (lambda a, m: llm.active_floor(a, "gpt-oss-120b", "NVIDIA B200 SXM", "fp8"), lambda m: 8e12 / 5.13e9,
                  lambda m: 8e12 / 116.8e9),
    "3.6 steps": (lambda a, m: llm.steps(a, [(16, 3), (16, 12), (16, 6), (16, 9), (16, 10)], 4), lambda m: 11 + 9,
                  lambda m: 40),
    "3.6 no gain": (lambda a, m: llm.better(a), lambda m: [(8, 5)] * 4 + [(8, 9)] * 4, lambda m: [(8, 5), (8, 50)] * 4),
    "2.6 between": (lambda a, m: failures.time_between(a, 100, 24), lambda m: 100, lambda m: 4),
    "2.6 interval": (lambda a, m: failures.interval(a, 50, 1), lambda m: 10, lambda m: 600),
    "2.6 lost": (lambda a, m: failures.lost_work(a, 10, 3), lambda m: 15, lambda m: 30),
    "3.4 unseen": (lambda a, m: memory_and_io.share_unseen(a, 99.9), lambda m: 0.1, lambda m: 1),
    "3.4 lost": (lambda a, m: memory_and_io.answers_lost(a, 0.01, 1.0, 0.05), lambda m: 6, lambda m: 100),
    "3.4 largest": (lambda a, m: memory_and_io.largest(a, 0.1, 3.5e9), lambda m: 3.5e8, lambda m: 3.5e7),
    "3.5 streams": (lambda a, m: one_clear_stream.streams(a, 0.25e-3, 0.04), lambda m: 160, lambda m: 161),
    "3.5 cores": (lambda a, m: one_clear_stream.cores(a, 1000, 0.25e-3, 0.04), lambda m: 7, lambda m: 6),
    "3.5 softer": (lambda a, m: one_clear_stream.softer(a, -6, 20), lambda m: 14, lambda m: 26),
    "4.1 file": (lambda a, m: small_machine.file_size(a, 4),
                 lambda m: 27 * 4 + 36 * 8 + 72 * 16 + 256 * 3 + 4 * (4 + 8 + 16 + 3), lambda m: 9_000),
    "4.1 batch": (lambda a, m: small_machine.largest_batch(a, small.memory(200 * MIB, 30 * MIB), 32, 400 * MIB),
                  lambda m: small.largest(small.memory(200 * MIB, 30 * MIB), 32, 400 * MIB), lambda m: 1),
    "4.2 served": (lambda a, m: instances.served(a, 0.4e-3, 0.2), lambda m: 500, lambda m: 50),
    "4.2 at once": (lambda a, m: instances.worst(a, 0.4e-3, 0.2, 0.02), lambda m: 50, lambda m: 500),
    "4.2 pictures": (lambda a, m: instances.fewest_pictures(a, 15e-6, 7e-6, 0.1), lambda m: 20, lambda m: 2),
    "4.2 shared": (lambda a, m: instances.shared_by(a, 20, 0.1, 0.01), lambda m: multiplexed(0.1, 20, 0.01),
                   lambda m: 200),
    "4.3 waiting": (lambda a, m: distance.waiting(a, 25e6, 12.5e6, 0.02), lambda m: 2.02, lambda m: 0.27),
    "4.3 trip": (lambda a, m: distance.trip(a, 0.09, 0.005, 150e3, 2.5e6), lambda m: 0.025, lambda m: 0.085),
    "4.3 stays": (lambda a, m: distance.stays(a, (600e6, 0.010), (1.2e9, 0.006)), lambda m: 0.002, lambda m: 0.006),
    "4.4 payload": (lambda a, m: offload.payload(a, 16, 2), lambda m: 8_192, lambda m: 2_048),
    "4.4 widest": (lambda a, m: offload.widest(a), lambda m: 3, lambda m: 4),
    "4.5 cycles": (lambda a, m: fpga.cycles(a, 256, 32, 8), lambda m: 1_028, lambda m: 8_192),
    "4.5 pictures": (lambda a, m: fpga.pictures(a, 125e6, 1_042), lambda m: 119_962, lambda m: 1_042),
    "4.5 neurons": (lambda a, m: fpga.most_neurons(a, 192, "ECP5-45"), lambda m: 1_088, lambda m: 64),
    "5.1 hours": (lambda a, m: cluster.hours(a), lambda m: 6 * 8.03e9 * 15e12 / (989e12 * 0.4) / 3600, lambda m: 1e5),
    "5.1 conversations": (lambda a, m: cluster.conversations(a), lambda m: 143, lambda m: 1_430),
    "5.1 deadline": (lambda a, m: cluster.cheapest(a), lambda m: 100, lambda m: 10),
    "5.1 edge": (lambda a, m: cluster.edge(a), lambda m: "deadline_seconds", lambda m: "frame_bytes"),
}

RESTART = restarts.plan()
THOUSANDS = dict(nodes=8192, node=264, save=10, every=restarts.BEST)  # as Lab 2.6 asks
# Checks of a choice on a slider, and what can be chosen: on every machine, some answer must be right.
CHOSEN = {
    "1.2 busy batch": (lambda a, m: nodes.busy_batch(a, m, 1024), (0, *nodes.BATCHES)),
    "1.3 large batch": (lambda a, m: cats.large_enough_batch(a, m, 16), cats.BATCHES),
    "2.1 helpful batch": (lambda a, m: precision.helpful_batch(a, m, 16), (0, *precision.BATCHES)),
    "2.6 restart": (lambda a, m: failures.slowest_restart(a, RESTART, 80, **THOUSANDS), RESTART.axis("restart").values),
    "2.7 fits": (lambda a, m: too_big.fits(a, model="Llama 70B", cut="8 by tensor"), planner.ACCELERATORS),
    "3.1 threads": (lambda a, m: latency.threads_pay(a, latencies.time(m)), (0, *latencies.WIDTHS)),
    "3.2 in time": (lambda a, m: throughput.in_time(a, Plan(m, "fp32", 64), 0.01), (0, *throughput.BATCHES)),
    "3.6 users": (lambda a, m: llm.most_users(a, language_models.each(m), 1024, 256, 1 / 40),
                  (0, *language_models.USERS)),
    "4.1 faster": (lambda a, m: small_machine.faster_from(a, small.time(m)), (0, *small.WIDTHS)),
    "3.4 enough": (lambda a, m: memory_and_io.enough_memory(a, stored.requests(m).hits, 80, models=400, skew=1.0,
                                                            size=2),
                   stored.requests(fakes.machine()).hits.axis("share").values),
    "4.3 bandwidth": (lambda a, m: distance.least_bandwidth(a, "Jetson AGX Orin", "as ResNet-50 sees it"),
                      at_scale.BITS),
    "4.5 lanes": (lambda a, m: fpga.fewest_lanes(a, circuits.answer(), 200e-6, side=16, hidden=64, part="ECP5-25"),
                  (0, *circuits.LANES)),
}
machines = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)


@machines
@pytest.mark.parametrize("name", ASKED)
def test_right_wrong_and_no_answer_are_told_apart_on_any_machine(name, machine):
    ask, right, wrong = ASKED[name]
    assert ask(right(machine), machine).state == RIGHT
    refused = ask(wrong(machine), machine)
    assert refused.state == WRONG and refused.given and refused.expected and refused.why
    assert ask(None, machine).state == NOT_ATTEMPTED and ask(None, machine).expected == refused.expected


@machines
@pytest.mark.parametrize("name", CHOSEN)
def test_of_a_slider_some_values_are_right_and_others_wrong_on_any_machine(name, machine):
    ask, values = CHOSEN[name]
    verdicts = [ask(value, machine) for value in values]
    accepted = [verdict.given for verdict in verdicts if verdict]
    assert 1 <= len(accepted) < len(values)
    assert {verdict.expected for verdict in verdicts} == {" or ".join(accepted)}
    assert ask(None, machine).state == NOT_ATTEMPTED


@pytest.mark.parametrize("name", [*ASKED, *CHOSEN])
def test_nonsense_is_wrong_and_breaks_nothing(name):
    ask = (ASKED | CHOSEN)[name][0]
    for answer in NONSENSE:
        assert ask(answer, MACHINES["as it is"]).state == WRONG, answer


def test_the_checks_that_judge_numbers_need_no_torch():
    code = f"""if True:
        import sys
        sys.modules["torch"] = None
        from labkit.labs.lab import labs
        for lab in labs():
            lab.part("checks")
        from labkit.labs.your_machine import checks as your_machine
        from labkit.labs.throughput import checks as throughput
        from labkit.machine import Machine
        from labkit.specs.calibration import Calibration
        parts = dict(reference_seconds=1, drift=1, contention=0, date="")
        here = Machine("A", "cpu", 1, calibrations={{
            "products": Calibration({{("fp32",): [[1e9, 1.0]]}}, **parts),
            "memory": Calibration({{("read",): [[1e9, 1.0]]}}, **parts)}})
        print(your_machine.operations_a_number(4, here).ok, your_machine.cached(0, here).ok)
        print(throughput.queries({4_603}, 0.999).ok)
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.stdout.split() == ["True"] * 3, ended.stderr
