"""Lab 2.5: wrong answers by the pictures that a network learned from, and by what was wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.growing_clean_data import dirt, measuring
from labkit.labs.growing_clean_data.measuring import WIDTH, Trainings
from labkit.machine import Machine
from labkit.models.datasets import cats
from labkit.predict import seeds
from labkit.predict.learning_curve import Fitted, fit_with_floor, worth

SIZES = (125, 250, 500, 1000, 2000, 4000, 8000)  # pictures
FITTED, HELD_OUT = SIZES[:5], SIZES[5:]
WIDTHS = (16, 32, WIDTH, 128)
SHARES = (0, 5, 10, 20, 30)  # % of the pictures that are dirty
SOILED = measuring.LEAST  # of so many pictures
FIFTH = 20  # %: one in five

Curves = Mapping[int, Fitted]  # by width


def trainings() -> Trainings:
    """Draw the pictures for the effort that holds now."""
    return measuring.Trainings(measuring.size())


def curves(trained: Trainings, widths: Sequence[int] = WIDTHS) -> Curves:
    """Return the learning curve of each width, fitted to its five smallest sizes."""
    return {width: fit_with_floor(FITTED, [trained.errors(pictures, width) for pictures in FITTED])
            for width in widths}


def growth(trained: Trainings, fitted: Curves) -> Experiment:
    """Return the experiment on wrong answers by the pictures to learn from and the width of the network."""
    def predict(pictures, width):
        value, low, high = fitted[width].error(pictures, trained.size.seeds)
        floor = min(fitted[width].curve.floor, value)
        return Outcome(value, "%", low=low, high=high, parts={"that no data take away": floor,
                                                              "that more data take away": value - floor})

    def measure(pictures, width):
        none = too_many(trained, pictures)
        return over_seeds(trained.errors(pictures, width), "%") if none is None else none

    return Experiment(
        title="Wrong answers, by pictures to learn from", quantity="Wrong answers", unit="%",
        axes=[Axis("pictures", "Pictures", SIZES, start=FITTED[-1], log=True),
              Axis("width", "Width of the network", WIDTHS, start=WIDTH, unit="channels", log=True)],
        predict=predict, measure=measure,
        readout="After {pictures} pictures, a network with {width} is wrong in {value} of its answers.")


def soiled(trained: Trainings, fitted: Curves) -> Experiment:
    """Return the experiment on wrong answers by what is wrong with a share of the pictures.

    Wrong labels are predicted to count for less (`learning_curve.worth`); where they have a cause, the network learns
    them. Pictures that are altered or sent twice are predicted to count for nothing, and those of the test as others.
    """
    clean, explained = fitted[WIDTH], trained.explained(FITTED[-1])

    def predict(kind, share, pictures):
        dirty = share / 100
        scattered = worth(dirty, len(cats.CLASSES), explained)
        good = {dirt.RANDOM: scattered, dirt.CAUSE: 1.0, dirt.LEAK: 1.0}.get(kind, 1 - dirty)
        error = clean.error(good * pictures, trained.size.seeds)
        if kind == dirt.CAUSE:
            error = [one * (1 - dirty) + share for one in error]
        note = f"As much as {good * pictures:,.0f} clean pictures." if kind != dirt.CAUSE else ""
        return Outcome(error[0], "%", low=error[1], high=error[2], note=note)

    def measure(kind, share, pictures):
        if (none := too_many(trained, pictures)) is not None:
            return none
        try:
            return over_seeds(trained.dirty(kind, share / 100, pictures), "%")
        except ValueError as trouble:
            return Unavailable(str(trouble))

    return Experiment(
        title="Wrong answers, by dirt", quantity="Wrong answers", unit="%",
        axes=[Axis("kind", "What is wrong", dirt.KINDS),
              Axis("share", "With a share of", SHARES, start=FIFTH, unit="%"),
              Axis("pictures", "Of", FITTED[2:], start=SOILED, unit="pictures", log=True)],
        predict=predict, measure=measure,
        readout="{kind}, in {share} of {pictures}: {value} of the answers are wrong.")


def too_many(trained: Trainings, pictures: int) -> Unavailable | None:
    """Return why there are not so many pictures for each seed, or None."""
    return Unavailable(f"This run has {trained.largest:,} pictures for each seed; with more effort, or on a faster "
                       "machine, there are more.") if pictures > trained.largest else None


def over_seeds(values: Sequence[float], unit: str) -> Outcome:
    """Return the mean over seeds with its 95 % interval; a share in % is never below 0."""
    value, low, high = seeds.interval(values)
    return Outcome(value, unit, low=min(max(low, 0.0) if unit == "%" else low, value), high=max(high, value))


def cost(trained: Trainings, kind: str, share: float = FIFTH) -> Outcome:
    """Return by how many points a share of dirt raises the wrong answers, seed by seed, with its interval."""
    return _raised(trained.dirty(kind, share / 100, SOILED), trained.errors(SOILED))


def cost_throughout(trained: Trainings, kind: str) -> Outcome:
    """Return the same for one picture in five, of a network in which all layers learn."""
    return _raised(*(trained.throughout(one, FIFTH / 100, SOILED) for one in (kind, None)))


def _raised(dirty: Sequence[float], clean: Sequence[float]) -> Outcome:
    return over_seeds([more - less for more, less in zip(dirty, clean, strict=True)], "points")


def flattered(trained: Trainings) -> Outcome:
    """Return by how many points fewer answers are wrong on pictures of a test once one in five learned ones is such."""
    return over_seeds(trained.flattered(FIFTH / 100, SOILED), "points")


def held_out(trained: Trainings) -> list[Point]:
    """Return sizes that no curve was fitted to, as far as there are pictures, at every width."""
    sizes = [pictures for pictures in HELD_OUT if pictures <= trained.largest] or HELD_OUT[:1]
    return [dict(pictures=pictures, width=width) for pictures in sizes for width in WIDTHS]


def dirty_points() -> list[Point]:
    """Return every kind for one picture in five, and the two kinds of wrong labels at every share."""
    labels = [(kind, share) for kind in (dirt.RANDOM, dirt.CAUSE) for share in SHARES[1:]]
    rest = [(kind, FIFTH) for kind in dirt.KINDS[2:]]
    return [dict(kind=kind, share=share, pictures=SOILED) for kind, share in labels + rest]


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: none of them was fitted."""
    trained = trainings()
    fitted = curves(trained)
    return [(growth(trained, fitted), held_out(trained)), (soiled(trained, fitted), dirty_points())]
