"""The planner held against the world: published systems whose composition and result are both known.

A row of the table says system, workload, composition, metric, value, unit and source, in its publisher's words. What a
prediction needs is read out of those words: the accelerator and how many, the network, the number format, the batch.
Where they do not say it, or where the planner gives no number, the row says why. No figure of such a row is fitted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from labkit import published, spreadsheet
from labkit.data import data_folder, read_csv
from labkit.display import TextTable
from labkit.labs.a_smaller_machine import held_out
from labkit.pages import published_words as words
from labkit.pages.published_words import Silent
from labkit.plan import constants as world
from labkit.plan import lines
from labkit.predict import boards, convergence, training_time
from labkit.specs.network import RESNET_50_FLOP
from labkit.stats import nine_in_ten
from labkit.units import quantity

COLUMNS = ("system", "workload", "composition", "metric", "value", "unit", "source")
TRAINING, LEARNING, SERVICE, MEMORY, BOARDS = KINDS = (
    "time and rate of trainings", "samples until a network has learned", "rate of services", "memory of services",
    "rate and energy of small boards")
SUMMARY = 6.0  # tokens that MLPerf's summaries of articles read for each that is written: assumed, between 3 and 10


@dataclass(frozen=True)
class Range:
    """A prediction with its interval, in the row's unit."""

    value: float
    low: float
    high: float
    formula: str

    def times(self, factor: float) -> Range:
        """Return it in another unit."""
        return Range(self.value * factor, self.low * factor, self.high * factor, self.formula)


@dataclass(frozen=True)
class Row:
    """One published figure, of which of `KINDS` it is, and what the planner says of it, or why it says nothing.

    The value is NaN where the row has none.
    """

    system: str
    workload: str
    composition: str
    metric: str
    value: float
    unit: str
    source: str
    kind: str
    predicted: Range | None
    why: str

    @property
    def factor(self) -> float | None:
        """By what factor the prediction is off, 1 and above."""
        if self.predicted is None:
            return None
        return max(self.predicted.value / self.value, self.value / self.predicted.value)

    @property
    def inside(self) -> bool | None:
        """Whether the figure lies in the interval."""
        return None if self.predicted is None else self.predicted.low <= self.value <= self.predicted.high


def read(path: Path | None = None) -> list[Row]:
    """Return the rows of a table of published systems, predicted; the course's own unless given.

    Raises:
        OSError: the file cannot be read.
        ValueError: a column is missing or a value is no number; the message names line, column and cell.
    """
    table = spreadsheet.read(path or data_folder() / "plan" / "evidence.csv", COLUMNS, numeric=("value",))
    given = [(row, table.number(row, "value")) for row in table.rows]
    for row, value in given:
        if value is not None and value <= 0:
            raise table.refusal(row, "value", "is no number above 0")
    return _rows(given)


def fine_tunings() -> list[Row]:
    """Return MLPerf's fine-tunings of Llama 2 70B, predicted: many publishers, and none of them in any share."""
    return _rows([(spreadsheet.Row(0, {
        "system": row["series_id"], "workload": f"MLPerf Training, Llama2-70B LoRA; global batch {row['global_batch']}",
        "composition": f"{row['total_accelerators']} x {row['accelerator']}", "metric": row["metric"],
        "unit": row["unit"], "source": row["source"]}), float(row["value"]))
        for row in read_csv(data_folder() / "published" / "training-scaling.csv")
        if "llama2_70b_lora" in row["series_id"] and row["metric"] == "time_to_train"])


