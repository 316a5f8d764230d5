"""`labkit doctor`: what this computer is, what limits it, and what each lab can and cannot do here.

It calibrates nothing. `--json` prints the same for a program: an issue form, or an instructor's list.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

from labkit import cache, device, host, needs
from labkit.labs.lab import labs
from labkit.machine import this
from labkit.units import quantity

PACKAGES = ("cluster-to-edge", "numpy", "onnxruntime", "ipywidgets", "anywidget", "mlcommons-loadgen", "executorch")
SPARE = 2**30  # bytes of disk: below it, what labs keep and write for a while may not fit


def examine() -> dict:
    """Return what was found, ready for JSON: the computer, its limits and folders, and what each lab goes without."""
    machine = this()
    absent = needs.missing(need for lab in labs() for need in lab.uses)
    return {
        "computer": {
            "name": machine.name,
            "processors": host.processors(),
            "cores": host.cores(),
            "threads": torch.get_num_threads(),
            "memory_bytes": psutil.virtual_memory().total,
            "memory_allowed_bytes": host.container_memory(),
            "on_battery": host.on_battery(),
            "device": device.best().type,
            "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
            "system": platform.platform(terse=True),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "packages": {name: _version(name) for name in PACKAGES},
        },
        "limits": [asdict(limit) for limit in host.limits()],
        "folders": [_folder("cache", cache.folder("")), _folder("temporary", _temporary())],
        "disturbed": machine.note,
        "missing": absent,
        "labs": [{
            "number": lab.number,
            "title": lab.title,
            "calibrated": all(probe in machine.calibrations for probe in lab.probes),
            "without": [need for need in lab.uses if need in absent],
            "left_out": list(dict.fromkeys(reason for probe in lab.probes if probe in machine.calibrations
                                           for reason in machine.calibrations[probe].missing.values())),
        } for lab in labs()],
    }


def lines(found: dict) -> Iterator[str]:
    """Yield what `examine` found as lines for a reader."""
    yield from _computer(found["computer"])
    yield from (f"{limit['words']} {limit['mend']}" for limit in found["limits"])
    if not found["limits"]:
        yield "Nothing keeps this process from using all of it."
    yield from filter(None, (*(folder["trouble"] for folder in found["folders"]), found["disturbed"]))
    all_labs = found["labs"]
    whole = [lab["number"] for lab in all_labs if not lab["without"] and not lab["left_out"]]
    yield "Every lab is whole here." if len(whole) == len(all_labs) else (
        f"Labs that are whole here: {', '.join(whole) or 'none'}. The others say what they leave out, and go on:")
    for need, reason in found["missing"].items():
        yield f"{_numbers(lab for lab in all_labs if need in lab['without'])} without {need}: {reason}"
    for reason in dict.fromkeys(reason for lab in all_labs for reason in lab["left_out"]):
        yield f"{_numbers(lab for lab in all_labs if reason in lab['left_out'])}, calibration: {reason}"
    if new := [lab for lab in all_labs if not lab["calibrated"]]:
        yield f"Calibrated when first opened: {_numbers(new)}."


def _computer(computer: dict) -> Iterator[str]:
    allowed, memory = computer["memory_allowed_bytes"], quantity(computer["memory_bytes"], "B")
    power = " It runs on its battery: plug it in, or its speed will change." if computer["on_battery"] else ""
    usable = f"{quantity(allowed, 'B')} of {memory}" if allowed else memory
    yield f"{computer['name']}, {usable} of memory.{power}"
    own = computer["packages"]["cluster-to-edge"] or "from its folder"
    yield (f"{computer['system']}, Python {computer['python']}, PyTorch {computer['torch']} on "
           f"{quantity(computer['threads'], 'threads')}, labkit {own}.")
    gpus = computer["gpus"]
    if computer["device"] == "cpu":
        yield ("PyTorch does not work with the GPU here." if gpus else "No GPU that PyTorch can use.")
    elif len(gpus) > 1:
        yield f"{len(gpus)} GPUs; the labs use the first, {gpus[0]}. CUDA_VISIBLE_DEVICES chooses another."
    else:
        yield f"The labs compute on {gpus[0] if gpus else 'the GPU of this Mac'}."


def _numbers(chosen) -> str:
    numbers = [lab["number"] for lab in chosen]
    return f"Lab{'s' * (len(numbers) > 1)} {', '.join(numbers)}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _temporary() -> Path | None:
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return None


def _folder(name: str, path: Path | None) -> dict:
    """Return how a folder is to be used, with what troubles it in words, or nothing."""
    if path is None:
        return {"name": name, "free_bytes": None, "trouble": "There is no temporary folder that can be written: set "
                                                             "TMPDIR to one."}
    there = next(folder for folder in (path, *path.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    variable = "CLUSTER_TO_EDGE_CACHE" if name == "cache" else "TMPDIR"
    trouble = ""
    if not os.access(there, os.W_OK | os.X_OK):
        trouble = f"The {name} folder cannot be written: set {variable} to one that can."
    elif free < SPARE:
        trouble = f"The {name} folder has {quantity(free, 'B')} left: make room, or set {variable} to another disk."
    return {"name": name, "free_bytes": free, "trouble": trouble}
