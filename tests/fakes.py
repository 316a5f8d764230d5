"""A made-up machine for the tests: calibrations that follow a simple rule, so that nothing has to be calibrated."""

from __future__ import annotations

import dataclasses
import itertools

from labkit.distributed.saving import WAYS
from labkit.loading.formats import FORMATS
from labkit.loading.loader import BATCH
from labkit.loading.samples import KINDS
from labkit.machine import Machine
from labkit.measure import noisy_neighbour as noisy
from labkit.measure.instances import BATCHES, OWN, PROCESSES, THREADS
from labkit.measure.probes import data_parallel as probe
from labkit.measure.probes import failures as surviving
from labkit.measure.probes import generation as language_model
from labkit.measure.probes import hearing as hearing_probe
from labkit.measure.probes import instances as counting
from labkit.measure.probes.feeding import FORMS, READERS, STATES
from labkit.specs import language_model as specs
from labkit.specs import network
from labkit.specs.calibration import Calibration, now
from labkit.specs.sharding import KINDS as MESSAGES

START = 5e-5  # seconds to start an operation
RATE = 2e10  # FLOP/s
NEAR, FAR, CACHE = 2e11, 2e10, 2**22  # bytes/s out of the cache and out of memory, bytes of the cache
_LAYERS = {"conv32": (4, 16, 64), "conv16": (4, 16, 64), "conv8": (8, 32, 128), "dense": (256, 1024, 4096)}
_FLOP = {"conv32": lambda c: 54 * c * 16**2, "conv16": lambda c: 36 * c**2 * 8**2,
         "conv8": lambda c: 36 * c**2 * 4**2, "dense": lambda c: 6 * c}
_FASTER = {"fp64": 0.5, "fp32": 1.0, "bf16": 2.0, "fp16": 0.05, "int8": 4.0}
_OFFLOADED = {"conv32": lambda c: 54 * c * 256, "conv16": lambda c: 36 * c**2 * 64, "conv8": lambda c: 36 * c**2 * 16,
              "dense": lambda c: 6 * c}


def calibration(curves: dict, missing: dict | None = None, **changes) -> Calibration:
    """Return a steady calibration of today; a key of one part may be given bare, and `changes` replace fields."""
    fields = {"reference_seconds": 2e-4, "drift": 1.05, "contention": 0.02, "date": now(), **changes}
    return Calibration(curves=_keyed(curves), missing=_keyed(missing or {}), **fields)


def _keyed(values: dict) -> dict:
    return {key if isinstance(key, tuple) else (key,): value for key, value in values.items()}


def operators(passes: float = 3.0, **changes) -> Calibration:
    """Return the calibration as `probes.operators` finds it; training takes `passes` times an inference."""

    def curve(kind, channels, factor):
        return [[b, factor * (START + b * _FLOP[kind](channels) / RATE)] for b in (1, 2, 8, 32, 128, 512)]

    curves = {(mode, kind, c): curve(kind, c, factor)
              for mode, factor in (("infer", 1.0), ("train", passes)) for kind, cs in _LAYERS.items() for c in cs}
    optimiser = [[count, 1e-4 + count * 2e-9] for count in (1_000, 30_000, 1_000_000)]
    return calibration({**curves, "optimiser": optimiser}, **changes)


def layers() -> Calibration:
    """Return the calibration as `probes.layers` finds it: start, arithmetic, and weights from the cache or memory."""

    def seconds(width, batch, weights):
        return START + 2 * batch * width**2 / RATE + 4 * width**2 / (NEAR if weights <= CACHE else FAR)

    def curve(width, weights):
        return [[batch, seconds(width, batch, weights)] for batch in (1, 2, 8, 16, 32, 128, 512)]

    widths = (64, 128, 256, 512, 1024, 2048)
    near = {("near", width): curve(width, 4 * width**2) for width in widths}
    far = {("far", width): curve(width, 2**27) for width in widths[2:]}
    climb = {("climb", width): [[size, seconds(width, 1, size)] for size in (2**k for k in range(18, 28))
                                if size >= 4 * width**2] for width in widths[2:]}
    return calibration({**near, **far, **climb})