def _rows(given: Sequence[tuple[spreadsheet.Row, float | None]]) -> list[Row]:
    own = {(row["system"], row["metric"].lower()): (row, value) for row, value in given
           if row["workload"].endswith(" ic") and value}
    found = []
    for row, value in given:
        cells = {column: row[column] for column in COLUMNS if column != "value"}
        line, predicted, why = _line(row), None, "The planner has no line for this metric."
        if value is None:
            value, why = math.nan, "The row has no figure."
        elif line:
            try:
                predicted, why = _said(line, row, own), ""
            except (Silent, ValueError) as reason:  # a formula refuses what no system can have, such as a batch of 0
                why = str(reason)
        found.append(Row(value=value, kind=line.kind if line else "", predicted=predicted, why=why, **cells))
    return found


@dataclass(frozen=True)
class Score:
    """How good the predictions of some rows are.

    Args:
        rows, predicted: how many there are, and how many have a prediction.
        median, p90: the factor that half and nine tenths of those are off by at most.
        inside: the share whose figure lies in the interval.
    """

    rows: int
    predicted: int
    median: float
    p90: float
    inside: float

    def __str__(self) -> str:
        return (f"{self.predicted} of {self.rows} figures are predicted: half within a factor of {self.median:.2f}, "
                f"nine in ten within {self.p90:.2f}; {100 * self.inside:.0f} % lie in the printed interval.")


def score(rows: Sequence[Row]) -> Score:
    """Return the score of rows; raises `ValueError` where none is predicted."""
    factors = sorted(row.factor for row in rows if row.predicted)
    if not factors:
        raise ValueError("No row of this table is predicted: " + (rows[0].why if rows else "it has none."))
    return Score(len(rows), len(factors), median(factors), nine_in_ten(factors),
                 sum(bool(row.inside) for row in rows) / len(factors))


def held(rows: Sequence[Row] | None = None) -> str:
    """Return how good the planner is on the course's own table, in a sentence for beside a plan."""
    return "Held against published systems: " + str(score(read() if rows is None else rows))


def by_kind(rows: Sequence[Row]) -> dict[str, Score]:
    """Return the score of each kind of figure that is predicted, by what it is."""
    kinds = {kind: [row for row in rows if row.kind == kind and row.predicted] for kind in KINDS}
    return {kind: score(some) for kind, some in kinds.items() if some}


def beside_mlsysim(rows: Sequence[Row]) -> list[tuple[Row, float]]:
    """Return the rows that mlsysim 0.3.0 knows, each with what it said, as it was recorded (`baselines.of_plans`)."""
    return [(row, float(said["predicted"])) for said in read_csv(data_folder() / "plan" / "mlsysim.csv") for row in rows
            if row.system == said["system"] and said["workload"] in row.workload and row.metric.startswith("time")]


def rivals() -> TextTable:
    """Return what other planners are said to be off by: by themselves, or by those who tried them."""
    heads = {"tool": "planner", "plans": "plans", "held_against": "held against", "error": "is off by",
             "read": "says who", "source": "source"}
    return TextTable(list(heads.values()), [[row[name] for name in heads]
                                            for row in read_csv(data_folder() / "plan" / "rivals.csv")])


def report(path: Path) -> list[str]:
    """Return the table's rows and their score as lines of text; raises as `read` and `score` do."""
    rows = read(path)
    found = [f"{row.system}, {row.metric}: {said(row)}" for row in rows]
    return [*found, str(score(rows))]


def said(row: Row) -> str:
    """Return a row's prediction beside its figure in words."""
    if math.isnan(row.value):
        return row.why
    if row.predicted is None:
        return f"published {quantity(row.value, row.unit)}; no prediction: {row.why}"
    low, high = quantity(row.predicted.low, ""), quantity(row.predicted.high, row.unit)
    return (f"published {quantity(row.value, row.unit)}, predicted {quantity(row.predicted.value, row.unit)} "
            f"({low} to {high}){'' if row.inside else ', outside of the interval'}")


@dataclass(frozen=True)
class _Line:
    """What the planner says of a metric: its kind, its formula, and what brings its figure to the row's unit."""

    kind: str
    formula: Callable[[spreadsheet.Row, dict], Range]
    unit: Callable[[spreadsheet.Row], float]


