"""Language models on accelerators from the catalogue: memory, the first token, each further one, users and cost."""

from __future__ import annotations

from labkit import catalogue
from labkit.display import TextTable
from labkit.experiment import Axis, Experiment, Outcome, Published, PublishedComparison, Unavailable, compare_published
from labkit.predict import language_model as predicted
from labkit.predict.language_model import System
from labkit.specs.language_model import PUBLISHED
from labkit.units import quantity

CARDS = {"L40S": "NVIDIA L40S", "H100": "NVIDIA H100 SXM", "H200": "NVIDIA H200 SXM", "B200": "NVIDIA B200 SXM",
         "MI300X": "AMD MI300X"}
MODELS = ("Llama 8B", "Llama 70B", "Llama 405B", "gpt-oss-120b", "DeepSeek-V3")
COUNTS, FORMATS = (1, 2, 8), ("bf16", "fp8")
NARROW_FIRST = ("fp4", "fp8", "bf16")
PROMPTS, ANSWERS, USERS = (128, 2048, 16384), (128, 1024), (1, 4, 16, 64, 256, 1024)
HOURLY = 2.0  # US dollars for an accelerator, as DeepSeek reckons for its H800 (DeepSeek-AI 2025, open-infra-index)
BATCHES = 2048  # answers at once in TensorRT-LLM, unless it is told otherwise
SOONER, LATER = 0.2, 0.75  # nine published times in ten of dense models are within these shares, held by a test
HELD = "Llama 8B"  # the model whose rows were fitted, and test nothing


def system(card: str, format: str, count: int) -> System:
    """Return some accelerators of the catalogue, by the name that it gives them, with their peak in a format.

    Weights in a format that an accelerator does not compute in are widened to the next that it does.
    """
    sheet = catalogue.by_name("hardware")[card]
    wider = NARROW_FIRST[NARROW_FIRST.index(format):]
    peak = next(peak for name in wider if (peak := catalogue.peak(sheet, name)))
    return System(peak, sheet["memory_bytes_per_s"], sheet["memory_bytes"], sheet["link_bytes_per_s"] or 0.0, count)


def answering() -> Experiment:
    """Return the experiment on the time between two tokens of a user, of published models on published machines."""
    hardware = catalogue.by_name("hardware")

    def predict(users, model, card, count, format, prompt, answer):
        network, machines = PUBLISHED[model], system(CARDS[card], format, count)
        room = predicted.room(network, machines, format, prompt + answer)
        if room < users:
            return Unavailable(_full(network, machines, format, users, room))
        parts = predicted.each_token(network, machines, format, prompt, answer, users)
        value = sum(parts.values())
        rate, watts = users / value, count * hardware[CARDS[card]]["tdp_w"]
        first = sum(predicted.reading(network, machines, format, prompt).values())
        cost = predicted.price(count * HOURLY, rate)
        note = (f"First token after {_two(first, 's')} if nobody is before; all together {_two(rate, 'tokens/s')}, "
                f"{_two(predicted.joules(watts, rate), 'J')} and {cost:.2g} dollars a million tokens.")
        return Outcome(value, "s", low=value / (1 + SOONER), high=value * (1 + LATER), parts=parts, note=note)

    return Experiment(
        title="A language model on accelerators",
        quantity="Time of a token",
        unit="s",
        axes=[
            Axis("users", "Users who write at once", USERS, start=16, unit="users", log=True),
            Axis("model", "Model", MODELS),
            Axis("card", "Accelerator", tuple(CARDS), start="H100"),
            Axis("count", "Accelerators that hold it together", COUNTS, unit="accelerators"),
            Axis("format", "Weights in", FORMATS),
            Axis("prompt", "Prompt", PROMPTS, start=2048, unit="tokens", log=True),
            Axis("answer", "Answer", ANSWERS, unit="tokens", log=True),
        ],
        predict=predict,
        readout="{model} in {format} on {count} of type {card}, {users} at once, {prompt} in and {answer} out: a user "
                "gets a token every {value}.",
    )


def _two(value: float, unit: str) -> str:
    return quantity(float(f"{value:.2g}"), unit)


def _full(network, machines, format, users, room) -> str:
    weights = network.parameters * predicted.WEIGHT[format]
    if not room:
        return (f"The weights take {quantity(weights, 'B')}: {machines.count} × {quantity(machines.memory, 'B')} do "
                "not hold them with the cache of one user.")
    return (f"{room:,} users find room beside the weights ({quantity(weights, 'B')}). More would queue, and how long a "
            "queue makes them wait is not predicted here.")


