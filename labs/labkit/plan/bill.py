"""The bill: every line of a plan with its value, its low and its high, and why a line has none.

A plan is computed three times: with every uncertain figure at its usual value, with all at the end that makes it
smaller, and with all at the other. A line lies between the least and the largest of the three. As hardly everything
goes well or badly at once, that is wider than the spread of each figure alone.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from labkit.experiment import Outcome
from labkit.plan import constants as world
from labkit.plan.lines import LINES, RULES, TOGETHER, YEAR_DAYS, Line, Rule
from labkit.plan.workload import BadWorkload, Kind, Workload, fields
from labkit.units import quantity

CASES = ("favourable", "usual", "unfavourable")
INPUT, PUBLISHED, PREDICTED, MEASURED = "your input", "published", "predicted", "predicted from what was measured here"
TARGET = "month_if_rented"
CLOUD = {"all at the edge": 0.0, "hybrid: a tenth asks the cloud": 10.0, "all in the cloud": 100.0}
LARGER_REPLICA = "replicas of twice as many accelerators"
MORE_TIME, MONTH_DAYS = "one more month for a training", 30
AT_RISK = "If all that is uncertain goes badly, this fails."
CHOSEN = ("replica_least",)  # how a plan is made, and not what is asked of it
PRICES = ("rent_usd", "buy_usd")
NO_PRICE = "No price of the {accelerator} with a source was found: give your quote, {price}."
NO_FORMAT = "The {accelerator} has no arithmetic in {precision}: choose another precision or accelerator."


@dataclass(frozen=True)
class Entry:
    """One line of a bill.

    Args:
        line: which.
        value, low, high: in the line's unit, None where it has no number.
        why: the reason then.
        kind: `INPUT`, `PUBLISHED`, `PREDICTED` or `MEASURED`.
        binds: of a line that is the largest or the least of others, which of them decides.
        risk: why it has no number where everything goes badly; its high is then the most that there is.
    """

    line: Line
    value: float | None
    low: float | None
    high: float | None
    why: str
    kind: str
    binds: str
    risk: str


@dataclass(frozen=True)
class Bill:
    """A whole plan.

    Args:
        workload: what was asked for.
        entries: by the lines' names, in order.
        broken: a sentence for each demand that is not met.
        kept: a sentence for each that was checked and is met, and whether it may fail.
    """

    workload: Workload
    entries: Mapping[str, Entry]
    broken: tuple[str, ...]
    kept: tuple[str, ...]

    @property
    def met(self) -> bool:
        """Whether the plan meets the workload, with a number on every line that it needs."""
        return not self.broken

    def __getitem__(self, name: str) -> Entry:
        return self.entries[name]


def environment(workload: Workload, case: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures that a plan starts from, by name, and for those that are missing the reason.

    Raises:
        BadWorkload: an accelerator or a device that is not known.
    """
    money, edge, precision = workload.money, workload.edge, workload.inference.precision
    machines, devices = world.accelerators(), world.devices()
    for name, known, place in ((money.accelerator, machines, "money.accelerator"),
                               (edge.device, devices, "edge.device")):
        if name not in known:
            raise BadWorkload(f"{place} is '{name}'. Allowed: {', '.join(known)}.")
    machine, missing = machines[money.accelerator], {}
    found = {name: constant.case(case) for name, constant in world.constants().items()}
    kind = workload.network.kind.value
    found |= {"transformer": float(workload.network.kind is Kind.TRANSFORMER),
              "training_share": found[f"training_share_{kind}"],
              "format_bytes": world.FORMATS[precision.value], "training_peak": machine["peak_bf16"]}
    found |= {name: machine[name] for name in ("memory_bytes", "memory_bandwidth", "accelerator_watts")}
    end = {"favourable": "_low", "usual": "", "unfavourable": "_high"}[case]
    for price in PRICES:
        if price in machine:
            found[price] = machine[price + end]
        else:
            missing[price] = NO_PRICE.format(accelerator=money.accelerator, price=price)
    if not served(workload):
        found["serving_peak"] = machine["peak_bf16"]
    elif f"peak_{precision.value}" in machine:
        found["serving_peak"] = machine[f"peak_{precision.value}"]
    else:
        missing["serving_peak"] = NO_FORMAT.format(accelerator=money.accelerator, precision=precision.value)
    found |= devices[edge.device] | workload.numbers()
    return found, {name: why for name, why in missing.items() if name not in found}


def served(workload: Workload) -> bool:
    """Return whether anything is asked of the data centre's inference."""
    return bool(workload.inference.peak_rate or workload.edge.sites * workload.edge.cloud_percent)


