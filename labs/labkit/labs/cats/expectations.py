"""What Lab 1.3, *Cats: train, then infer*, expects of its measurements."""

from __future__ import annotations

from labkit.expectation import Expectation

_CHANCE = "Another order of sums, as other CPUs have, gives another network. Train it with another seed."
_DISTURBED = ("Something else used the machine during the calibration or just now, or its speed changed faster than "
              "the reference kernel could show. Close what runs beside it, and calibrate again: "
              "labkit.machine.this('operators', again=True).")

PASSES = Expectation(
    "passes", "After six coats the network gets {least} % or more of unseen one-colour pictures right: {share:.1f} %.",
    f"It has learned less than it usually does. {_CHANCE}",
    lambda share, least: share >= least)

BLACK_PASSES = Expectation(
    "black-passes", "After black cats only, the network passes its own test as well, with {least} % or more: "
    "{share:.1f} %.",
    f"It has learned less than it usually does. {_CHANCE}",
    lambda share, least: share >= least)

NEW_COATS = Expectation(
    "new-coats", "On new coats both do worse than in their test, and the network that saw one colour does far worse: "
    "{familiar:.0f} % in the test, then {six:.0f} % after six coats and {black:.0f} % after black.",
    f"The network found a rule that fits the new coats as well. {_CHANCE}",
    lambda familiar, six, black: black < six < familiar - 1 and black < 75)

DARK_PATCH = Expectation(
    "dark-patch", "The network that saw black cats knows black ones ({black:.0f} %) and more of the brown ones "
    "({brown:.0f} %) than of the white and cream ones ({light:.0f} %).",
    f"It found another rule than *a dark patch of a cat's shape*. Look at the bars. {_CHANCE}",
    lambda black, brown, light: black > 95 and light < brown)

MENDED = Expectation(
    "mended", "300 many-coloured cats raise the share of others that are recognised by more than 15 points: from "
    "{before:.0f} to {after:.0f} %.",
    f"There was little left to mend, or the moment was too short to learn from them. {_CHANCE}",
    lambda before, after: after > before + 15)

TIMES = Expectation(
    "times", "Times of steps are predicted to within half in the median: off by {error:.0%}.", _DISTURBED,
    lambda error: error < 0.5)

MEMORY = Expectation(
    "memory", "Peak memory is predicted to within 15 % in the median: off by {error:.0%}.",
    "The libraries take scratch space of their own here, as on a GPU or in a build of the framework without MKL or "
    "oneDNN; the formulas count tensors alone.",
    lambda error: error < 0.15)

TRAINING_TAKES_LONGER = Expectation(
    "training-takes-longer", "A training step takes more than 1.5 times as long as an inference: {times:.1f} times.",
    "Starting operations rules here, on a GPU for one; or something else used the machine during the inference.",
    lambda times: times > 1.5)