def memory() -> Experiment:
    """Return the experiment on the memory that a model takes, by its users."""

    def predict(users, model, format, length):
        parts = predicted.memory(PUBLISHED[model], System(1, 1, 1, 0), format, users * length)
        return Outcome(sum(parts.values()), "B", parts=parts)

    return Experiment(
        title="Memory of a language model",
        quantity="Memory",
        unit="B",
        axes=[
            Axis("users", "Users at once", (*USERS, 4096), start=16, unit="users", log=True),
            Axis("model", "Model", tuple(PUBLISHED)),
            Axis("format", "Weights in", tuple(predicted.WEIGHT)),
            Axis("length", "Each has so far", (512, 2048, 8192, 32768, 131072), start=2048, unit="tokens", log=True),
        ],
        predict=predict,
        readout="{model} in {format}, {users} of {length} each: {value}, of which {part:cache} is cache.",
    )


def users_that_fit() -> TextTable:
    """Return how many users of 4,096 tokens find room beside each model, in fp8, by machine."""
    rows = []
    for name, network in PUBLISHED.items():
        rooms = [predicted.room(network, system(CARDS[card], "fp8", count), "fp8", 4096)
                 for card, count in (("L40S", 1), ("H100", 1), ("H200", 8))]
        rows.append([name, f"{network.parameters / 1e9:.3g}", f"{network.active / 1e9:.3g}",
                     *(f"{room:,}" if room else "does not fit" for room in rooms)])
    return TextTable(["model", "billion parameters", "active", "L40S", "H100", "8 × H200"], rows)


# Held against what others measured


def _experiment(rows: dict[str, dict], column: str, unit: str, predict, quantity: str) -> PublishedComparison:
    return compare_published(Experiment(
        title=quantity, quantity=quantity, unit=unit, axes=[Axis("system", "System", tuple(rows))],
        predict=lambda system: predict(rows[system]), readout="{system}: {value}.",
        published=[Published({"system": name}, row[column], name, row["source"]) for name, row in rows.items()]))


def rates(models: tuple[str, ...]) -> PublishedComparison:
    """Return published tokens a second of some models, with as many users as find room, beside the predictions."""
    rows = {name: row for name, row in catalogue.by_name("llm-serving").items()
            if row["model"] in models and row["tokens_per_s"]}

    def predict(row):
        network, machines = PUBLISHED[row["model"]], system(row["machine"], row["format"], int(row["accelerators"]))
        room = predicted.room(network, machines, row["format"], row["prompt_tokens"] + row["answer_tokens"])
        users = min(room, row["requests"], BATCHES)
        if not users:
            return Unavailable("It does not fit.")
        return Outcome(predicted.rate(network, machines, row["format"], row["prompt_tokens"], row["answer_tokens"],
                                      users), "tokens/s")

    return _experiment(rows, "tokens_per_s", "tokens/s", predict, "Tokens a second")


def tested() -> PublishedComparison:
    """Return the comparison for dense models of which no row was fitted."""
    return rates(tuple(name for name, network in PUBLISHED.items() if network.experts == 1 and name != HELD))


def mixtures() -> PublishedComparison:
    """Return the comparison for mixtures of experts."""
    return rates(tuple(name for name, network in PUBLISHED.items() if network.experts > 1))


def latencies() -> PublishedComparison:
    """Return published times of a token with some users at once beside the predictions: a mixture's, far from full."""
    rows = {name: row for name, row in catalogue.by_name("llm-serving").items() if row["each_latency_s"]}

    def predict(row):
        machines = system(row["machine"], row["format"], int(row["accelerators"]))
        return Outcome(sum(predicted.each_token(PUBLISHED[row["model"]], machines, row["format"], row["prompt_tokens"],
                                                row["answer_tokens"], row["requests"]).values()), "s")

    return _experiment(rows, "each_latency_s", "s", predict, "Time of a token")


def first_tokens() -> PublishedComparison:
    """Return published times to the first token of the same systems beside the reading of the prompt alone."""
    rows = {name: row for name, row in catalogue.by_name("llm-serving").items() if row["first_latency_s"]}

    def predict(row):
        machines = system(row["machine"], row["format"], int(row["accelerators"]))
        parts = predicted.reading(PUBLISHED[row["model"]], machines, row["format"], row["prompt_tokens"])
        return Outcome(sum(parts.values()), "s")

    return _experiment(rows, "first_latency_s", "s", predict, "Time to the first token")


def memories() -> PublishedComparison:
    """Return the memory of an accelerator that vLLM had taken before it gave the rest to the cache, and predictions."""
    rows = {name: {**row, "taken_bytes": predicted.USED * row["memory_bytes"] - row["cache_bytes"]}
            for name, row in catalogue.by_name("llm-memory").items()}

    def predict(row):
        machines = System(1, 1, 1, 1, int(row["accelerators"]))
        taken = predicted.memory(PUBLISHED[row["model"]], machines, row["format"], 0)
        return Outcome(sum(taken.values()) / machines.count, "B")

    return _experiment(rows, "taken_bytes", "B", predict, "Memory that is not the cache's")
