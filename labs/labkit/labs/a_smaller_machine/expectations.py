"""What Lab 4.1 expects of its measurements."""

from __future__ import annotations

from labkit.expectation import Expectation

MEMORY = Expectation(
    "memory",
    "The predicted peak of the large training is off by {error:.0%}.",
    "Another version of the libraries takes memory at other moments, or the system counted what other processes share.",
    lambda error: error < 0.3)

TRAINING_ENDS = Expectation(
    "training-ends",
    "Under the limit, the large training has {finished} of 1 runs finished.",
    "The limit did not hold here, or the libraries need less memory than those that the course was written with.",
    lambda finished: finished == 0)

PATIENT_TRAINING = Expectation(
    "patient-training",
    "With a batch of 128, {finished} of 1 runs finished under the limit.",
    "PyTorch itself takes more memory here than the limit leaves, or one core is so slow that the time was over first.",
    lambda finished: finished == 1)

INFERENCE_FITS = Expectation(
    "inference-fits",
    "Under the same limit, {finished} of 1 runs that infer finished.",
    "ONNX Runtime takes more memory here than the limit leaves, or the core is so slow that the time was over first.",
    lambda finished: finished == 1)

STATIC_AS_RIGHT = Expectation(
    "static-as-right",
    "In static int8, the three networks are off by at most {points:.1f} points of right answers from 32 bits.",
    "Networks that have learned for a short time only lose more by rounding: take more effort. A CPU of the x86 family "
    "without VNNI instructions also adds pairs of products in 16 bits, where large ones are cut off.",
    lambda points: points < 2)

TRAINED_AS_RIGHT = Expectation(
    "trained-as-right",
    "After quantisation-aware training, they are off by at most {points:.1f} points.",
    "The one more epoch changed what the networks had learned in a short time: take more effort. Training does not "
    "feel that a CPU without VNNI instructions cuts off large sums of two products.",
    lambda points: points < 3)

DYNAMIC_SLOWER = Expectation(
    "dynamic-slower",
    "One picture takes dynamic int8 {times:.1f} times as long as static int8, at least.",
    "Your runtime has a fast operator for it, or your CPU none for the static form: what runs is not a question "
    "of the number format alone.",
    lambda times: times > 1)

WIDER_GAINS = Expectation(
    "wider-gains",
    "Static int8 takes {wide:.0%} of the time of 32 bits at width 32, and {narrow:.0%} at width 8.",
    "Without vector instructions for 8 bits the arithmetic is no cheaper, so that a wider network gains nothing more.",
    lambda wide, narrow: wide < 1.1 * narrow)

SLOW_CONVOLUTION = Expectation(
    "slow-convolution",
    "One run takes dynamic int8 {times:.1f} times as long as static int8; {share:.0%} of it is {operator}.",
    "Your runtime has a fast operator for whole sums, or your CPU none for the static form.",
    lambda times, share, operator: times > 1)

TWO_BITS_HURT = Expectation(
    "two-bits-hurt",
    "2 bits lose {lost:.1f} points after training; training with them wins back {mended:.1f}.",
    "Networks that have learned for a short time know too little to lose much: take more effort.",
    lambda lost, mended: lost > 3 and mended > lost / 3)

SAME_ANSWERS = Expectation(
    "same-answers",
    "On the small machine, the networks are off by at most {points:.2f} points from the large one.",
    "The sandbox computed with other instructions than this process.",
    lambda points: points < 0.1)

PREDICTION = Expectation(
    "prediction",
    "The predicted times are off by {error:.0%} in the median.",
    "The machine's speed changed between calibration and measurement, or other programs ran meanwhile.",
    lambda error: error < 0.3)

DYNAMIC_GAINS_LESS = Expectation(
    "dynamic-gains-less",
    "At width 64, static int8 is {static:.1f} times as fast as 32 bits, dynamic int8 {dynamic:.1f} times.",
    "Your runtime has a fast operator for dynamic int8, or your CPU none for static int8.",
    lambda static, dynamic: dynamic < static)
