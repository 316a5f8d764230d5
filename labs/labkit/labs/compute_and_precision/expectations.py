"""What Lab 2.1, *Compute and precision*, expects of its measurements."""

from __future__ import annotations

from labkit.expectation import Expectation

PREDICTION = Expectation(
    "prediction", "The prediction of a step's time is off by less than a half in the median: by {error:.0%}.",
    "Other programs, or a CPU whose clock changes, made single layers and whole steps run at different speeds. "
    "Close them and calibrate again, or read the times below with care.",
    lambda error: error < 0.5)

NO_MORE_THREADS = Expectation(
    "no-more-threads", "Twice as many threads as cores gain next to nothing: {gain:.2f} times as fast in the "
    "case in which they gain least.",
    "Then the cores were not this program's own while all of them were timed: beside a busy neighbour, or with a "
    "quota, more threads get a larger share of the time.",
    lambda gain: gain < 1.2)

SAME_ACCURACY = Expectation(
    "same-accuracy", "The largest difference of a format to fp32, {points:+.2f} points ({low:+.2f} to {high:+.2f}), is "
    "below 3 points, or no more than the seeds explain.",
    "With several comparisons, chance alone leaves out 0 now and then: train with more effort. If it stays, one of the "
    "formats loses something in this training.",
    lambda points, low, high: abs(points) < 3 or low <= 0 <= high)

SEEDS = Expectation(
    "seeds", "To tell one point apart takes more trainings than were run here: {needed} in each format, with seeds of "
    "their own.",
    "The seeds happened to agree in this run more than they usually do; a few of them say little about that.",
    lambda needed, run: needed > run)

FEW_EXPONENTS = Expectation(
    "few-exponents", "With 2 bits of exponent the network hardly learns: {plain:.0f} % are right.",
    "Fewer of this run's gradients vanished than usual, or chance was kind to one training.",
    lambda plain: plain < 50)

SCALING = Expectation(
    "scaling", "Scaling the loss mends it: {scaled:.0f} % instead of {plain:.0f} %.",
    "The scale saves small gradients and lets large ones overflow. In this training the second weighed more, or it was "
    "too short to learn anything.",
    lambda scaled, plain: scaled > plain + 3)

FEW_FRACTIONS = Expectation(
    "few-fractions", "Weights kept with 1 bit of fraction hardly learn: {own:.0f} % are right.",
    "Fewer of this run's updates vanished than usual, or chance was kind to one training.",
    lambda own: own < 50)

MASTER_WEIGHTS = Expectation(
    "master-weights", "Master weights in fp32 mend it: with 3 bits of fraction {master:.0f} % instead of {own:.0f} %.",
    "Both learned little in the time that this machine had for it, or the weights' own format was enough for so short "
    "a training.",
    lambda master, own: master > own + 5)

ENOUGH_BITS = Expectation(
    "enough-bits", "With enough bits nothing is lost: 5 bits of exponent and 7 of fraction with master weights are "
    "within 5 points of fp32 ({exponent:+.1f} and {fraction:+.1f}).",
    "One or two seeds for each point: chance alone moves a training by some points. More effort trains more.",
    lambda exponent, fraction: abs(exponent) < 5 and abs(fraction) < 5)

FP64_TIME = Expectation(
    "fp64-time", "A step in fp64 takes longer than in fp32: {factor:.1f} times as long.",
    "Without vector instructions a number of 64 bits costs as much as one of 32: what makes fp32 faster is that twice "
    "as many fit into a vector, and that fewer bytes are moved.",
    lambda factor: factor > 1.1)

FP64_GAIN = Expectation(
    "fp64-gain", "Fp64 gains nothing that counts over fp32: {points:+.2f} points (from {low:+.2f} up).",
    "The interval lies above one point, or the mean at two: with so few seeds chance does that now and then.",
    lambda points, low: low < 1 and abs(points) < 2)
