"""Numbers that a format loses, by where they lie and by what they are multiplied: a prediction without a lab."""

from __future__ import annotations

from labkit.experiment import Axis, Experiment, Outcome
from labkit.predict import formats as predicted
from labkit.specs.number_format import FORMATS

DRAWN = ("bf16", "fp16", "fp8 E5M2", "fp8 E4M3")  # a chart has four colours
SCALES = tuple(4**k for k in range(13))
MEDIANS = {f"2⁻{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(digit)] for digit in str(k))}": 2.0**-k for k in range(6, 34, 3)}
SPREADS = (2, 3, 4, 5, 6)  # octaves


def loss_scaling() -> Experiment:
    """Return the experiment on the share of gradients that a format loses."""

    def predict(scale, median, spread, format):
        parts = {name: 100 * share for name, share in
                 predicted.lost(FORMATS[format], MEDIANS[median], spread, scale).items()}
        return Outcome(sum(parts.values()), "%", parts=parts)

    return Experiment(
        title="Gradients that a format loses",
        quantity="Lost",
        unit="%",
        axes=[
            Axis("scale", "Loss multiplied by", SCALES, log=True),
            Axis("median", "Median gradient", tuple(MEDIANS), start="2⁻²¹"),
            Axis("spread", "Spread of the gradients", SPREADS, start=4, unit="octaves"),
            Axis("format", "Format", DRAWN, start="fp16"),
        ],
        predict=predict,
        readout="{format} loses {value} of gradients around {median} with a spread of {spread}, the loss multiplied "
                "by {scale}.",
    )
