"""Lab 2.5 at other sizes: what a lower error takes in data and computing, by published laws or by one's own curve."""

from __future__ import annotations

from labkit.display import TextTable
from labkit.experiment import Axis, Experiment, Outcome, Unavailable
from labkit.predict import compute_optimal
from labkit.predict.learning_curve import PowerLaw, more_data, worth
from labkit.units import quantity

# Loss of a language model in nats a token against the tokens it learns from, the model never too small.
KAPLAN = PowerLaw(scale=5.4e13**0.095, exponent=0.095)  # Kaplan et al. 2020, equation 1.2
HOFFMANN, REFITTED = (PowerLaw(scale=law.B, exponent=law.b, floor=law.E)  # Hoffmann et al. 2022, equation 10
                      for law in (compute_optimal.PUBLISHED, compute_optimal.REFITTED))
FLATTEST, STEEPEST = 0.07, 0.35  # Hestness et al. 2017, over translation, language, pictures and speech
HAVE = (10_000, 100_000, 1_000_000, 100_000_000)  # samples
NOW, WANTED = (5, 10, 20), (1, 2, 4, 5, 8, 9, 9.5, 15)  # % wrong
WRONG = (0, 10, 20, 40)  # % of the labels, scattered
FLOORS = (0, 25, 50, 75)  # % of the error now
EXPONENTS = (FLATTEST, 0.2, STEEPEST, 0.5)
CLASSES = 10  # among which a wrong label is scattered
MOST = 1e6  # times as much data: beyond what anybody gathers
GROWN = compute_optimal.PUBLISHED.power  # of the data, by which the operations grow if the model grows along


def plan() -> Experiment:
    """Return the experiment on the samples that a lower error takes, some of them labelled wrongly at random."""
    def predict(have, wrong, now, wanted, exponent, floor):
        least = now * floor / 100
        if wanted >= now:
            return Unavailable(f"You are there: {quantity(now, '%')} wrong is no more than {quantity(wanted, '%')}.")
        if wanted <= least:
            return Unavailable(f"{quantity(wanted, '%')} is not above {quantity(least, '%')}, where {floor} % of "
                               "today's error stays: no amount of such data does it.")
        clean = more_data(now, wanted, exponent, least)
        more = 1 + (clean - 1) / worth(wrong / 100, CLASSES)
        if more > MOST:
            return Unavailable(f"From {quantity(now, '%')} to {quantity(wanted, '%')} takes more than a million times "
                               f"as much data, at an exponent of {exponent} with {floor} % that stay.")
        note = (f"{short(more)} times the data; {short(more)} times the operations with the same network, "
                f"{short(more**GROWN)} times with one that grows along.")
        samples = float(f"{more * have:.3g}")
        return Outcome(samples, "samples", parts={"that you have": have, "to gather": samples - have}, note=note)

    return Experiment(
        title="What a lower error takes", quantity="Samples in all", unit="samples",
        axes=[Axis("wanted", "Wrong answers wanted", WANTED, start=9, unit="%", log=True),
              Axis("now", "Wrong answers now", NOW, start=10, unit="%", log=True),
              Axis("have", "Samples now", HAVE, start=1_000_000, log=True),
              Axis("wrong", "Wrong labels among new ones, scattered", WRONG, unit="%"),
              Axis("exponent", "Exponent of the task", EXPONENTS, start=0.2, log=True),
              Axis("floor", "Of the error now, data cannot take away", FLOORS, unit="%")],
        predict=predict,
        readout="From {now} wrong to {wanted}, at an exponent of {exponent} with {floor} that stay, from {have} "
                "samples and with {wrong} of the new labels wrong: {value} in all.")


def short(factor: float) -> str:
    """Return a factor with two digits that count."""
    return f"{float(f'{factor:.2g}'):,.10g}"


def published() -> TextTable:
    """Return published learning curves, and what each asks for a tenth less error, now and at a hundred times the data.
    """
    rows = [(f"{task} (Hestness et al. 2017)", f"{exponent:g}", "not fitted", short(0.9 ** (-1 / exponent)), "the same")
            for task, exponent in (("the flattest of four domains", FLATTEST), ("the steepest", STEEPEST))]
    for name, law in (("language (Kaplan et al. 2020)", KAPLAN), ("language (Hoffmann et al. 2022)", HOFFMANN),
                      ("the same, fitted anew (Besiroglu et al. 2024)", REFITTED)):
        first, later = (law.samples(0.9 * law.error(tokens)) / tokens for tokens in (1e9, 1e11))
        rows.append((name, f"{law.exponent:.2g}", f"{law.floor:.3g} nats" if law.floor else "none", short(first),
                     "no amount does" if later == float("inf") else short(later)))
    return TextTable(("curve", "exponent", "floor", "times the data for a tenth less, at 10⁹", "at 10¹¹"), rows)
