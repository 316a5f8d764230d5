"""The Explorer: any experiment as sliders, a curve, a breakdown and one sentence; measured points on top."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import vl_convert
from traitlets import Dict, List, validate

from labkit import cache, recorded
from labkit.experiment import Axis, Comparison, Experiment, Outcome, Point, Published, Row
from labkit.palette import COLOURS
from labkit.progress import Cancelled, watch
from labkit.widgets.base import LabWidget
from labkit.widgets.explorer import chart, measuring
from labkit.widgets.explorer.grid import Grid

_REPORT_EVERY_S = 0.1


def bundle(source: str) -> str:
    """Return JavaScript with the chart library inside it, from a source that uses it as `vegaEmbed`.

    vl-convert brings the library and the bundler. The result is kept in the cache folder where that can be written.
    """
    key = hashlib.sha256(f"{vl_convert.__version__}\0{source}".encode()).hexdigest()[:16]
    path = cache.folder("widgets") / f"{key}.js"
    with contextlib.suppress(OSError):
        digest, _, kept = path.read_bytes().partition(b"\n")
        if digest == _digest(kept):  # whole and undamaged
            return kept.decode()
    module = vl_convert.javascript_bundle(source)
    with contextlib.suppress(OSError):
        cache.write_atomically(path, _digest(module.encode()) + b"\n" + module.encode())
    return module


def _digest(module: bytes) -> bytes:
    return hashlib.sha256(module).hexdigest().encode()


class Explorer(LabWidget):
    """Shows an experiment: every prediction on sliders, with measured and published points on top.

    What recorded machines measured is shown as measured there, and each of them is a preset.

    Args:
        experiment: what to show; its predictions are evaluated once, over the whole grid.
        x: the name of the axis along which the curve is drawn.
        colour: the name of a categorical axis whose categories are drawn as separate curves.
        presets: buttons that set some or all axes, as `{"your laptop": {"batch": 1}}`.
        comparison: measurements to draw as dots.
        height: of the chart, in CSS pixels.
        run_url: where a reader of the page without a kernel can run the lab; the page's own Colab link by default.

    Raises:
        ValueError: an unknown axis, a value off an axis, a numeric `colour`, a readout that cannot be filled, or more
            than 20,000 points.
    """

    script: ClassVar[Path] = Path(__file__).parent / "explorer.js"

    config = Dict(help="What never changes.").tag(sync=True)
    specs = List(help="The chart as Vega-Lite, without its data, for each choice of the frames.").tag(sync=True)
    index = List(help="The chosen position on every axis.").tag(sync=True)
    dots = List(help="The measured points.").tag(sync=True)
    job = Dict(help="How the measurement is going: state, fraction and text.").tag(sync=True)

    def __init__(
        self,
        experiment: Experiment,
        *,
        x: str,
        colour: str | None = None,
        presets: Mapping[str, Point] | None = None,
        comparison: Comparison | None = None,
        height: int = 260,
        run_url: str | None = None,
    ):
        self._experiment, self._height, self._x = experiment, height, experiment.axis(x)
        self._colour = experiment.axis(colour) if colour else None
        if self._colour and (not self._colour.categorical or self._colour is self._x):
            raise ValueError(f"'{colour}' cannot be drawn as colours: name a categorical axis other than '{x}'.")
        self._grid = Grid(experiment)
        self._elsewhere = recorded.figures(experiment)
        machines = {}
        for figure in self._elsewhere:
            machines.setdefault(figure.label.removeprefix("measured on "), figure.point)
        self._measured = [row for row in (comparison.rows if comparison else ()) if row.measured]
        self.error: BaseException | None = None
        super().__init__(
            config=self._configuration({**(presets or {}), **machines}, run_url or ""),
            specs=self._specifications(),
            index=list(self._grid.index(experiment.start)),
            dots=[self._dot(row) for row in self._measured],
            job={"state": "idle", "fraction": 0, "text": ""},
        )
        self.on_msg(self._on_message)

    @classmethod
    def _source(cls, last: str) -> str:
        """Return the JavaScript with the chart library inside it (900 kB)."""
        return bundle(super()._source(last))

    @property
    def point(self) -> dict:
        """The chosen point. Set some or all of its axes; a value off an axis raises `ValueError`."""
        return self._point(self.index)

    @point.setter
    def point(self, point: Point) -> None:
        self.index = list(self._grid.index({**self.point, **point}))

    @property
    def measured(self) -> list[Row]:
        """Every point that was measured, with its prediction."""
        return list(self._measured)

    def close(self) -> None:
        """Close the widget; its measurement, if one runs, is cancelled."""
        if self.job.get("state") == "running":
            measuring.cancel()
        super().close()

    @validate("index")
    def _check_index(self, proposal) -> list[int]:
        self._point(proposal["value"])
        return proposal["value"]

    def _point(self, index: list[int]) -> dict:
        axes = self._experiment.axes
        on_axes = len(index) == len(axes) and all(
            type(i) is int and 0 <= i < len(axis.values) for i, axis in zip(index, axes, strict=True)
        )
        if not on_axes:
            raise ValueError(f"{index} is not a position on the {len(axes)} axes of '{self._experiment.title}'.")
        return {axis.name: axis.values[i] for axis, i in zip(axes, index, strict=True)}

    # What the browser is told.

    @property
    def _series(self) -> tuple[str, ...]:
        return self._colour.values if self._colour else ("",)

    def _configuration(self, presets: Mapping[str, Point], run_url: str) -> dict:
        experiment = self._experiment
        axes, names = experiment.axes, [axis.name for axis in experiment.axes]
        for point in presets.values():
            experiment.check({**experiment.start, **point})
        return {
            "title": experiment.title,
            "quantity": chart.heading(experiment.quantity, experiment.unit),
            "unit": experiment.unit,
            "readout": experiment.readout,
            "axes": [
                {"name": a.name, "label": a.label, "unit": a.unit, "values": a.values, "categorical": a.categorical}
                for a in axes
            ],
            "x": names.index(self._x.name),
            "colour": names.index(self._colour.name) if self._colour else None,
            "frames": [names.index(axis.name) for axis in self._frames],
            "grid": self._grid.packed(),
            "presets": [
                {"label": label, "index": [a.index(point[a.name]) if a.name in point else None for a in axes]}
                for label, point in presets.items()
            ],
            "elsewhere": self._told(self._elsewhere),
            "published": self._told(experiment.published),
            "measurable": experiment.measurable,
            "run_url": run_url,
            "colours": COLOURS,
            "dashes": chart.DASHES,
        }

    def _told(self, figures: Iterable[Published]) -> list[dict]:
        return [{"index": self._grid.index(figure.point), "value": figure.value, "label": figure.label,
                 "source": figure.source} for figure in figures]

    @property
    def _frames(self) -> list[Axis]:
        """The categories that are neither drawn along the curve nor as curves: each choice has a scale of its own."""
        return [a for a in self._experiment.axes if a.categorical and a is not self._x and a is not self._colour]

    def _specifications(self) -> list[dict]:
        names = [axis.name for axis in self._frames]
        choices = itertools.product(*(axis.values for axis in self._frames))
        return [self._specification(dict(zip(names, values, strict=True))) for values in choices]

    def _specification(self, fixed: dict) -> dict:
        def there(point: Point) -> bool:
            return all(point[name] == value for name, value in fixed.items())

        numbers = [*self._grid.numbers(fixed)]
        numbers += [f.value for f in (*self._experiment.published, *self._elsewhere) if there(f.point)]
        for row in filter(lambda row: there(row.point), self._measured):
            numbers += [row.measured.low, row.measured.high]
        return chart.specification(self._x, self._series, numbers, self._experiment.unit, self._height)

    def _spec(self, point: Point) -> dict:
        frame = 0
        for axis in self._frames:
            frame = frame * len(axis.values) + axis.index(point[axis.name])
        return self.specs[frame]

    def _dot(self, row: Row) -> dict:
        numbers = {name: getattr(row.measured, name) for name in ("value", "low", "high")}
        return {"index": self._grid.index(row.point), **numbers, "note": row.measured.note}

    # Measuring.

    def _on_message(self, _, content: Any, buffers: list) -> None:
        match content:
            case {"do": "measure", "index": list(index)}:
                self._start(index)
            case {"do": "cancel"}:
                measuring.cancel()
                if self.job["state"] == "busy":
                    self._tell("idle", "The other measurement was asked to stop. Try again in a moment.")

    def _start(self, index: list[int]) -> None:
        try:
            point = self._point(index)
        except ValueError as error:
            self._tell("failed", str(error))
            return
        if not measuring.start(lambda cancelled: self._measure(point, cancelled)):
            self._tell("busy", "Another measurement is running on this machine: wait for it, or cancel it.")

    def _measure(self, point: Point, cancelled: threading.Event) -> None:
        """Measure in the background. Whatever happens, the reader is told."""
        last = 0.0

        def show(fraction: float, text: str) -> None:
            nonlocal last
            if time.monotonic() - last >= _REPORT_EVERY_S:
                last = time.monotonic()
                self._tell("running", text, fraction)

        self._tell("running", "Starting")
        try:
            with watch(show, cancelled):
                outcome = self._experiment.measure(**point)
            if not outcome:
                self._tell("unavailable", outcome.reason)
            else:
                self._add(point, outcome)
                self._tell("done", "")
        except Cancelled:
            self._tell("cancelled", "Cancelled: nothing was recorded.")
        except BaseException as error:
            self.error = error
            self._tell("failed", f"The measurement failed with {type(error).__name__}: {error}")

    def _add(self, point: Point, outcome: Outcome) -> None:
        if outcome.unit != self._experiment.unit:
            raise ValueError(f"the measurement is in {outcome.unit!r}, the experiment in {self._experiment.unit!r}")
        row = Row(dict(point), self._experiment.predict(**point), outcome)
        self._measured.append(row)
        self.specs = self._specifications()
        self.dots = [*self.dots, self._dot(row)]

    def _tell(self, state: str, text: str, fraction: float = 0.0) -> None:
        self.job = {"state": state, "fraction": fraction, "text": text}

    # Without scripts.

    def text(self) -> str:
        """Return what the chart shows, and the sentence of the chosen point."""
        x, experiment = self._x, self._experiment
        drawn = f"{experiment.quantity} against {x.label}"
        if self._colour:
            drawn += f", one curve for each {self._colour.label} ({', '.join(self._series)})"
        if self._measured:
            drawn += f", with {len(self._measured)} measured {'point' if len(self._measured) == 1 else 'points'}"
        return f"{experiment.title}: {drawn}. {self._grid.sentence(self.point)}"

    def picture(self) -> str:
        """Return the chart at the chosen point as an SVG."""
        marks = [("◆ measured", self._measured), ("◇ measured on another machine", self._elsewhere),
                 ("□ published", self._experiment.published)]
        heading = chart.heading(self._experiment.quantity, self._experiment.unit)
        title = "    ".join([heading, *(sign for sign, there in marks if there)])
        spec = {
            **self._spec(self.point),
            "background": "white",
            "datasets": self._rows(),
            "title": {"text": title, "anchor": "start", "fontSize": 13, "fontWeight": "normal"},
        }
        return vl_convert.vegalite_to_svg(spec)

    def _rows(self) -> dict:
        """The data of the chart at the chosen point, as the browser collects it for every move of a slider."""
        here, free = self.point, {self._x.name, self._colour.name if self._colour else ""}

        def series(point: Point) -> str:
            return point[self._colour.name] if self._colour else ""

        def beside(point: Point) -> bool:
            return all(point[name] == here[name] for name in here if name not in free)

        def told(figures: Iterable[Published]) -> list[dict]:
            return [{"x": figure.point[self._x.name], "y": figure.value, "label": figure.label}
                    for figure in figures if beside(figure.point)]

        curve, band = [], []
        for point in filter(beside, self._experiment.points()):
            cell = self._grid[point]
            row = {"x": point[self._x.name], "series": series(point)}
            chosen = row["series"] == series(here)
            curve.append({**row, "y": cell["value"], "chosen": chosen})
            if chosen:
                band.append({**row, "low": cell["low"], "high": cell["high"]})
        return {
            "curve": curve,
            "band": band,
            "point": [{"x": here[self._x.name], "y": self._grid[here]["value"], "series": series(here)}],
            "measured": [
                {"x": row.point[self._x.name], "y": row.measured.value, "series": series(row.point)}
                | {"low": row.measured.low, "high": row.measured.high}
                for row in self._measured
                if beside(row.point)
            ],
            "elsewhere": told(self._elsewhere),
            "published": told(self._experiment.published),
        }
