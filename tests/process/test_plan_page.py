"""The planner's page: its script, run by node, gives what Python gives."""

from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from workloads import drawn, workload

from labkit.plan import EXAMPLES, bill, compose, examples
from labkit.plan.lines import LINES
from labkit.widgets import planner

WORKLOADS = 10_000
_RUN = """
import { readFileSync } from "node:fs";
const { composeBill, sensitivityOf } = await import(process.argv[2]);
const { config, workloads } = JSON.parse(readFileSync(0, "utf-8"));
const exact = (name, value) => (value === Infinity ? "infinite" : value);
process.stdout.write(JSON.stringify(workloads.map((inputs, place) => ({
  ...composeBill(config, inputs), matters: place % 100 ? null : sensitivityOf(config, inputs),
})), exact));
"""


def node() -> str:
    """Return a node to run the page's script with: the system's, or playwright's own."""
    if found := shutil.which("node"):
        return found
    if spec := find_spec("playwright"):
        own = Path(spec.origin).parent / "driver" / "node"
        if own.exists():
            return str(own)
    pytest.skip("There is no node on this machine, and no playwright that brings one.")


def test_the_page_computes_what_python_computes_on_random_workloads(tmp_path):
    rng = random.Random(16)
    inputs = [drawn(rng) for _ in range(WORKLOADS)]
    inputs[:len(EXAMPLES)] = [planner.inputs(each) for each in examples().values()]
    (tmp_path / "page.mjs").write_text(planner.Planner.module() + "\nexport { composeBill, sensitivityOf };\n", "utf-8")
    (tmp_path / "run.mjs").write_text(_RUN, "utf-8")
    given = json.dumps({"config": planner.configuration(), "workloads": inputs})
    ran = subprocess.run([node(), tmp_path / "run.mjs", (tmp_path / "page.mjs").as_uri()], input=given, text=True,
                         capture_output=True, timeout=300, encoding="utf-8")
    assert ran.returncode == 0, ran.stderr[-2000:]
    numbers, compared = 0, json.loads(ran.stdout)
    for place, (each, theirs) in enumerate(zip(inputs, compared, strict=True)):
        ours = compose(workload(each))
        for name, entry in ours.entries.items():
            there = theirs["entries"][name]
            for end in ("value", "low", "high"):
                assert same(getattr(entry, end), there[end]), (place, name, end, getattr(entry, end), there[end])
            assert (entry.why, entry.binds, entry.risk) == (there["why"], there["binds"], there["risk"]), (place, name)
            numbers += entry.value is not None
        assert (list(ours.broken), list(ours.kept)) == (theirs["broken"], theirs["kept"]), place
        if theirs["matters"] is not None:
            assert [name for name, _ in bill.sensitivity(workload(each))] == [name for name, _ in theirs["matters"]]
    assert numbers > 0.5 * WORKLOADS * len(LINES)  # most lines of most plans have a number


def same(ours, theirs) -> bool:
    if ours == theirs:
        return True
    if ours is None or theirs is None or theirs == "infinite":
        return theirs == "infinite" and ours == math.inf
    return math.isclose(ours, theirs, rel_tol=1e-9)