def link(latency: float, bandwidth: float, sizes) -> list[list[float]]:
    """Return the curve of a link that follows latency and bandwidth exactly."""
    return [[size, latency + size / bandwidth] for size in sizes]


def tour() -> dict[str, Calibration]:
    """Return what the probes of Lab 1.1 find on a machine with one cache, a disk, and no GPU."""
    sizes = tuple(4**k for k in range(2, 13))
    products = {dtype: [[2 * n**3, 1e-6 + 2 * n**3 / (RATE * factor)] for n in (16, 64, 256, 1024)]
                for dtype, factor in _FASTER.items()}
    read = [[2**k, 2**k / (NEAR if 2**k <= CACHE else FAR)] for k in range(14, 29)]
    none = {"to the GPU": "There is no GPU.", "from the GPU": "There is no GPU."}
    return {
        "products": calibration(products, missing={"tf32": "It has none.", "fp8": "It has none."}),
        "memory": calibration({"read": read, "triad": [[2**28, 2**28 / FAR]]}),
        "storage": calibration({p: link(8e-5, 1e9, sizes[4:]) for p in ("random", "sequential")}),
        "page_cache": calibration({"random": link(2e-6, 2e10, sizes[4:])}),
        "loopback": calibration({"message": link(6e-5, 4e9, sizes)}),
        "all_reduce": calibration({"sum": link(2e-4, 1e9, sizes)}),
        "copies": calibration({}, missing=none),
    }


def exchanges() -> Calibration:
    """Return what `probes.exchanges` finds: a ring's two rounds for what is added up, and one for the rest."""
    return calibration({kind: link(1e-4 * rounds, 2e9 / rounds, [4**k for k in range(6, 13)])
                        for kind, rounds in zip(MESSAGES, (2, 1, 2, 1), strict=True)})


def sessions() -> Calibration:
    """Return the calibration as `probes.sessions` finds it: int8 pays from a width on, its dynamic form never."""
    start = {"fp32": 1e-5, "int8 static": 5e-5, "int8 dynamic": 9e-5}
    rate = {"fp32": RATE, "int8 static": 3 * RATE, "int8 dynamic": RATE / 4}
    flop = {width: 36 * 2**11 * width + 2_300 * width**2 for width in (4, 8, 16, 32, 64)}
    return calibration({(dtype, width): [[b, start[dtype] + b * flop[width] / rate[dtype]] for b in (1, 2, 8, 64)]
                  for dtype in start for width in flop})


def queries() -> Calibration:
    """Return the calibration as `probes.queries` finds it: asking adds 10 µs, or 30 for eight, and a tail."""
    more = {1: 1e-5, 8: 3e-5, 64: 2e-4}
    alone = {samples: 1e-5 + 2e-5 * samples for samples in more}
    usual = [[samples, alone[samples] + more[samples]] for samples in more]

    def longer(factor, curve=usual):
        return [[samples, factor * seconds] for samples, seconds in curve]

    return calibration({"alone": [[samples, seconds] for samples, seconds in alone.items()], "p50": usual,
                  "p90": longer(1.2, usual[:2]), "p99": longer(1.5, usual[:2]), "turn": longer(1.1),
                  "deviation": longer(0.5, usual[:2])})


def latency() -> Calibration:
    """Return the calibration as `probes.latency` finds it: four threads share all but the starting, slow in eager."""
    flop = {width: 36 * 2**11 * width + 2_300 * width**2 for width in (1, 4, 8, 16, 32, 64)}
    found = {"product": [[1e9, 1e9 / (8 * RATE)]], "read": [[2**20, 2**20 / (8 * NEAR)]]}
    for label, threads in (("on one thread", 1), ("on all threads", 4)):
        for kind in _FLOP:
            first = {"conv32": 1, "conv16": 1, "conv8": 2, "dense": 64}[kind]
            for channels in (first, 4 * first, 16 * first, 64 * first):
                found["eager", label, kind, channels] = [
                    [b, START + b * _FLOP[kind](channels) / RATE / threads] for b in (1, 8, 64)]
        for width, work in flop.items():
            found["runtime", label, width] = [[b, START / 4 + b * work / RATE / threads] for b in (1, 8, 64)]
    return calibration(found)


