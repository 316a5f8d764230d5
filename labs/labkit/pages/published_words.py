"""What a row of a table of published systems says, read out of its publisher's words.

Its unit, its accelerator and how many of them, its network and its number format. What the words do not say is not
guessed: then `Silent` says what is missing.
"""

from __future__ import annotations

import re

from labkit.inputs import above_zero
from labkit.plan import constants as world
from labkit.plan import lines
from labkit.spreadsheet import Row

# With LoRA the weights stay as they are: the backward pass computes no gradient of them, a third of the operations.
LORA = 2 / 3
# Networks by how a row names them: all and active parameters (model cards), and MLPerf's name for their training.
NETWORKS = (
    (r"(?i)LoRA", LORA * 70e9, LORA * 70e9, "llama2_70b_lora"), (r"8x7[bB]", 46.7e9, 12.9e9, ""),
    (r"8x22[bB]", 140.6e9, 39.1e9, ""), (r"(?i)kimi[- ]?k2", 1040e9, 32e9, ""),
    (r"405[bB]", 405e9, 405e9, "llama31_405b"), (r"GPT-OSS 20B|gpt-oss-20b", 20.9e9, 3.6e9, ""),
    (r"gpt-oss-120b", 116.8e9, 5.1e9, ""), (r"[Dd]eep[Ss]eek", 671e9, 37e9, ""),
    (r"(?i)llama[- ]?3\.1[- ]8b", 8.03e9, 8.03e9, "llama31_8b"), (r"\b70[bB]", 70.6e9, 70.6e9, ""),
    (r"\b1T\b", 1008e9, 1008e9, ""), (r"SmolLM3", 3.08e9, 3.08e9, ""),
)
# Units as rows spell them, in seconds, bytes, joules, or as a share.
TIMES = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hr": 3600.0,
         "hour": 3600.0, "d": 86400.0, "day": 86400.0}
BYTES = {"mb": 1e6, "mib": 2.0**20, "gb": 1e9, "gib": 2.0**30, "tb": 1e12, "tib": 2.0**40}
JOULES = {"uj": 1e-6, "µj": 1e-6, "mj": 1e-3, "j": 1.0}
SHARES = {"%": 0.01, "percent": 0.01, "fraction": 1.0, "share": 1.0, "": 1.0}
SEQUENCE = 8192  # tokens of a sample in MLPerf's Llama trainings
COUNTED = {"sample": 1.0, "sequence": 1.0, "token": 1 / SEQUENCE}
THINGS = r"(?P<thing>tokens?|tok|samples?|images?|pictures?|inferences?|inf|queries|frames?)"


class Silent(Exception):
    """The planner has no number for a row; the message says why."""


def unit_of(row: Row, known: dict[str, float]) -> float:
    """Return by what a figure in its own unit is multiplied to be in the row's, for units known by their names."""
    words = row["unit"].lower().split("/")[0].split()
    words = [word for word in words if word not in ("gpu", "accelerator")] or [""]
    many = {"million": 1e6, "thousand": 1e3}.get(words[0], 1.0)
    words = words[1:] if many > 1 and words[1:] else words
    name = words[0] if words[0] in known else words[0].removesuffix("s")
    if name not in known:
        raise Silent(f"Its unit, {row['unit']!r}, is none of {', '.join(filter(None, known))}.")
    return 1 / (known[name] * many)


def rate_of(row: Row, each: bool = False) -> float:
    """Return by what a rate in things a second is multiplied to be in the row's unit.

    Args:
        each: whether the rate is that of one accelerator; it is that of all unless so.
    """
    unit = re.fullmatch(r"(?P<prefix>k|thousand|m|million)?\s*(output |input )?" + THINGS
                        + r"\s*(/|per)\s*(?P<time>[a-z]+)(?P<rest>.*)", row["unit"].strip().lower())
    if not unit or unit["time"] not in TIMES:
        raise Silent(f"Its unit, {row['unit']!r}, is no rate such as tokens/s.")
    workload, size = row["workload"].lower(), 1
    if not unit["thing"].startswith("tok") and not re.search("resnet|tiny", workload):
        if not re.search("mlperf training.*llama", workload) or not unit["thing"].startswith("sample"):
            raise Silent(f"It counts {unit['thing']}, and does not say how many tokens they have.")
        size = SEQUENCE
    per_one = bool(re.search("gpu|accelerator|device|chip", f"{row['metric'].lower()} {unit['rest']}"))
    share = 1.0 if per_one == each else count(row) if each else 1 / count(row)
    prefix = {None: 1.0, "k": 1e-3, "thousand": 1e-3, "m": 1e-6, "million": 1e-6}[unit["prefix"]]
    return share * prefix * TIMES[unit["time"]] / size


