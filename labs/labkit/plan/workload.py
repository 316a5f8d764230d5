"""What a reader states: a workload in units, never "high". The ranges are what the formulas take.

Fields of a section are flat names with their units at the end. Prices are the reader's; what is left blank is taken
from `data/plan`, with its date and source.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator
from pydantic import Field as _Field

from labkit.data import data_folder

EXAMPLES = ("hospital", "speech", "retailer", "assistant", "language-model")


TOKEN_BYTES = 4.0  # of a token's number as it is stored or sent
LISTED = "blank: the list price in data/plan/accelerators.csv, with its date and source"


class Kind(StrEnum):
    """How a network computes, which decides what share of a peak it reaches."""

    TRANSFORMER = "transformer"
    CONVOLUTIONAL = "convolutional"


class Precision(StrEnum):
    """The number format that the weights are served in."""

    BF16 = "bf16"
    FP8 = "fp8"
    FP4 = "fp4"


def _number(default: Any, low: float, high: float, label: str, unit: str = "", source: str = "") -> Any:
    return _Field(default, ge=low, le=high, title=label, json_schema_extra={"unit": unit, "source": source},
                  allow_inf_nan=False)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch(cls, value):
        if isinstance(value, bool):
            raise ValueError(f"'{str(value).lower()}' is no number and no name")
        return value


class Network(_Section):
    """The network: total and active parameters are two fields, for a mixture of experts uses only some for a token."""

    kind: Kind = _Field(Kind.TRANSFORMER, title="Kind of network")
    parameters: float = _number(..., 1e3, 5e12, "Parameters, all")
    active_parameters: float = _number(..., 1e3, 5e12, "Parameters at work for one sample or token")
    operations: float = _number(..., 2e3, 1e17, "Operations of one sample or token, forward", "FLOP")
    token_bytes: float = _number(0, 0, 1e8, "Memory of one token in a conversation (its key-value cache)", "B")

    @model_validator(mode="after")
    def _consistent(self):
        if self.active_parameters > self.parameters:
            raise ValueError(f"active_parameters is {self.active_parameters:g}: allowed is at most parameters, "
                             f"{self.parameters:g}")
        if self.operations < 2 * self.active_parameters * (1 - 1e-9):
            raise ValueError(f"operations is {self.operations:g}: allowed is at least 2 for each active parameter, "
                             f"{2 * self.active_parameters:g}")
        return self


class Training(_Section):
    """One training, and how often it is run. No runs: nothing is trained."""

    runs: float = _number(0, 0, 1000, "Trainings in a year")
    samples: float = _number(1e6, 1, 1e15, "Samples or tokens in the data set")
    sample_bytes: float = _number(1e5, 1, 1e9, "Size of a stored sample or token", "B",
                                  "in a file, 4 B unless stated where the network has token_bytes: it reads tokens")
    passes: float = _number(1, 0.01, 1000, "Passes over the data")
    deadline_days: float = _number(7, 0.01, 365, "Deadline of one training", "days")
    growth_percent: float = _number(0, 0, 500, "Growth of the data in a year", "%")


class Inference(_Section):
    """What is asked of the service. No answer tokens: the network gives its answer at once, as a classifier does."""

    peak_rate: float = _number(0, 0, 1e6, "Requests at the peak", "/s")
    mean_rate: float = _number(0, 0, 1e6, "Requests on average", "/s")
    read: float = _number(1, 1, 1e6, "Samples or tokens read for a request")
    written: float = _number(0, 0, 1e5, "Tokens written for a request")
    batch_hours: float = _number(0, 0, 24, "Hours in which a day's requests are answered as a batch; 0: as they come",
                                 "h")
    first_seconds: float = _number(1, 1e-3, 3600, "Longest wait for the first answer or token", "s")
    each_seconds: float = _number(0.1, 1e-3, 60, "Longest time for each further token", "s")
    percentile: float = _number(99, 50, 99.9, "Share of the requests that these times are for", "%")
    replica_least: float = _number(1, 1, 128, "Least accelerators of a replica: more answer faster, and cost more")
    precision: Precision = _Field(Precision.FP8, title="Number format of the weights")

    @model_validator(mode="after")
    def _consistent(self):
        if self.mean_rate > self.peak_rate:
            raise ValueError(f"mean_rate is {self.mean_rate:g}: allowed is at most peak_rate, {self.peak_rate:g}")
        return self


class Edge(_Section):
    """Places with streams of their own. No sites: there is no edge."""

    sites: float = _number(0, 0, 1e6, "Sites")
    streams: float = _number(1, 1, 1e4, "Streams of a site")
    frame_rate: float = _number(10, 0.01, 240, "Frames or segments of a stream", "/s")
    frame_bytes: float = _number(5e4, 1, 1e8, "Size of one as it travels", "B")
    deadline_seconds: float = _number(0.1, 1e-3, 60, "Deadline of an answer", "s")
    cloud_percent: float = _number(0, 0, 100, "Share that the cloud answers: 0 edge, 100 cloud, between a hybrid", "%")
    round_trip_seconds: float = _number(0.02, 1e-4, 2, "Round trip of the link", "s")
    link_mbit: float = _number(50, 0.01, 1e5, "Bandwidth of a site's link, up", "Mbit/s")
    link_usd_per_gb: float = _number(0, 0, 100, "Price of the link", "USD/GB")
    power_watts: float = _number(200, 0.1, 1e6, "Power that a site has for it", "W")
    device: str = _Field("Jetson Orin NX", title="Edge device")


class Money(_Section):
    """The reader's prices; a blank one is taken from `data/plan/accelerators.csv`."""

    accelerator: str = _Field("NVIDIA H100 SXM", title="Accelerator")
    horizon_years: float = _number(4, 0.5, 10, "Years until it is written off", "years")
    rent_usd: float | None = _number(None, 0.01, 1000, "Rent of an accelerator", "USD/h", LISTED)
    buy_usd: float | None = _number(None, 1, 1e6, "Price of an accelerator with its share of the node", "USD", LISTED)
    device_usd: float = _number(1000, 0, 1e6, "Price of an edge device, installed", "USD",
                                "1,000 stands for your quote: no list price with a source was found")
    power_usd: float = _number(0.1222, 0, 10, "Price of electricity", "USD/kWh",
                               "0.1222: commercial users in the East North Central states, January to July 2024, US "
                               "Energy Information Administration, Electric Power Monthly, table 5.6.B")
    storage_usd: float = _number(23, 0, 1e4, "Price of storage for a month", "USD/TB",
                                 "23: Amazon S3 Standard, the first 50 TB, 0.023 USD a GB; https://aws.amazon.com/s3/"
                                 "pricing, read through a copy, undated: look it up")
    room_watts: float = _number(0, 0, 1e9, "Power that the data centre has for it; 0: not limited", "W")
    spare_percent: float = _number(10, 0, 200, "Spare replicas and devices", "%")