def values(start: Mapping[str, float], missing: Mapping[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the value of every line that has one, with what it starts from, and for the others the reason.

    Args:
        start, missing: of `environment`.
    """
    found, absent = dict(start), dict(missing)
    for line in LINES.values():
        if not absent.keys().isdisjoint(line.needs):
            absent[line.name] = next(absent[name] for name in line.needs if name in absent)
            continue
        found[line.name] = line.formula(*map(found.__getitem__, line.needs))
        for rule in _stopping(line.name):
            if not rule.formula(*map(found.__getitem__, rule.needs)):
                absent.setdefault(line.name, said(rule.says, found))
    return {name: value for name, value in found.items() if name not in absent}, absent


def said(sentence: str, found: Mapping[str, float]) -> str:
    """Return the sentence of a rule with the numbers of this plan."""
    return re.sub(r"\{(\w+)(?::([^}]+))?\}", lambda each: quantity(found[each[1]], each[2] or ""), sentence)


def compose(workload: Workload, measured: Mapping[str, Outcome] | None = None) -> Bill:
    """Return the plan for a workload.

    Args:
        workload: what is asked for.
        measured: figures of the reader's own, in place of published ones, by the names that the lines give them:
            `"training_peak"` in FLOP/s, `"training_share"`, …; more of each is better.

    Raises:
        BadWorkload: an accelerator or a device that is not known, or a figure that no line needs.
    """
    own = measured or {}
    if unknown := set(own) - _figures():
        raise BadWorkload(f"No line of a plan takes {', '.join(sorted(unknown))} as a figure.")
    by_case = {}
    for case, end in zip(CASES, ("high", "value", "low"), strict=True):
        start, missing = environment(workload, case)
        by_case[case] = values(start | {name: getattr(outcome, end) for name, outcome in own.items()}, missing)
    found, absent = by_case["usual"]
    unfavourable, failing = by_case["unfavourable"]
    entries = {}
    for name, line in LINES.items():
        numbers = [there[name] for there, _ in by_case.values() if name in there]
        low, high = (min(numbers), max(numbers)) if name in found else (None, None)
        risk = "" if name in absent else failing.get(name, "")
        entries[name] = Entry(line, found.get(name), low, high, absent.get(name, ""),
                              MEASURED if ancestors(name) & set(own) else kind(name), binding(name, found), risk)
    demands = [rule for rule in RULES.values() if not rule.stops]
    broken = tuple(said(rule.says, found) for rule in demands if _holds(rule, found) is False)
    kept = tuple(said(rule.checks, found) + ("" if _holds(rule, unfavourable) else f" {AT_RISK}")
                 for rule in demands if _holds(rule, found) and rule.checks and found.get(rule.when, 1))
    wanted = [entries[name] for name in needed(workload)]
    broken += tuple(entry.why for entry in wanted if entry.value is None)
    return Bill(workload, entries, tuple(dict.fromkeys(broken)), kept)


def needed(workload: Workload) -> tuple[str, ...]:
    """Return the lines that a workload asks for: a plan that lacks one of them does not meet it."""
    asked = {"training_accelerators": workload.training.runs, "inference_accelerators": served(workload),
             "devices": workload.edge.sites}
    return tuple(name for name, amount in asked.items() if amount)


@cache
def moving() -> tuple[str, ...]:
    """Return the inputs in numbers that the monthly cost depends on, without the plan's own choices."""
    return tuple(field["name"] for field in fields()
                 if field["high"] is not None and field["name"] in ancestors(TARGET) - set(CHOSEN))


def sensitivity(workload: Workload) -> tuple[tuple[str, float], ...]:
    """Return the three inputs that change the monthly cost most if each is doubled, and by what share it changes."""
    start, missing = environment(workload, "usual")
    base = values(start, missing)[0].get(TARGET)
    if not base:
        return ()
    found = []
    for name in moving():
        if start.get(name):
            moved = values(start | {name: 2 * start[name]}, missing)[0].get(TARGET)
            if moved is not None and moved != base:
                found.append((name, moved / base - 1))
    return tuple(sorted(found, key=lambda pair: -abs(pair[1]))[:3])


def alternatives(workload: Workload) -> dict[str, Bill]:
    """Return other plans for the same demands: other accelerators, edge or cloud, larger replicas, one more month."""
    def changed(section: str, **fields: float | str | None) -> Bill:
        part = getattr(workload, section).model_copy(update=fields)
        return compose(workload.model_copy(update={section: part}))

    found = {name: changed("money", accelerator=name, rent_usd=None, buy_usd=None)
             for name in world.accelerators() if name != workload.money.accelerator}
    if workload.edge.sites:
        for name, percent in CLOUD.items():
            if percent != workload.edge.cloud_percent:
                found[name] = changed("edge", cloud_percent=percent)
    replica = compose(workload)["replica_accelerators"].value
    if served(workload) and replica and 2 * replica <= TOGETHER:
        found[LARGER_REPLICA] = changed("inference", replica_least=2 * replica)
    days = workload.training.deadline_days + MONTH_DAYS
    if workload.training.runs and days <= YEAR_DAYS:
        found[MORE_TIME] = changed("training", deadline_days=days)
    return found


@cache
def ancestors(name: str) -> frozenset[str]:
    """Return everything that a line depends on, directly or through other lines."""
    if name not in LINES:
        return frozenset()
    needs = set(LINES[name].needs)
    return frozenset(needs.union(*(ancestors(need) for need in needs)))


@cache
def kind(name: str) -> str:
    """Return where the number of a line comes from."""
    if LINES[name].published:
        return PUBLISHED
    inputs = {field["name"] for field in fields()} - set(PRICES)
    return INPUT if ancestors(name) - set(LINES) <= inputs else PREDICTED


@cache
def moves(name: str) -> tuple[str, ...]:
    """Return the lines that are made of a line, and so move where it does."""
    return tuple(other for other, line in LINES.items() if name in line.needs and line.shown)


@cache
def choices(name: str) -> tuple[str, tuple[str, ...]] | None:
    """Return `"max"` or `"min"` and the lines it is taken of, for a line that is the largest or the least of others."""
    for node in ast.walk(_tree(LINES[name].formula)):
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("max", "min")
                and len(node.args) > 1 and all(isinstance(each, ast.Name) and each.id in LINES for each in node.args)):
            return node.func.id, tuple(each.id for each in node.args)
    return None


def binding(name: str, found: Mapping[str, float]) -> str:
    """Return which of its choices decides a line, `""` where it has none."""
    chosen = choices(name)
    if chosen is None or not all(each in found for each in chosen[1]):
        return ""
    return {"max": max, "min": min}[chosen[0]](chosen[1], key=lambda each: found[each])


@cache
def _figures() -> frozenset[str]:
    """Return what the lines take that is no line itself."""
    return frozenset(need for line in LINES.values() for need in line.needs) - LINES.keys()


def _holds(rule: Rule, found: Mapping[str, float]) -> bool | None:
    """Return whether a rule holds, None where a figure that it is judged by is not there."""
    return bool(rule.formula(*(found[name] for name in rule.needs))) if set(rule.needs) <= found.keys() else None


@cache
def _stopping(name: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES.values() if rule.stops == name)


def symbols(name: str) -> tuple[str, ...]:
    """Return a line's formula in symbols, and after it the formulas of the other chapters that it uses."""
    formula = LINES[name].formula
    found = [f"{name} = {_returned(formula)}"]
    for called in _called(formula):
        arguments = ", ".join(called.__code__.co_varnames[:called.__code__.co_argcount])
        found.append(f"{called.__module__.rsplit('.', 1)[-1]}.{called.__name__}({arguments}) = {_returned(called)}")
    return tuple(found)


def sources(name: str) -> tuple[str, ...]:
    """Return the figures of others that a line takes in itself, each with its source and date."""
    known, sheets = world.constants(), {name for figures in world.accelerators().values() for name in figures}
    found = []
    for need in LINES[name].needs:
        if need in known:
            found.append(f"{known[need].label}: {known[need].kind}, {known[need].date}, {known[need].source}")
        elif need == "training_share":
            found += [f"{known[each].label}: {known[each].date}, {known[each].source}" for each in known
                      if each.startswith(need)]
        elif need in PRICES:
            found.append("list price, unless you give yours: data/plan/accelerators.csv has dates and sources")
        elif need in ("training_peak", "serving_peak") or need in sheets:
            found.append("the accelerator's data sheet: data/hardware.csv, with its sources")
        elif need.startswith("device_") and need not in LINES and need != "device_usd":
            found.append("the device's published result and power: data/mlperf-inference.csv and data/plan/devices.csv")
    return tuple(dict.fromkeys(found))


def _tree(formula) -> ast.FunctionDef:
    return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(formula)))).body[0]


def _returned(formula) -> str:
    """Return what a formula returns; before it what it computes on the way."""
    steps = [ast.unparse(node) for node in _tree(formula).body if isinstance(node, ast.Assign)]
    ends = [ast.unparse(node.value) for node in sorted(
        (node for node in ast.walk(_tree(formula)) if isinstance(node, ast.Return)), key=lambda node: node.lineno)]
    text = ends[-1] + (f", where {'; '.join(steps)}" if steps else "")
    for sign, symbol in ((" ** ", "^"), (" * ", " × "), (" <= ", " ≤ "), (" >= ", " ≥ "), ("math.", "")):
        text = text.replace(sign, symbol)
    return text


def _called(formula) -> list:
    found = []
    for node in ast.walk(_tree(formula)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)):
                function = getattr(formula.__globals__.get(module), name, None)
                if inspect.isfunction(function) and function.__module__.startswith("labkit.predict"):
                    found.append(function)
    return found