def accelerator(row: Row) -> dict[str, str]:
    """Return the catalogue's data sheet of a row's accelerator."""
    text = f"{row['composition']} {row['system']}".upper().replace("_", " ")
    if "MI350X" in text or "VR 288GB" in text or "RUBIN" in text:
        raise Silent("The catalogue has no data sheet of this accelerator.")
    found = world.sheet_of(re.sub(r"H800|H100|H200", lambda name: f"{name[0]} SXM", text.replace("H800", "H100")))
    if found is None and "A100" in text:
        found = world.sheets()["NVIDIA A100 SXM4 80GB"]
    if found is None:  # as the catalogue calls it, without its maker
        named = [name for name in world.sheets()
                 if re.search(rf"\b{re.escape(name.split(' ', 1)[-1].upper())}\b", text)]
        found = world.sheets()[max(named, key=len)] if named else None
    if found is None:
        raise Silent("The row names no accelerator that the catalogue has.")
    return found


def count(row: Row) -> float:
    """Return how many accelerators a row has; of a figure for a node, those of one."""
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", row["composition"])
    if "per node" in row["metric"] and (found := re.search(r"(\d+) per node", text)):
        return float(found[1])
    for pattern in (r"\((\d+) GPUs\)", r"(\d+) nodes? [x×] (\d+)", r"one \w+ NVL(\d+)", r"^(\d+) ?[x×] ?",
                    r"^(\d+) [A-Z]", r"(\d+) (?:GPUs|accelerators)", r"TP ?(\d+)"):
        if found := re.search(pattern, text):
            return _above_zero(float(found[1]) * (float(found[2]) if found.lastindex == 2 else 1))
    raise Silent("The row does not say how many accelerators there are.")


def _above_zero(found: float) -> float:
    if found == 0:
        raise Silent("It has no accelerator.")
    return found


def network(row: Row) -> tuple[float, float, str]:
    """Return a network's parameters, all and active, and MLPerf's name for its training, "" where it has none."""
    text = f"{row['workload']} {row['system']}"
    for pattern, parameters, active, name in NETWORKS:
        if re.search(pattern, text):
            return parameters, active, name
    if experts := re.search(r"(\d+)B-A(\d+)B", text):
        above_zero(parameters=float(experts[1]), active=float(experts[2]))
        return 1e9 * float(experts[1]), 1e9 * float(experts[2]), ""
    if re.search(r"MoE|\b\d+E\b|\d+x\d+B", text):
        raise Silent("A mixture of experts of which the row does not say all parameters.")
    if size := re.search(r"\b(\d+(?:\.\d+)?)[bB]\b", text):
        above_zero(parameters=float(size[1]))
        return 1e9 * float(size[1]), 1e9 * float(size[1]), ""
    raise Silent("The row names no network whose parameters are known here.")


def training_format(row: Row) -> str:
    """Return the number format of a training; the usual one of its submitters where the row does not say it."""
    text = f"{row['workload']} {row['composition']}".lower()
    for name, format in (("fp16", "bf16"), ("bf16", "bf16"), ("fp8", "fp8"), ("fp4", "fp4")):
        if name in text:
            return format
    narrow = "GB300" in row["composition"] or "GB200" in row["composition"]
    return ("fp4" if narrow else "fp8") if "MLPerf" in row["workload"] else "bf16"


def dense(row: Row) -> tuple[float, str]:
    """Return a dense network's parameters and MLPerf's name for its training."""
    parameters, active, name = network(row)
    if lines.mixture(parameters, active):
        raise Silent("A mixture of experts: the planner gives no time for its training from so few that are published.")
    return parameters, name