class Workload(_Section):
    """All that a plan is made from."""

    name: str = _Field("Your workload", title="Name", max_length=200)
    network: Network
    training: Training = Training()
    inference: Inference = Inference()
    edge: Edge = Edge()
    money: Money = Money()

    @model_validator(mode="before")
    @classmethod
    def _tokens_are_small(cls, data):
        """Where a network keeps a memory of tokens, what it reads are tokens, of 4 bytes unless stated."""
        network, training = data.get("network"), data.get("training") or {}
        tokens = isinstance(network, dict) and network.get("token_bytes")
        if tokens and isinstance(training, dict) and "sample_bytes" not in training:
            return data | {"training": training | {"sample_bytes": TOKEN_BYTES}}
        return data

    def numbers(self) -> dict[str, float]:
        """Return every number by its name, without the blank prices."""
        return {name: value for section in SECTIONS for name, value in getattr(self, section).model_dump().items()
                if isinstance(value, (int, float))}


SECTIONS = {"network": Network, "training": Training, "inference": Inference, "edge": Edge, "money": Money}


class BadWorkload(ValueError):
    """A workload that cannot be planned; a sentence for each field that is wrong, with what is allowed."""


def fields() -> list[dict]:
    """Return every field in order: section, name, label, unit, source of the default, least, most and default.

    Choices have no range.
    """
    found = []
    for section, model in SECTIONS.items():
        for name, field in model.model_fields.items():
            bounds = {type(each).__name__: each for each in field.metadata}
            found.append({
                "section": section, "name": name, "label": field.title,
                "unit": (field.json_schema_extra or {}).get("unit", ""),
                "source": (field.json_schema_extra or {}).get("source", ""),
                "low": bounds["Ge"].ge if "Ge" in bounds else None, "high": bounds["Le"].le if "Le" in bounds else None,
                "default": None if field.is_required() else field.default,
            })
    return found


