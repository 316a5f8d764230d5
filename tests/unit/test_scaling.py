"""Published scaling: samples to converge, the model of scaling, and the page's numbers."""

from __future__ import annotations

import math
import random

import pytest

from labkit import published as reading
from labkit.pages import baselines, published_scaling, scaling_laws
from labkit.predict import compute_optimal, convergence, scaling

NO_NUMBER = [0, -1, math.nan, math.inf]
BATCHES = (16, 64, 256, 1024, 4096)


# Samples to converge


def test_a_critical_batch_needs_twice_the_samples_of_the_least_and_twice_the_steps_of_the_fewest():
    assert convergence.samples(3000, 1e6, 3000) == pytest.approx(2e6)
    fewest = convergence.steps(3000 * 1e9, 1e6, 3000)
    assert convergence.steps(3000, 1e6, 3000) == pytest.approx(2 * fewest)
    assert convergence.samples(4096, 7, math.inf) == 7


@pytest.mark.parametrize("critical", [5, 300, 20_000, math.inf])
def test_a_fit_recovers_what_made_the_points_though_one_of_them_is_odd(critical):
    points = [(batch, convergence.samples(batch, 1e6, critical)) for batch in BATCHES]
    assert convergence.fit(points) == (pytest.approx(1e6, rel=1e-3), pytest.approx(critical, rel=1e-3))
    points[2] = (points[2][0], 1.4 * points[2][1])
    assert convergence.fit(points) == (pytest.approx(1e6, rel=1e-3), pytest.approx(critical, rel=1e-3))


def test_noise_moves_a_fit_a_little():
    rng = random.Random(7)
    points = [(batch, convergence.samples(batch, 1e6, 500) * rng.gauss(1, 0.02)) for batch in BATCHES for _ in range(5)]
    least, critical = convergence.fit(points)
    assert least == pytest.approx(1e6, rel=0.1) and critical == pytest.approx(500, rel=0.2)


def test_samples_that_fall_with_the_batch_show_no_critical_batch():
    assert convergence.fit([(16, 100), (64, 90), (256, 80)])[1] == math.inf


@pytest.mark.parametrize("number", NO_NUMBER)
def test_what_is_no_batch_and_no_count_is_refused(number):
    with pytest.raises(ValueError, match="batch must be"):
        convergence.samples(number, 1, 1)
    with pytest.raises(ValueError, match="least must be"):
        convergence.steps(1, number, 1)
    with pytest.raises(ValueError, match="samples must be"):
        convergence.fit([(1, 2), (2, number)])
    if number != math.inf:
        with pytest.raises(ValueError, match="critical must be"):
            convergence.samples(1, 1, number)


def test_one_batch_tells_nothing_of_the_next():
    with pytest.raises(ValueError, match=r"two batches or more"):
        convergence.fit([(16, 100), (16, 110)])


# The model of scaling

TYPICAL = scaling.Constants(fixed=-3.4, between=-4.8, stragglers=-4.5, seconds=0.6, parameters=0.16, typical=1.7,
                            spread=-0.9, rest=-4.0, rest_spread=0.0, critical=1.5, noise=-2.8, time_noise=-1.5)
SCALES = (8, 16, 64, 512)


def grown(times, batch=(512, 1024, 4096, 32_768), known=2, **more):
    """A series on nodes of eight whose first scales are known."""
    return scaling.Series(accelerators=SCALES, nodes=tuple(n / 8 for n in SCALES), batch=batch, times=times,
                          known=tuple(place < known for place in range(len(SCALES))), **more)


def test_a_prediction_passes_through_the_largest_calibration_scale_and_never_reads_what_is_beyond():
    rng = random.Random(1)
    for whole in (False, True):
        times = [1.0, 0.55, 0.15, 0.02]
        before, = scaling.predict([grown(tuple(times), whole=whole)], TYPICAL)
        assert before[1] == pytest.approx(times[1])
        beyond = (*times[:2], rng.random(), rng.random())
        assert list(scaling.predict([grown(beyond, whole=whole)], TYPICAL)[0]) == pytest.approx(list(before))