def precision(most: int = 4) -> Calibration:
    """Return the calibration as `probes.precision` finds it: all threads share all but the starting; fp16 is slow."""
    curves, missing, flop = {}, {}, {"conv32": (8, 16, 32), "conv16": (8, 16, 32), "conv8": (16, 32, 64),
                                     "dense": (512, 1024, 2048)}
    whys = {"tf32": "Only NVIDIA's GPUs have it.", "fp16": "It is slow."}
    for place, threads in (("on one thread", 1), ("on all threads", most), ("on the GPU", 0)):
        for dtype in ("fp64", "fp32", "tf32", "bf16", "fp16"):
            keys = {(place, dtype, kind, c): 3 * _FLOP[kind](c) for kind, cs in flop.items() for c in cs}
            if not threads or dtype in whys:
                missing |= dict.fromkeys([*keys, (place, dtype, "optimiser")],
                                         whys.get(dtype, "") if threads else "There is no GPU.")
                continue
            rate = RATE * _FASTER[dtype] * threads
            curves |= {key: [[b, START + b * work / rate] for b in (8, 64, 256)] for key, work in keys.items()}
            curves[place, dtype, "optimiser"] = [[8_000, 1e-4], [200_000, 5e-4]]
        if threads:
            curves[place, "reference"] = [[1, 2e-4]]
        else:
            missing[place, "reference"] = "There is no GPU."
    return calibration(curves, missing=missing)


def serving() -> Calibration:
    """Return the calibration as `probes.serving` finds it: a batch costs little more than a picture."""
    spread = [[5.0 + 10 * step, 6e-3 * (0.95 + 0.01 * step)] for step in range(10)]
    return calibration({"computing": [[b, 6e-3 + 3e-4 * (b - 1)] for b in (1, 2, 3, 4, 6, 8)], "spread": spread,
                  "per request": [[1, 5e-4]], "per batch": [[1, 2e-4]], "rest": [[1, 3e-4]]})


def data_parallel(changes: dict | None = None) -> Calibration:
    """Return the calibration as `probes.data_parallel` finds it; `changes` replace its curves."""

    def curve(name, width, factor):
        flop = network.training_flop(probe.layers(name, width))
        return [[batch, factor * (5e-4 + batch * flop / RATE)] for batch in probe.BATCHES]

    found = {(how, name, width): curve(name, width, factor)
             for how, factor in (("alone", 1.0), ("together", 1.1)) for name, widths in probe.WIDTHS.items()
             for width in widths}
    sums = link(4e-4, 1e9, probe.SIZES)
    found |= {("sum", backend): sums for backend in ("loopback", "namespaces", "hook")}
    found |= {("waiting", backend): [[trip, 4e-4 + 2 * trip] for trip in probe.ROUND_TRIPS]
              for backend in probe.LINKS}
    longer = link(1e-3, 8e8, [what.gradients() for what in probe.EXCHANGED])
    found |= {("exchange", "loopback"): longer} | {("exchange", backend): [
        [size, seconds + 2e-3 + size / 125e6] for size, seconds in longer] for backend in probe.LINKS}
    found |= {("spread",): [[place, 2e-3 * (1 + place / 4000)] for place in range(1, 401)]}
    return calibration(found | (changes or {}))


