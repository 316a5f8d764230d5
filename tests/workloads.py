"""Random workloads for the tests of the planner, as its page has them."""

from __future__ import annotations

import math
import random

from labkit.plan import bill, checked, constants
from labkit.plan.workload import SECTIONS, Kind, Precision, fields

FIELDS = fields()
CHOICES = {"kind": list(Kind), "precision": list(Precision), "accelerator": list(constants.accelerators()),
           "device": list(constants.devices())}


def drawn(rng: random.Random) -> dict:
    """Return a random workload as a page has it, from the whole range of every field."""
    found = {}
    for field in FIELDS:
        name, low, high = field["name"], field["low"], field["high"]
        if name in CHOICES:
            found[name] = rng.choice(CHOICES[name])
        elif (name in bill.PRICES and rng.random() < 0.7) or (low == 0 and rng.random() < 0.3):
            found[name] = None if name in bill.PRICES else 0.0
        else:
            found[name] = math.exp(rng.uniform(math.log(low or high / 1e7), math.log(high)))
            found[name] = min(max(found[name], low), high)
    found["parameters"] = max(found["parameters"], found["active_parameters"])
    if rng.random() < 0.7:  # a dense network of a usual size, so that whole plans come out
        found["parameters"] = found["active_parameters"] = 10 ** rng.uniform(7, 11.5)
        found["read"], found["written"] = rng.uniform(1, 4000), rng.choice([0, rng.uniform(1, 1000)])
        found["peak_rate"], found["token_bytes"] = 10 ** rng.uniform(-1, 3), 10 ** rng.uniform(3, 6)
    found["operations"] = max(found["operations"], 2 * found["active_parameters"])
    if rng.random() < 0.7:
        found["operations"] = 2 * found["active_parameters"]
    found["mean_rate"] = min(found["mean_rate"], found["peak_rate"])
    return found


def workload(inputs: dict):
    """Return a page's inputs as a workload."""
    sections = {section: {field["name"]: inputs[field["name"]] for field in FIELDS if field["section"] == section}
                for section in SECTIONS}
    return checked(sections)