def test_a_series_that_scales_perfectly_is_predicted_to_go_on_nearly_so_and_a_bad_one_worse():
    good, bad = (scaling.predict([grown((1, each, 1, 1), step=1.0)], TYPICAL)[0] for each in (0.5, 0.7))
    assert good[1] / good[3] > 25 > bad[1] / bad[3]
    assert all(1 <= a / b <= n / m for found in (good, bad)
               for a, b, m, n in zip(found, found[1:], SCALES, SCALES[1:], strict=False))


def test_short_steps_and_strong_scaling_suffer_more():
    def last(**more):
        return scaling.predict([grown((1, 1, 1, 1), known=1, **more)], TYPICAL)[0][-1]

    assert last(step=0.1) > last(step=1.0) > last(step=20.0)
    assert last(step=1.0, batch=(512,) * 4) > last(step=1.0)
    assert last(step=1.0, parameters=100e9) > last(step=1.0, parameters=25e6)


def test_time_to_train_pays_for_the_batch_and_for_the_rest_that_does_not_shrink():
    def last(constants=TYPICAL, critical=None):
        return scaling.predict([grown((100, 100, 1, 1), known=1, whole=True, critical=critical)], constants)[0][-1]

    assert last(critical=1000) > 5 * last(critical=1e9)
    more_rest = scaling.Constants(**{name: getattr(TYPICAL, name) for name in scaling.NAMES} | {"rest": 1.0})
    assert last(more_rest, critical=1e9) > 1.1 * last(critical=1e9)


def test_one_series_is_predicted_alike_alone_and_among_others():
    alone = grown((1, 0.6, 1, 1), step=1.0)
    short = scaling.Series((1, 2, 4), (1, 1, 1), None, (1, 0.6, 1), (True, True, False))
    whole = grown((1, 0.6, 1, 1), whole=True)
    together = scaling.predict([short, whole, alone], TYPICAL)
    for one, found in zip((short, whole, alone), together, strict=True):
        assert list(scaling.predict([one], TYPICAL)[0]) == pytest.approx(list(found))


@pytest.mark.parametrize("number", NO_NUMBER)
def test_runs_that_nobody_can_have_made_are_refused(number):
    with pytest.raises(ValueError, match="finite numbers above 0"):
        grown((1, number, 1, 1))
    with pytest.raises(ValueError, match="one run that is known"):
        grown((1, 1, 1, 1), known=0)


# How well published scaling is predicted


@pytest.fixture(scope="module")
def found():
    return published_scaling.points(published_scaling.course())


def test_the_goals_are_nearly_reached_held_out_and_every_rival_is_beaten(found):
    for score in published_scaling.scores(found):
        if score.goal:
            half, most, _ = score.errors[published_scaling.HELD_OUT]
            assert half <= score.goal[0] and most <= score.goal[1] + 0.02
            for rival in (published_scaling.LINEAR, published_scaling.AMDAHL):
                assert half < 0.75 * score.errors[rival][0] and most < 0.75 * score.errors[rival][1]
    shared = [point for point in found if point.said[published_scaling.MLSYSIM] is not None]
    for score in published_scaling.scores(shared):
        if score.goal:
            assert score.errors[published_scaling.HELD_OUT][0] < score.errors[published_scaling.MLSYSIM][0]
            assert score.errors[published_scaling.HELD_OUT][1] < score.errors[published_scaling.MLSYSIM][1]


def test_every_series_has_constants_that_were_fitted_without_it():
    for training in published_scaling.course():
        assert {training.origin, training.submitter} <= published_scaling.fitted().keys()


def test_what_mlsysim_says_is_what_is_on_record():
    pytest.importorskip("mlsysim")
    name = "mlperf_v2.0|resnet|NVIDIA|NVIDIA A100-SXM4-80GB"
    training = next(one for one in published_scaling.course() if one.name == name)
    said = baselines.predict(training, 2)
    assert said == {scale: pytest.approx(published_scaling.recorded()[training.name, training.metric, scale], rel=1e-3)
                    for scale in training.scales[2:]}