def offload() -> Calibration:
    """Return what `probes.offload` finds: layers that follow their operations, and a link that costs half a ms."""
    curves = {("layer", kind): [[c, START + flop(c) / RATE] for c in (2, 8, 32, 128, 8192)]
              for kind, flop in _OFFLOADED.items()}
    messages = link(5e-4, 1e9, (16, 4112, 16400, 65552))
    over = {("message", backend): messages for backend in ("relay", "tunnel")}
    return calibration({**curves, **over, "waking": [[1, 2e-4], [2, 2.5e-4], [3, 3e-4]]})


def feeding(missing: dict | None = None) -> Calibration:
    """Return what `probes.feeding` finds: a disk that two readers fill, and decoding that two cores share evenly."""
    mixed = dict(zip(KINDS, (1, 4), strict=True))
    fetched = {("fetch", kind, layout, state): [[1, factor * seconds], [READERS, factor * seconds / 2]]
               for kind, factor in mixed.items() for layout in FORMATS
               for state, seconds in zip(STATES, (1e-4, 2e-5), strict=True)}
    prepared = {("prepare", kind, form): [[1, factor * seconds], [2, factor * seconds / 2]]
                for kind, factor in mixed.items() for form, seconds in zip(FORMS, (3e-4, 3e-5), strict=True)}
    here = {("here", *key[1:]): [[1, 0.9 * curve[0][1]]] for key, curve in prepared.items()}
    handed = {("hand", kind): [[BATCH, factor * 1e-3]] for kind, factor in mixed.items()}
    curves = fetched | prepared | here | handed | {("request",): [[1, 5e-4], [2**16, 7e-4], [2**21, 7e-3]]}
    return calibration({key: curve for key, curve in curves.items() if key not in (missing or {})}, missing)


def instances(missing: dict | None = None) -> Calibration:
    """Return what `probes.instances` finds: a start for each run, weights that no cache holds, and costly switching."""
    work = {width: 7e-6 + 5e-8 * width**2 for width in counting.WIDTHS}
    curves = {}
    for width, seconds in work.items():
        curves[BATCHES, width] = [[batch, 15e-6 + batch * seconds] for batch in counting.PICTURES]
        curves[OWN, width] = [[count, (1 + min(count - 1, 16) / 32) * (15e-6 + seconds)] for count in counting.NETWORKS]
    for way, more in ((THREADS, 2e-5), (PROCESSES, 1e-4)):
        curves[way,] = [[counting.FEW, curves[OWN, counting.WIDTHS[0]][1][1] + more]]
    return calibration({key: curve for key, curve in curves.items() if key not in (missing or {})}, missing)


def hearing() -> Calibration:
    """Return what `probes.hearing` finds: half of a clip's time makes its picture, and caches lose many networks."""
    network = [[clips, 2e-5 + clips * 1e-4] for clips in counting.PICTURES]
    return calibration({(hearing_probe.NETWORK,): network,
                        (BATCHES,): [[clips, seconds + clips * 1.2e-4] for clips, seconds in network],
                        (OWN,): [[count, 2.4e-4 * (1 + min(count - 1, 16) / 32)] for count in counting.NETWORKS]})


def weights(missing: dict | None = None) -> Calibration:
    """Return what `probes.weights` finds: memory that gives 10 GB/s, reading at 4 GB/s warm and 1 GB/s cold."""
    rates = {("fetch", "mapped, warm"): 2e10, ("fetch", "mapped, cold"): 8e8, ("fetch", "read, warm"): 4e9,
             ("fetch", "read, cold"): 1e9, ("answer", 1): 1e10, ("answer", 64): 2e9, ("again", 1): 3e10,
             ("again", 64): 2e9}
    curves = {key: [[layers * 2**20, 1e-4 + layers * 2**20 / rate] for layers in (1, 4, 16, 32)]
              for key, rate in rates.items() if key not in (missing or {})}
    return calibration(curves, missing)


