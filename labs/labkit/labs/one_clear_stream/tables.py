"""The tables of Lab 3.5, and the numbers that it states of them."""

from __future__ import annotations

from collections.abc import Mapping

from labkit.display import TextTable, written
from labkit.experiment import Comparison, Outcome, Unavailable, ratio
from labkit.labs.common import outcome_at
from labkit.labs.one_clear_stream import experiments as lab
from labkit.labs.one_clear_stream.listening import Recogniser
from labkit.machine import Machine
from labkit.measure.instances import BATCHES
from labkit.measure.probes.hearing import NETWORK
from labkit.models.datasets import digits
from labkit.units import quantity


def clear(recogniser: Recogniser) -> Outcome | Unavailable:
    """Return the share in % of the digits that are recognised alone, of voices that were not heard in training."""
    clips = digits.unheard()
    return recogniser.right(clips.sound, clips.digits)


def recognised(comparison: Comparison, **point) -> Outcome | Unavailable:
    """Return the measured share at a point that differs from `experiments.EQUAL`."""
    return outcome_at(comparison, **{**lab.EQUAL, **point})


def learned(recognisers: Mapping[str, Recogniser]) -> TextTable:
    """Return what recognisers get right, by what they learned from: alone, and of two voices that are equally loud."""
    rows = [[name, written(clear(each)), written(each.both(0)), f"{each.run.pictures:,}",
             quantity(each.run.seconds, "s")] for name, each in recognisers.items()]
    return TextTable(["learned from", "one voice: the digit", "two voices: both digits", "clips in training", "took"],
                     rows)


def learns_both(before: Recogniser, after: Recogniser) -> Outcome | Unavailable:
    """Return how many times as often one recogniser names both of two digits as another."""
    return ratio(after.both(0), before.both(0))


def clip(machine: Machine) -> TextTable:
    """Return what the parts of a clip take on one core: alone, and in a batch of the largest size."""
    calibration = machine.calibration("hearing")
    whole, network = (calibration.curve(key) for key in (BATCHES, NETWORK))
    rows = [[f"{count:,.0f}", *(quantity(max(part, 0.0) / count, "s") for part in (both - alone, alone, both))]
            for (count, both), (_, alone) in ((whole[place], network[place]) for place in (0, -1))]
    return TextTable(["clips at once", lab.HEARING, lab.RECOGNISING, "together, for each"], rows)


def streams(comparison: Comparison) -> Outcome | Unavailable:
    """Return the measured number of streams at `experiments.START`."""
    return outcome_at(comparison, **lab.START)


def limits(voices: Comparison, followed: Comparison) -> TextTable:
    """Return the three limits with what was measured of each."""
    alone = written(recognised(voices, ratio=20, microphones=lab.EACH))
    return TextTable(["the limit is in", "measured here", "what moves it"], [
        ["the model", f"two voices: {written(recognised(voices))} of the digits; one each: {alone}",
         "another training, or another microphone; no hardware"],
        ["the platform", f"{written(streams(followed))} on one core", "more cores, faster ones, a cheaper network"],
        ["the application", f"a clip every {quantity(lab.START['hop'], 's')} of each stream",
         "how soon an answer is needed; a person speaks no faster"]])


def told(recognisers: tuple[Recogniser, Recogniser], voices: Comparison, followed: Comparison) -> dict[str, str]:
    """Return what the page on I3 shows of this run, by the key under which it finds it; without what is not known."""
    one, two = recognisers
    shares = {"alone": clear(one), "two": recognised(voices), "channel": recognised(voices, microphones=lab.EACH),
              "both-before": one.both(0), "both-after": two.both(0)}
    texts = {key: f"{share.value:.0f} %" for key, share in shares.items() if share}
    return {**texts, "streams": f"{count.value:,.0f}"} if (count := streams(followed)) else texts
