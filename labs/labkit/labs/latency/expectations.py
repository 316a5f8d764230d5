"""What Lab 3.1, *Latency*, expects of its measurements."""

from __future__ import annotations

from labkit.expectation import Expectation

PREDICTION = Expectation(
    "prediction", "The prediction of an answer's time is off by less than a half in the median: by {error:.0%}.",
    "Other programs, or a CPU whose clock changes, made layers and networks run at different speeds. Close them "
    "and calibrate again, or read the times below with care.",
    lambda error: error < 0.5)

RUNTIME = Expectation(
    "runtime", "The runtime answers sooner than eager PyTorch on the same thread: {factor:.1f} times as fast.",
    "Where arithmetic itself is slow, without vector instructions for one, starting operators hardly counts, and the "
    "runtime's own convolutions may be the slower ones.",
    lambda factor: factor > 1)

FLOOR = Expectation(
    "floor", "No answer is faster than its floor: the fastest takes {times:.1f} times as long.",
    "The floor comes from the best rates that were calibrated. They were taken while the machine was slower than now.",
    lambda times: times > 1)

THREADS = Expectation(
    "threads", "All threads gain no more than their number: {gain:.2f} times as fast with {threads} of them.",
    "One thread was disturbed while it was timed, or all had more of the machine than it had.",
    lambda gain, threads: gain < 1.3 * threads)

NEIGHBOURS = Expectation(
    "neighbours", "Busy neighbours slow the slowest answer in a thousand more than the median: {slow:.1f} times "
    "against {median:.1f}.",
    "Other programs disturbed the quiet run as well, there were cores left, or the scheduler changes between "
    "programs so often here that every answer waits.",
    lambda slow, median: slow > median)

COLD = Expectation(
    "cold", "A first answer takes more than a hundred times as long as a later one, in either way: at least "
    "{factor:,.0f} times.",
    "Here a steady answer takes so long that starting a process weighs less.",
    lambda factor: factor > 100)

IMPORTING = Expectation(
    "importing", "Importing takes longer than the first answer itself, in either way: at least {factor:,.0f} times as "
    "long.",
    "The libraries' files lay in memory and load quickly here, or one answer takes very long.",
    lambda factor: factor > 1)