def _line(row: spreadsheet.Row) -> _Line | None:
    metric = row["metric"].lower().replace("-", "_").replace(" ", "_")
    if re.fullmatch("(tokens|samples)_per_second|throughput|rate", metric):  # of which kind, the workload says
        metric = f"{next((kind for kind in ('offline', 'server') if kind in row['workload'].lower()), '')}_rate"
    return next((line for pattern, line in _METRICS.items() if re.search(pattern, metric)), None)


def _said(line: _Line, row: spreadsheet.Row, own: dict) -> Range:
    return line.formula(row, own).times(line.unit(row))


# What the planner says


def _share(row: spreadsheet.Row) -> tuple[world.Share, float]:
    precision, sheet = words.training_format(row), words.accelerator(row)
    peak = world.peak(sheet, precision)
    if peak is None:
        raise Silent(f"{sheet['name']} has no arithmetic in {precision}.")
    return world.training_shares()[precision], peak


def _seconds(row: spreadsheet.Row, work: float, formula: str) -> Range:
    share, peak = _share(row)
    value, low, high = (training_time.seconds(work, words.count(row), peak, reached)
                        for reached in (share.value, share.high, share.low))
    return Range(value, low, high, formula)


def _samples(row: spreadsheet.Row, _=None) -> Range:
    name = words.dense(row)[1]
    points = published.convergence_points().get(name)
    if not points:
        raise Silent("MLPerf has published no samples to convergence of this network that the course has.")
    if batch := re.search(r"global batch (\d+)", row["workload"]):
        tried = [size for size, _ in points]
        if not min(tried) / 2 <= float(batch[1]) <= 2 * max(tried):
            raise Silent(f"The batches that are published for it are {min(tried):g} to {max(tried):g}: within a factor "
                         "of two of that there is a number.")
        value = convergence.samples(float(batch[1]), *convergence.fit(points))
        return Range(value, value / world.NARROWEST, value * world.NARROWEST, "samples by the batch (MLPerf's own)")
    counts = [count for _, count in points]
    return Range(median(counts), min(counts) / world.NARROWEST, max(counts), "samples of all published batches")


def _time_to_train(row: spreadsheet.Row, _=None) -> Range:
    samples, parameters = _samples(row), words.dense(row)[0]
    ends = [_seconds(row, training_time.operations(parameters, count * words.SEQUENCE), "operations / (peak × share)")
            for count in (samples.value, samples.low, samples.high)]
    return Range(ends[0].value, ends[1].low, ends[2].high, "samples × operations / (peak × share)")


def _step(row: spreadsheet.Row, _=None) -> Range:
    batch, length = re.search(r"batch (\d+)", row["workload"]), re.search(r"seq (\d+)", row["workload"])
    if not (batch and length):
        raise Silent("The row does not say its batch and its sequence.")
    work = training_time.operations(words.dense(row)[0], float(batch[1]) * float(length[1]))
    again = 4 / 3 if "full recompute" in row["workload"] else 1  # a second forward pass
    return _seconds(row, again * work, "operations of a step / (peak × share)")


def _hours(row: spreadsheet.Row, _=None) -> Range:
    return _wall_time(row).times(words.count(row))


def _mfu(row: spreadsheet.Row, _=None) -> Range:
    words.dense(row)
    share = world.training_shares()["bf16"]
    return Range(share.value, share.low, share.high, "the share of the peak, of published trainings")


def _train_rate(row: spreadsheet.Row, _=None) -> Range:
    (share, peak), one = _share(row), training_time.operations(words.dense(row)[0], 1)
    return Range(peak * share.value / one, peak * share.low / one, peak * share.high / one, "peak × share / operations")


def _wall_time(row: spreadsheet.Row, _=None) -> Range:
    tokens = re.search(r"([\d.]+)T tokens", row["workload"])
    if not tokens:
        raise Silent("The row does not say its tokens.")
    work = training_time.operations(words.dense(row)[0], 1e12 * float(tokens[1]))
    return _seconds(row, work, "operations / (peak × share)")