def test_linear_and_amdahl_are_what_their_names_say():
    training = next(one for one in published_scaling.course() if one.whole)
    last, after = training.scales[1:3]
    assert published_scaling.linear(training, 2)[after] == pytest.approx(training.value(last) * last / after)
    serial = [training.value(n) - published_scaling.amdahl(training, 2)[after] for n in training.scales[:2]]
    ratio = (1 / training.scales[0] - 1 / after) / (1 / last - 1 / after)
    assert serial[0] / serial[1] == pytest.approx(ratio) and published_scaling.amdahl(training, 1) is None


def test_published_convergence_lies_near_the_curve_of_the_critical_batch():
    misses = []
    for name in reading.critical_batches():
        points = reading.convergence_points()[name]
        least, critical = convergence.fit(points)
        misses += [abs(convergence.samples(batch, least, critical) / count - 1) for batch, count in points]
    assert sorted(misses)[len(misses) // 2] < 0.05 and sorted(misses)[int(0.9 * len(misses))] < 0.25


# What grows


def test_the_best_model_for_the_data_is_the_least_of_its_operations():
    for tokens in (1e9, 1e12):
        size = compute_optimal.best_parameters(tokens)
        spent, best = compute_optimal.flop(size, tokens), compute_optimal.loss(size, tokens)
        for other in (0.5, 0.9, 1.1, 2):
            assert compute_optimal.loss(size * other, spent / 6 / size / other) > best
        assert compute_optimal.operations(best) == pytest.approx(spent)
    with pytest.raises(ValueError, match=r"stays above 1\.69"):
        compute_optimal.operations(1.69)


def test_the_refitted_law_agrees_with_the_authors_other_approaches_and_the_published_one_does_not():
    assert 15 < compute_optimal.REFITTED.tokens_for(70e9) / 70e9 < 25  # about 20 tokens for a parameter
    assert compute_optimal.PUBLISHED.tokens_for(70e9) / 70e9 > 60
    for law in (compute_optimal.PUBLISHED, compute_optimal.REFITTED):
        assert math.log2(law.halving) == pytest.approx(1 / law.a + 1 / law.b)
        assert law.power == pytest.approx(2, abs=0.2)


def test_the_time_to_accuracy_has_a_best_batch_and_lies_near_what_was_published():
    experiment = scaling_laws.accuracy()
    for n in (8, 64, 1024):
        times = [outcome.value for batch in scaling_laws.BATCHES
                 if (outcome := experiment.predict(accelerators=n, batch=batch, card="A100"))]
        assert times[0] > min(times) < times[-1]
    assert len(experiment.published) == 4
    for figure in experiment.published:
        assert experiment.predict(**figure.point).value == pytest.approx(figure.value, rel=scaling_laws.BAND)
    assert "leaves some" in experiment.predict(accelerators=4216, batch=1024, card="A100").reason


def test_nine_in_ten_throughputs_lie_within_the_band_that_is_shown(found):
    errors = sorted(point.error(published_scaling.HELD_OUT) for point in found
                    if point.training.family == reading.MLPERF)
    assert errors[int(0.9 * len(errors))] <= scaling_laws.BAND


def test_a_series_is_drawn_through_its_published_scales():
    chosen = [one for one in published_scaling.course() if one.whole and "v2.0|resnet" in one.name]
    experiment = published_scaling.explorer(chosen)
    training = chosen[0]
    for by in (published_scaling.MODEL, published_scaling.LINEAR, published_scaling.AMDAHL):
        outcome = experiment.predict(accelerators=training.scales[1], series=published_scaling.label(training), by=by)
        assert outcome.value == pytest.approx(training.value(training.scales[1])) and "calibration" in outcome.note
    most = max(experiment.axis("accelerators").values)
    assert "Nothing is said of" in experiment.predict(
        accelerators=most, series=published_scaling.label(chosen[1]), by="linear").reason