def neighbours(missing: dict | None = None) -> Calibration:
    """Return what `probes.neighbours` finds: two streams share memory's bandwidth, two readers the disk, turns cost."""
    seconds = dict(zip(noisy.RESOURCES + noisy.TRAININGS, (3e-4, 1e-4, 1.25e-3, 4e-4, 5e-3, 1e-2, 1e-2), strict=True))
    cores = {noisy.DISK: 0.1, noisy.NETWORK: 1.25, noisy.READING: 0.5}
    curves = {("alone", work): [[1, one]] for work, one in seconds.items()}
    curves |= {("busy", work): [[1, cores.get(work, 1.0) * one]] for work, one in seconds.items()}
    times = {pair: 1.0 for pair in itertools.product((noisy.PROCESSOR, noisy.MEMORY), repeat=2)}
    times |= {(noisy.MEMORY, noisy.MEMORY): 1.5, (noisy.DISK, noisy.DISK): 2.0}
    curves |= {("beside", *pair): [[1, longer * seconds[pair[0]]]] for pair, longer in times.items()}
    curves |= {("turns", job): [[1, longer * seconds[job]]] for job, longer in ((noisy.SMALL, 1.1), (noisy.LARGE, 1.2),
                                                                                        (noisy.READING, 0.8))}
    return calibration({key: curve for key, curve in curves.items() if key not in (missing or {})}, missing)


def generation(slower: float = 1.0) -> Calibration:
    """Return what `probes.generation` finds: weights that come from memory, and attention that reads the cache."""
    curves = {}
    for width in language_model.WIDTHS:
        weights = 4 * specs.own(width).parameters
        curves["products", width] = [[count, START + max(weights / FAR, count * weights / 2 / RATE)]
                                     for count in language_model.TOKENS]
        curves["reading", width] = [[count, START + width * count**2 * 16 / RATE]
                                    for count in language_model.PROMPTS]
        apart = curves["products", width][0][1] + START + specs.own_cache(width, 16) / FAR
        curves["step", width] = [[16, apart + 1e-5]]
        for places in language_model.PLACES:
            curves["looking back", width, places] = [[length, START + places * specs.own_cache(width, length) / FAR]
                                                     for length in language_model.LENGTHS]
    return calibration({key: [[work, slower * seconds] for work, seconds in curve] for key, curve in curves.items()})


def failures() -> Calibration:
    """Return the calibration as `probes.failures` finds it where a start takes seconds, and disks write 500 MB/s."""
    once = {("starting", surviving.FIRST): 4.0, ("starting", surviving.AGAIN): 3.0, ("step",): 0.01}
    slower = dict(zip(WAYS, (2.0, 1.0, 0.3), strict=True))
    saving = {("saving", way): [[size, factor * (0.005 + size / 5e8)] for size in map(surviving.size, surviving.WIDTHS)]
              for way, factor in slower.items()}
    return calibration({**{key: [[1, seconds]] for key, seconds in once.items()}, **saving})


def machine(**changes) -> Machine:
    """Return a calibrated machine with 8 GiB; `changes` replace its fields."""
    kept = {"operators": operators(), "layers": layers(), "latency": latency(), "sessions": sessions(),
            "queries": queries(), "precision": precision(), "data_parallel": data_parallel(),
            "serving": serving(), "feeding": feeding(), "weights": weights(), "generation": generation(),
            "instances": instances(), "neighbours": neighbours(), "hearing": hearing(), "exchanges": exchanges(),
            "failures": failures(), **tour()}
    return Machine(**{"name": "A machine", "device": "cpu", "memory": 8 * 2**30, "calibrations": kept, **changes})


def with_offload() -> Machine:
    """Return the machine with what the probe `offload` finds, too."""
    return machine(calibrations={**machine().calibrations, "offload": offload()})


def slower(times: float):
    """Return a machine on which all takes some times as long."""
    here = machine(identity={"cores": 4})
    return dataclasses.replace(here, calibrations={
        probe: dataclasses.replace(found, curves={key: [[work, times * seconds] for work, seconds in curve]
                                                  for key, curve in found.curves.items()})
        for probe, found in here.calibrations.items()})
