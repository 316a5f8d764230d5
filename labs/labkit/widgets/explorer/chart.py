"""The Explorer's chart as a Vega-Lite specification: the same for the browser and for the still."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence

from labkit.experiment import Axis
from labkit.palette import COLOURS
from labkit.units import PREFIXED, quantity

DASHES = [[1, 0], [7, 3], [2, 3], [8, 3, 2, 3]]
MEASURED, PUBLISHED = COLOURS[1], COLOURS[2]

_LOG_SPAN = 20  # values further apart than this need a logarithmic axis to be told apart
_LEAST_SPAN = 0.05  # differences below this share of the value should look as small as they are
_DATA = ("band", "curve", "point", "measured", "elsewhere", "published")


def _steps(low: float, high: float, unit: str) -> list[float]:
    """Round numbers, about five, on a linear axis."""
    raw = (high - low) / 5
    if unit == "B":
        step = 2.0 ** math.ceil(math.log2(raw))
    else:
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [float(f"{step * i:.12g}") for i in range(first, last + 1)]


def _powers(low: float, high: float, unit: str) -> list[float]:
    """Round numbers, three to nine, on a logarithmic axis."""
    if unit == "B":
        exponents = range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)
        return [2.0**e for e in exponents[:: max(1, math.ceil(len(exponents) / 7))]]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(decades) <= 3 else (1,)
    ticks = [float(f"{f}e{d}") for d in decades for f in factors]
    ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
    return ticks[:: max(1, math.ceil(len(ticks) / 9))]


def _axis(ticks: Iterable, unit: str) -> dict:
    """Ticks labelled in the words that the rest of the page uses; a plain unit stands in the title, once."""
    ticks = list(ticks)
    written, after = (unit, "") if unit in (*PREFIXED, "B") else ("", " %" if unit == "%" else "")
    labels = [quantity(tick, written) + after for tick in ticks]
    names = json.dumps(labels, ensure_ascii=False)
    return {"values": ticks, "labelExpr": f"{names}[indexof({json.dumps(ticks)}, datum.value)]"}


def heading(name: str, unit: str) -> str:
    """Return the title of an axis, with the unit where the labels do not carry it."""
    return name if unit in ("", *PREFIXED, "B", "%", name.lower()) else f"{name} ({unit})"


def _scale(kind: str, domain: list[float]) -> dict:
    return {"type": kind, "domain": domain, "nice": False} | ({} if kind == "log" else {"zero": False})


def _vertical(numbers: Sequence[float], unit: str) -> dict:
    """The scale and axis of the values. They stay while sliders move, so that curves can be compared."""
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    if low > 0 and high / low > _LOG_SPAN:
        kind, domain = "log", [low / 1.15, high * 1.15]
        ticks = _powers(*domain, unit)
    else:
        low = low if low > 0.6 * high else min(low, 0.0)
        high = max(high, low + _LEAST_SPAN * abs(low)) or 1.0
        kind, ticks = "linear", _steps(low, high, unit)
        domain = [ticks[0], ticks[-1]]
    return {"scale": _scale(kind, domain), "axis": _axis(ticks, unit)}


def _horizontal(axis: Axis) -> dict:
    if axis.categorical:
        return {"type": "nominal", "scale": {"type": "point", "domain": list(axis.values), "padding": 0.5}}
    low, high = axis.values[0], axis.values[-1]
    if len(axis.values) <= 12:
        ticks = axis.values
    else:
        ticks = [t for t in (_powers if axis.log else _steps)(low, high, axis.unit) if low < t <= high]
        ticks = [low, *ticks]
    kind = "log" if axis.log else "linear"
    return {"type": "quantitative", "scale": _scale(kind, [low, high]), "axis": _axis(ticks, axis.unit)}


def specification(x: Axis, series: Sequence[str], numbers: Sequence[float], unit: str, height: int) -> dict:
    """Return the Vega-Lite chart of an experiment, for the caller to fill with data.

    Args:
        x: the horizontal axis.
        series: the names of the curves; one empty name for a single curve.
        numbers: every value that may be drawn, for the vertical axis.
        unit: of the values.
        height: of the chart, in CSS pixels.

    The data sets are `curve` (x, y, series, chosen), `band` (x, low, high, series), `point` (x, y, series),
    `measured` (x, y, low, high, series, label), and `elsewhere` and `published` (x, y, label).
    """
    title = heading(x.label, x.unit)
    horizontal = {"field": "x", "axis": {}, **_horizontal(x), "title": title}
    horizontal["axis"] |= {"grid": False, "labelAngle": 0, "labelOverlap": "greedy", "labelSeparation": 6}
    vertical = {"type": "quantitative", **_vertical(numbers, unit), "title": None}
    domain = list(series)
    colour = {
        "field": "series",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": domain, "range": [COLOURS[i % 4] for i in range(len(domain))]},
    }
    dash = {**colour, "scale": {"domain": domain, "range": [DASHES[i % 4] for i in range(len(domain))]}}
    own = colour if len(domain) > 1 else {"value": MEASURED}

    def layer(data: str, mark: dict, **encoding) -> dict:
        return {"data": {"name": data}, "mark": mark, "encoding": {"x": horizontal, **encoding}}

    def y(field: str) -> dict:
        return {"field": field, **vertical}

    def others(data: str, shape: str, colour: str) -> dict:
        mark = {"type": "point", "shape": shape, "filled": False, "size": 90, "strokeWidth": 2, "color": colour}
        return layer(data, mark, y=y("y"), tooltip={"field": "label"})

    chosen = {"condition": {"test": "datum.chosen", "value": 2.5}, "value": 1.25}
    faint = {"condition": {"test": "datum.chosen", "value": 1}, "value": 0.75}
    line = {"type": "point", "filled": True, "size": 40} if x.categorical else {"type": "line", "strokeCap": "round"}
    band = {"type": "rule", "strokeWidth": 10} if x.categorical else {"type": "area"}
    interval = {"y2": {"field": "high"}}
    layers = [
        layer("band", {**band, "opacity": 0.25}, y=y("low"), **interval, color=colour),
        layer("point", {"type": "rule", "color": "currentColor", "opacity": 0.35, "strokeDash": [3, 3]}),
        layer(
            "curve",
            line,
            y=y("y"),
            color=colour,
            **({} if x.categorical else {"strokeDash": dash, "strokeWidth": chosen, "opacity": faint}),
        ),
        layer("point", {"type": "point", "filled": True, "size": 160, "opacity": 1}, y=y("y"), color=colour),
        layer("measured", {"type": "rule", "strokeWidth": 2}, y=y("low"), **interval, color=own),
        layer(
            "measured",
            {"type": "point", "shape": "diamond", "filled": True, "size": 80, "opacity": 1},
            y=y("y"),
            color=own,
            tooltip={"field": "label"},
        ),
        others("elsewhere", "diamond", MEASURED),
        others("published", "square", PUBLISHED),
    ]
    return {
        "width": 640,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": {"left": 2, "right": 14, "top": 8, "bottom": 2},
        "background": None,
        "datasets": {name: [] for name in _DATA},
        "layer": layers,
        "config": _STYLE,
    }


_INK = {"labelColor": "currentColor", "titleColor": "currentColor", "tickColor": "currentColor"}
_STYLE = {
    "aria": False,
    "font": "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **_INK,
        "domain": False,
        "gridColor": "currentColor",
        "gridOpacity": 0.13,
        "labelFontSize": 12,
        "labelOpacity": 0.8,
        "ticks": False,
        "labelPadding": 6,
        "titleFontSize": 12.5,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "axisX": {"domain": True, "domainColor": "currentColor", "domainOpacity": 0.4, "ticks": True, "tickOpacity": 0.4},
}