def _pictures(row: spreadsheet.Row) -> Range:
    sheet, share = words.accelerator(row), world.convolution_serving_share()
    if not sheet["int8_op_per_s"]:
        raise Silent(f"The catalogue has no rate in int8 of the {sheet['name']}.")
    each = words.count(row) * float(sheet["int8_op_per_s"]) / RESNET_50_FLOP
    return Range(each * share.value, each * share.low, each * share.high, "peak in int8 × share / operations")


def _serving(row: spreadsheet.Row, _=None) -> Range:
    if "resnet50" in row["workload"].lower():
        return _pictures(row)
    parameters, active, _name = words.network(row)
    if mixed := lines.mixture(parameters, active):
        if not lines.LEAST_MIXTURE <= active <= lines.MOST_MIXTURE:
            raise Silent("The services of mixtures that are known have 13 to 37 billion active parameters: within a "
                         "factor of two of that there is a number.")
    elif parameters > 1e11 and "MLPerf" in row["workload"]:
        raise Silent("Its prompts are long documents, and the row does not say how long.")
    if "interactive" in row["workload"].lower():
        raise Silent("A rate under a tight deadline: the planner gives it for a workload, and not for a benchmark.")
    sheet, share = words.accelerator(row), world.written_shares()["mixture" if mixed else "dense"]
    precision = next((name for name in ("fp4", "fp8", "bf16") if name in row["composition"].lower()),
                     world.served_format(sheet))
    peak = world.peak(sheet, precision)
    if peak is None:
        raise Silent(f"{sheet['name']} has no arithmetic in {precision}.")
    each = words.count(row) * peak / (2 * active)
    if "8b" in row["workload"]:  # summaries: of the share's ends, one is for nothing read, one for as much as written
        usual, low, high = world.serving_share("dense")
        return Range(each * usual / (1 + SUMMARY), each * low / 11, each * high / 4,
                     "peak × share / operations of what is read and written")
    return Range(each * share.value, each * share.low, each * share.high,
                 "peak × share / operations of what is written")


def _server(row: spreadsheet.Row, _=None) -> Range:
    offline = _serving(row)
    # With MLPerf's deadline a server does 0.81 to 0.99 of its offline rate: Llama 2 70B of data/mlperf-server.csv.
    return Range(0.9 * offline.value, 0.81 * offline.low, offline.high, offline.formula)


def _node(row: spreadsheet.Row, _=None) -> Range:
    if "decode" not in row["workload"]:
        raise Silent("Much of what is read comes from a cache of earlier prompts.")
    return _serving(row)


def _weights(row: spreadsheet.Row, _=None) -> Range:
    parameters, _active, _name = words.network(row)
    text = f"{row['workload']} {row['composition']}"
    narrow = re.search("gpt-oss|fp4|int4|w4a16|awq|gptq", text.lower())
    each = world.FORMATS["fp4" if narrow else "fp8" if re.search("fp8|int8|w8a8", text.lower()) else "bf16"]
    factor = world.constants()["weights_factor"]
    ends = [lines.weights_bytes(parameters, each, margin) / words.count(row)
            for margin in (factor.value, factor.low, factor.high)]
    return Range(*ends, "parameters × bytes of the format × margin")


def _cache(row: spreadsheet.Row, _=None) -> Range:
    memory = re.search(r"([\d.]+) GiB", row["composition"])
    share = re.search(r"gpu-memory-utilization ([\d.]+)", row["composition"])
    if not (memory and share):
        raise Silent("The row does not say the memory and the share that the server takes.")
    runtime, weights = world.constants()["runtime_bytes"], _weights(row)
    room = [lines.room_bytes(float(memory[1]) * 2**30, float(share[1]), each)
            for each in (runtime.value, runtime.high, runtime.low)]
    ends = room[0] - weights.value, room[1] - weights.high, room[2] - weights.low
    if ends[0] <= 0:
        raise Silent("The weights leave no room.")
    return Range(ends[0], max(ends[1], 0.0), ends[2], "memory × share taken − runtime − weights")


