"""What a program can say of an instalment before anybody learns from it: its structure, and labels that it doubts.

Structure is a schema of pandera, a library that validates tables: a rule a column, all failures at once. Labels are
doubted by cleanlab (confident learning, Northcutt et al. 2021, doi:10.1613/jair.1.12125). Both are an extra of this
package, `pip install "cluster-to-edge[clean]"`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from labkit.loading.instalments import Instalment

if TYPE_CHECKING:
    import pandas
    import pandera.pandas

NEEDS = ("pandera", "cleanlab")
_ERRORS = 5  # standard errors that a mean may lie off: by chance, once in two million


@cache
def missing() -> str:
    """Return what is not installed, in a sentence, or nothing."""
    lacks = [package for package in NEEDS if not find_spec(package)]
    return f"{' and '.join(lacks)} not installed here: pip install {' '.join(lacks)}." if lacks else ""


def facts(instalment: Instalment) -> pandas.DataFrame:
    """Return what is checked of each picture: size, fingerprint, how much more red than blue it is, and its label."""
    import pandas

    return pandas.DataFrame({
        "height": [picture.shape[0] for picture in instalment.pictures],
        "width": [picture.shape[1] for picture in instalment.pictures],
        "fingerprint": [hashlib.sha256(picture.tobytes()).hexdigest() for picture in instalment.pictures],
        "warmth": [float(picture[..., 0].mean() - picture[..., 2].mean()) for picture in instalment.pictures],
        "label": instalment.labels})


def schema(known: pandas.DataFrame, tested: Sequence[str], side: int, classes: int) -> pandera.pandas.DataFrameSchema:
    """Return the rules for an instalment.

    Args:
        known: facts of pictures that are known to be in order.
        tested: fingerprints of the pictures of the test.
        side: of the pictures in pixels.
        classes: how many there are.
    """
    import pandera.pandas as pa

    shares = known["label"].value_counts(normalize=True)
    size, label = pa.Check.eq(side, error="another size"), pa.Check.isin(range(classes), error="no class")
    of_test, seen = (pa.Check.notin([*prints], error=error) for prints, error in (
        (tested, "a picture of the test"), (known["fingerprint"], "a picture that is known")))
    return pa.DataFrameSchema({
        "height": pa.Column(int, size), "width": pa.Column(int, size), "label": pa.Column(int, label),
        "fingerprint": pa.Column(str, [of_test, seen, pa.Check(
            lambda prints: ~prints.duplicated(), error="a picture twice")]),
        "warmth": pa.Column(float, pa.Check(lambda warmth: near(warmth, known["warmth"]), error="other colours")),
    }, checks=[pa.Check(lambda table: all(near(table["label"] == one, known["label"] == one) for one in shares.index),
                        error="another mixture of classes")])


def near(new: pandas.Series, known: pandas.Series) -> bool:
    """Return whether the means of two columns differ by no more than chance lets them."""
    return abs(new.mean() - known.mean()) <= _ERRORS * known.std() * (1 / len(new) + 1 / len(known)) ** 0.5


def problems(table: pandas.DataFrame, rules: pandera.pandas.DataFrameSchema) -> list[str]:
    """Return what rules find wrong with the facts of an instalment, each problem once."""
    from pandera.errors import SchemaErrors

    try:
        rules.validate(table, lazy=True)
    except SchemaErrors as failed:
        return list(dict.fromkeys(map(str, failed.failure_cases["check"])))
    return []


def doubted(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return which labels a network doubts, bool (n,).

    Args:
        labels: int (n,).
        probabilities: float (n, classes), by a network that has not learned from these labels.
    """
    from cleanlab.filter import find_label_issues

    return find_label_issues(labels, probabilities, n_jobs=1)
