"""The planner: from a workload in units to what to buy, with an interval and a source on every line.

It composes `labkit.specs`, `labkit.predict` and `labkit.data` alone. `workload` is what a reader states, `constants`
what is known of the world, `lines` the formulas, `bill` their values, and `javascript` the same formulas for a page.
"""

from labkit.plan.bill import Bill, compose
from labkit.plan.workload import EXAMPLES, BadWorkload, Workload, checked, example, examples, read

__all__ = ["EXAMPLES", "BadWorkload", "Bill", "Workload", "checked", "compose", "example", "examples", "read"]