def _board(row: spreadsheet.Row, own: dict) -> Range:
    task, metric = held_out.TASKS.get(row["workload"].rpartition(" ")[2]), row["metric"].lower()
    beside, known = own.get((row["system"], metric), (row, None))
    if task is None or known is None:
        raise Silent("No other result of this board and metric is in the table.")
    if task == boards.CLOSEST:
        raise Silent("The board's own result, from which its others are predicted.")
    known /= _METRICS["median_energy" if "energy" in metric else "median_throughput"].unit(beside)
    text = " ".join(row[column] for column in ("system", "composition", "source"))
    software = next((board.software for board in held_out.known() if board.software in text), "")
    name = next((board.name for board in held_out.known() if board.name in text), row["system"])
    format = "float" if re.search("float|fp32", text) else "int8"
    board = boards.Board(name, "", software, format, None, {boards.CLOSEST: known if "energy" in metric else 1 / known})
    ratio = held_out.from_own(board, task)
    if ratio is None:
        raise Silent("No other board with this network and number format is known.")
    if "energy" in metric:  # of each answer, as its time: a board's power hardly differs among networks
        value, low, high = known * ratio.value, known * ratio.low, known * ratio.high
    else:
        value, low, high = known / ratio.value, known / ratio.high, known / ratio.low
    return Range(value, min(low, value / world.NARROWEST), max(high, value * world.NARROWEST), ratio.formula)


def _cost(row: spreadsheet.Row, _=None) -> Range:
    raise Silent("An identity: the mean nodes of the other row, times hours and price.")


def _crowded(row: spreadsheet.Row, _=None) -> Range:
    raise Silent("A latency under a load whose distance from saturation is not known: the planner gives none.")


def _few(row: spreadsheet.Row, _=None) -> Range:
    raise Silent("The rate of so many users at a time, and not what the system can do.")


def _time(row: spreadsheet.Row) -> float:
    return words.unit_of(row, words.TIMES)


def _size(row: spreadsheet.Row) -> float:
    return words.unit_of(row, words.BYTES)


def _same(row: spreadsheet.Row) -> float:
    return 1.0


_METRICS = {
    "time_to_train": _Line(TRAINING, _time_to_train, _time),
    "samples_to_target": _Line(LEARNING, _samples, lambda row: words.unit_of(row, words.COUNTED)),
    "time_per_iteration|step_time|time_per_step": _Line(TRAINING, _step, _time),
    "train_throughput|training_throughput": _Line(TRAINING, _train_rate, lambda row: words.rate_of(row, each=True)),
    "gpu.?hours|accelerator.?hours": _Line(TRAINING, _hours, _time),
    "mfu": _Line(TRAINING, _mfu, lambda row: words.unit_of(row, words.SHARES)),
    "wall.?time": _Line(TRAINING, _wall_time, _time),
    "server_rate": _Line(SERVICE, _server, words.rate_of), "offline_rate": _Line(SERVICE, _serving, words.rate_of),
    "throughput_per_node": _Line(SERVICE, _node, words.rate_of), "output_throughput": _Line(SERVICE, _few, _same),
    "weights": _Line(MEMORY, _weights, _size), "kv_cache": _Line(MEMORY, _cache, _size),
    "median_energy": _Line(BOARDS, _board, lambda row: words.unit_of(row, words.JOULES)),
    "median_throughput": _Line(BOARDS, _board, words.rate_of),
    "^cost$": _Line(SERVICE, _cost, _same), "ttft|tpot|latency": _Line(SERVICE, _crowded, _same),
}
