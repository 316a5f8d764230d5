"""A bill as text, Markdown, JSON, or one page to print: every line with its interval, its formula and its sources."""

from __future__ import annotations

import json
from datetime import date
from html import escape

from labkit.display import TextTable
from labkit.plan import constants
from labkit.plan.bill import Bill, Entry, alternatives, moves, sensitivity, sources, symbols
from labkit.plan.lines import LINES
from labkit.plan.workload import fields
from labkit.units import quantity

HEADS = ("line", "value", "low", "high", "where from")
OTHERS = ("accelerators", "devices", "watts", "month_if_rented", "month_if_bought")
OTHER_HEADS = ("alternative", "accelerators", "edge devices", "power", "a month, rented", "a month, bought", "meets it")
OLD = "Old figures, of which you should look for newer ones:"
UNKNOWN = ("The plan does not know your organisation, delivery times, support contracts, software and licences, staff, "
           "rooms and their power feeds, or taxes. Have each quote checked against it.")


def shown(bill: Bill) -> list[Entry]:
    """Return the lines that are of interest for what was asked."""
    numbers = bill.workload.numbers()

    def asked(name: str) -> bool:
        if not name:
            return True
        return bool(numbers[name] if name in numbers else bill[name].value is None or bill[name].value)

    return [entry for entry in bill.entries.values() if entry.line.shown and asked(entry.line.when)]


def cells(entry: Entry) -> tuple[str, str, str, str, str]:
    """Return a line's texts for the columns `HEADS`."""
    line = entry.line
    if entry.value is None:
        return line.label, "–", "–", "–", entry.why
    high = "may fail" if entry.risk else quantity(entry.high, line.unit)
    return (line.label, quantity(entry.value, line.unit), quantity(entry.low, line.unit), high,
            entry.kind + (f"; {entry.binds.replace('_', ' ')} binds" if entry.binds else ""))


def verdict(bill: Bill) -> list[str]:
    """Return whether the plan meets the workload, and if not why, in sentences."""
    return ["This plan meets the workload."] if bill.met else ["This plan does not meet the workload.", *bill.broken]


def matters(bill: Bill) -> list[str]:
    """Return a sentence for each of the inputs that move the monthly cost most."""
    labels = {field["name"]: field["label"] for field in fields()}
    return [f"{labels[name]}: doubled, the month costs {abs(change):.0%} {'more' if change > 0 else 'less'}."
            for name, change in sensitivity(bill.workload)]


def others(bill: Bill) -> list[list[str]]:
    """Return a row for each alternative: what is different, and texts for the columns `OTHERS`."""
    def written(plan: Bill, name: str) -> str:
        entry = plan[name]
        return "–" if entry.value is None else quantity(entry.value, entry.line.unit)

    plans = {"as stated": bill, **alternatives(bill.workload)}
    return [[name, *(written(plan, line) for line in OTHERS), "yes" if plan.met else f"no: {plan.broken[0]}"]
            for name, plan in plans.items()]


def warnings(today: date | None = None) -> list[str]:
    """Return a sentence on the figures that are old, none where there is no such."""
    old = [f"{each.figure} ({each.date})" for each in constants.sources()
           if each.old_from and each.old_from <= (today or date.today())]
    return [f"{OLD} {'; '.join(old)}."] if old else []


def text(bill: Bill) -> str:
    """Return the bill as columns of text."""
    table = TextTable(HEADS, map(cells, shown(bill)))
    beside = TextTable(OTHER_HEADS, others(bill))
    return "\n".join([bill.workload.name, "", str(table), "", *matters(bill), "", str(beside), "", *verdict(bill),
                      *(f"  checked: {each}" for each in bill.kept), UNKNOWN, *warnings()])


def markdown(bill: Bill) -> str:
    """Return the bill as Markdown."""
    rows = [f"| {' | '.join(cells(entry))} |" for entry in shown(bill)]
    head = [f"| {' | '.join(HEADS)} |", "|---|--:|--:|--:|---|"]
    beside = [f"| {' | '.join(OTHER_HEADS)} |", f"|{'---|' * len(OTHER_HEADS)}",
              *(f"| {' | '.join(row)} |" for row in others(bill))]
    return "\n".join([f"# {bill.workload.name}", "", *verdict(bill), "", *(f"- {each}" for each in bill.kept), "",
                      *head, *rows, "", *(f"- {each}" for each in matters(bill)), "", *beside, "", UNKNOWN,
                      *warnings()])


def as_json(bill: Bill) -> str:
    """Return the bill for a program."""
    return json.dumps({
        "workload": bill.workload.model_dump(mode="json"), "met": bill.met, "broken": bill.broken,
        "checked": bill.kept, "warnings": warnings(),
        "lines": [{"name": entry.line.name, "label": entry.line.label, "unit": entry.line.unit, "value": entry.value,
                   "low": entry.low, "high": entry.high, "kind": entry.kind, "binds": entry.binds, "why": entry.why,
                   "risk": entry.risk, "words": entry.line.words, "formula": symbols(entry.line.name),
                   "moves": moves(entry.line.name), "from": sources(entry.line.name)}
                  for entry in shown(bill)],
        "matters": matters(bill),
        "alternatives": [dict(zip(OTHER_HEADS, row, strict=True)) for row in others(bill)], "unknown": UNKNOWN,
        "sources": [{"figure": each.figure, "date": each.date, "source": each.source} for each in constants.sources()],
    }, indent=1, ensure_ascii=False)


def html(bill: Bill) -> str:
    """Return the bill as one page to print, with every formula and source."""
    def rows(table) -> str:
        return "".join("<tr>" + "".join(f"<td>{escape(_cell(cell))}</td>" for cell in row) + "</tr>" for row in table)

    def table(heads, body) -> str:
        head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows(body)}</tbody></table>"

    stated = [(field["label"], getattr(getattr(bill.workload, field["section"]), field["name"]), field["unit"],
               field["source"]) for field in fields()]
    formulas = [(entry.line.label, entry.line.words, "; ".join(symbols(entry.line.name)),
                 "; ".join(LINES[name].label for name in moves(entry.line.name)),
                 "; ".join(sources(entry.line.name))) for entry in shown(bill)]
    parts = [
        *(f"<p>{escape(each)}</p>" for each in (*verdict(bill), *bill.kept, *warnings())),
        table(HEADS, map(cells, shown(bill))),
        "<h2>What moves the month most</h2>", *(f"<p>{escape(each)}</p>" for each in matters(bill)),
        "<h2>Beside it</h2>", table(OTHER_HEADS, others(bill)), f"<p>{escape(UNKNOWN)}</p>",
        "<h2>What was stated</h2>",
        table(("field", "value", "unit", "default"), stated),
        "<h2>Formulas</h2>", table(("line", "in words", "in symbols", "moves with it", "from others"), formulas),
        "<h2>Sources</h2>", table(("figure", "date", "source"),
              [(each.figure, each.date, each.source) for each in constants.sources()]),
    ]
    name = escape(bill.workload.name)
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title><style>body{{font-family:'
            "sans-serif;max-width:60rem;margin:2rem auto}table{border-collapse:collapse;width:100%;font-size:.85rem}"
            "td,th{border-bottom:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top;overflow-wrap:"
            f'anywhere}}</style></head><body><h1>{name}</h1>{"".join(parts)}</body></html>\n')


def _cell(content: object) -> str:
    return "" if content is None else str(content)


FORMS = {"text": text, "json": as_json, "markdown": markdown, "html": html}
