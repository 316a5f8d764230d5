"""Lab 2.7 at the size of a cluster: what one accelerator holds of Llama 8B, 70B and 405B, beside published runs."""

from __future__ import annotations

import math

from labkit import catalogue
from labkit.display import TextTable
from labkit.experiment import Axis, Experiment, Outcome, Published, PublishedComparison, Unavailable, compare_published
from labkit.predict import large_models
from labkit.predict.large_models import ALL, NONE, RECOMPUTED, SOME, STATES, Layout
from labkit.specs.language_model import PUBLISHED
from labkit.units import quantity

MODELS = ("Llama 8B", "Llama 70B", "Llama 405B")
ACCELERATORS = (8, 64, 128, 256, 512, 8192, 16384)
CUTS = {"not at all": (1, 1), "8 by tensor": (8, 1), "8 by tensor, 8 stages": (8, 8), "8 by tensor, 16 stages": (8, 16)}
ZERO = {"ZeRO-0": 0, "ZeRO-1": 1, "ZeRO-2": 2, "ZeRO-3": 3}
TOKENS = (8192, 16384, 32768, 131072)  # of a micro-batch of one copy of the model
MIXED = "bf16 with fp32"
START = dict(model="Llama 70B", accelerators=256, cut="not at all", zero="ZeRO-3", tokens=8192, recomputed=ALL)
H100 = "NVIDIA H100 SXM"
# Of the runs without activations computed again, on 8,192 and 16,384 H100 (Grattafiori et al. 2024, table 4 and section
# 3.3.2): the first two rows, each copy of the model on 8 × 16 of them, one sequence of 8,192 tokens at once.
LLAMA_405B = [dict(START, model="Llama 405B", accelerators=count, cut="8 by tensor, 16 stages", zero="ZeRO-2",
                   recomputed=NONE) for count in (8192, 16384)]
ALONE = dict(cut="not at all", zero="ZeRO-3")
# Rows of data/training-memory.csv whose activations are computed again in the same way
_RECOMPUTED = {"some": SOME, "all": ALL}


def room() -> float:
    """Return the bytes of an H100's memory."""
    return catalogue.machine(H100).memory


def plan() -> Experiment:
    """Return the experiment on the memory of one accelerator, with fp32 master weights, beside published peaks."""

    def predict(model, accelerators, cut, zero, tokens, recomputed):
        if not (layout := layout_of(accelerators, cut, zero)):
            return layout
        what, arguments = PUBLISHED[model], (layout, MIXED, tokens)
        parts = large_models.memory(what, *arguments, recomputed)
        value, sent = sum(parts.values()), large_models.sent(what, *arguments)
        note = (f"{'Fits' if value <= room() else 'Does not fit'} the {quantity(room(), 'B')} of an H100. Each sends "
                f"{quantity(sum(sent.values()), 'B')} in a step.")
        return Outcome(value, "B", high=1.5 * value, parts=parts, note=note)

    return Experiment(
        title="What one accelerator holds of a large model", quantity="Memory of one accelerator", unit="B",
        axes=[Axis("model", "Model", MODELS, start="Llama 70B"),
              Axis("accelerators", "Accelerators", ACCELERATORS, start=256, log=True),
              Axis("cut", "A copy is cut", tuple(CUTS)),
              Axis("zero", "Copies share", tuple(ZERO), start="ZeRO-3"),
              Axis("tokens", "Tokens at once", TOKENS, start=8192, unit="tokens", log=True),
              Axis("recomputed", "Computed again", RECOMPUTED, start=ALL)],
        predict=predict, published=_published(),
        readout="{model} on {accelerators} accelerators, a copy cut {cut}, {zero} among copies, {tokens} at once, "
                "{recomputed} computed again: each holds {value}.")


def layout_of(accelerators: int, cut: str, zero: str) -> Layout | Unavailable:
    """Return the layout at a point of the sliders, or why there are too few accelerators."""
    tensor, stages = CUTS[cut]
    if accelerators < tensor * stages:
        return Unavailable(f"A copy that is cut {cut} takes {tensor * stages} accelerators, not {accelerators}.")
    return Layout(accelerators // (tensor * stages), tensor, stages, ZERO[zero])


def against_published() -> PublishedComparison:
    """Return the prediction beside every published peak."""
    return compare_published(plan())


def states() -> TextTable:
    """Return what the states of the models take together, by number format, and the H100 that this fills."""
    rows = []
    for name in MODELS:
        for format, bytes_each in STATES.items():
            total = sum(bytes_each) * PUBLISHED[name].parameters
            rows.append([name, format, f"{sum(bytes_each)}", quantity(total, "B"), f"{math.ceil(total / room()):,}"])
    return TextTable(["", "numbers", "bytes a parameter", "weights, gradients, optimiser", "H100 that they fill"], rows)


def filled(model: str) -> Outcome:
    """Return how many H100 the states of a model fill, in bf16 with fp32, without activations."""
    return Outcome(math.ceil(sum(STATES[MIXED]) * PUBLISHED[model].parameters / room()), "H100")


def layouts() -> TextTable:
    """Return Llama 405B as it was trained, and cut otherwise: what each holds, and sends for a token that it works on.
    """
    changes = {"as it was trained": {}, "with ZeRO-1": dict(zero="ZeRO-1"), "with ZeRO-3": dict(zero="ZeRO-3"),
               "with 8 stages": dict(cut="8 by tensor, 8 stages"), "without stages": dict(cut="8 by tensor"),
               "ZeRO-3 alone": ALONE, "ZeRO-3 alone, layers computed again": dict(ALONE, recomputed=ALL)}
    rows, experiment = [], plan()
    for name, change in changes.items():
        held = experiment.predict(**{**LLAMA_405B[1], **change}).value
        each = sent_for_a_token(**change)
        rows.append([name, quantity(held, "B"), "yes" if held <= room() else "no", quantity(sum(each.values()), "B"),
                     quantity(each["data parallel"], "B")])
    return TextTable(["Llama 405B on 16,384 H100", "each holds", "fits", "sends for a token", "of it between copies"],
                     rows)


def sent_for_a_token(**change) -> dict[str, float]:
    """Return the bytes that each of the H100 of Llama 405B sends for a token that it works on, if cut otherwise.

    In a step it works on the tokens of as many micro-batches as there are stages, and shares each with its whole copy.
    """
    point = {**LLAMA_405B[1], **change}
    layout = layout_of(point["accelerators"], point["cut"], point["zero"])
    sent = large_models.sent(PUBLISHED[point["model"]], layout, MIXED, point["tokens"])
    return {way: size * layout.tensor / point["tokens"] for way, size in sent.items()}


def least(model: str, **change) -> int | None:
    """Return the fewest accelerators on the slider with which a point fits an H100; None where none is enough."""
    experiment = plan()
    return next((count for count in ACCELERATORS
                 if (held := experiment.predict(**{**START, "model": model, "accelerators": count, **change}))
                 and held.value <= room()), None)


def _published() -> list[Published]:
    return [Published(dict(
        model=row["model"], accelerators=int(row["accelerators"]), zero=row["zero"],
        cut=next(name for name, cut in CUTS.items() if cut == (row["tensor"], row["stages"])),
        tokens=int(row["tokens"]), recomputed=_RECOMPUTED[row["recomputed"]]), row["held_bytes"],
        row["name"], row["source"]) for row in catalogue.table("training-memory")]