def checked(data: Any) -> Workload:
    """Return data as a workload.

    Raises:
        BadWorkload: a field that is wrong, missing or unknown; the message names each, and what is allowed.
    """
    if not isinstance(data, dict):
        raise BadWorkload("A workload has sections: network, and what is wanted of training, inference, edge, money.")
    try:
        return Workload.model_validate(data)
    except ValidationError as refusal:
        raise BadWorkload("\n".join(_sentence(error) for error in refusal.errors())) from None


def read(path: Path) -> Workload:
    """Return the workload of a YAML or JSON file.

    Raises:
        OSError: the file cannot be read.
        BadWorkload: it is no YAML, or as in `checked`.
    """
    try:
        return checked(yaml.load(path.read_text("utf-8"), _Once))
    except (yaml.YAMLError, UnicodeDecodeError) as trouble:
        raise BadWorkload(f"{path} is no YAML that can be read: {' '.join(str(trouble).split())}.") from None


class _Once(yaml.SafeLoader):
    """Reads YAML and refuses a name that stands twice: otherwise the first would be lost without a word."""

    def construct_mapping(self, node, deep=False):
        names = [self.construct_object(key) for key, _ in node.value]
        if twice := [name for place, name in enumerate(names) if name in names[:place]]:
            raise yaml.constructor.ConstructorError(None, None, f"'{twice[0]}' stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def example(name: str) -> str:
    """Return the text of an example, YAML with comments.

    Raises:
        BadWorkload: no such example.
    """
    if name not in EXAMPLES:
        raise BadWorkload(f"There is no example '{name}'. There are {', '.join(EXAMPLES)}.")
    return (data_folder() / "plan" / f"{name}.yaml").read_text("utf-8")


def examples() -> dict[str, Workload]:
    """Return every example by its name."""
    return {name: checked(yaml.safe_load(example(name))) for name in EXAMPLES}


def _sentence(error: dict) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "workload"
    if error["type"] == "missing":
        return f"{place} is missing.{_allowed(error['loc'])}"
    if error["type"] == "extra_forbidden":
        known = SECTIONS[error["loc"][0]].model_fields if error["loc"][0] in SECTIONS else Workload.model_fields
        return f"{place} is no field. Allowed here: {', '.join(known)}."
    if error["type"] == "model_type":
        return f"{place} is {error['input']!r}. It is a section with fields: {', '.join(SECTIONS[place].model_fields)}."
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}."
    return f"{place} is {error['input']!r}.{_allowed(error['loc']) or ' ' + error['msg'] + '.'}"


def _allowed(place: tuple) -> str:
    for field in fields():
        if place[:2] == (field["section"], field["name"]):
            if field["low"] is not None:
                return f" Allowed is a number from {field['low']:g} to {field['high']:g} {field['unit']}".rstrip() + "."
            choices = {"kind": Kind, "precision": Precision}.get(field["name"])
            return f" Allowed: {', '.join(choices)}." if choices else ""
    return ""
