"""Chapter 2's assignment: numbers, nodes, and what feeds them."""

from labkit.grading.assignment import Assignment, Question, Written, farthest
from labkit.labs.compute_and_precision import checks as precision
from labkit.labs.feeding_the_cluster import checks as feeding
from labkit.labs.more_nodes import checks as more_nodes

STEP = "A training step by number format and threads"  # the experiment of Lab 2.1

ASSIGNMENT = Assignment(
    name="2-training",
    title="Assignment 2: training",
    labs=("2.1", "2.2", "2.3"),
    choices={"number_format": ("fp16", "bf16"), "change": (1e-2, 3e-3, 1e-3, 3e-4), "width": (8, 12, 20, 24),
             "nodes": (4, 6, 8, 12, 16), "many": (50, 100, 200, 400), "accelerators": (64, 128, 256, 512),
             "rate": (900, 1200, 1800, 2500), "cached": (0.2, 0.35, 0.5), "trip": (0.005, 0.01, 0.02)},
    questions=(
        Question(
            name="largest",
            points=1,
            text="What is the largest number of the format `number_format`?",
            check=lambda answer, drawn, labs: precision.largest(answer, drawn["number_format"]),
            solution="""exponent, fraction = {"fp16": (5, 10), "bf16": (8, 7)}[number_format]
largest = (2 - 2.0**-fraction) * 2.0 ** (2 ** (exponent - 1) - 1)""",
        ),
        Question(
            name="fraction_bits",
            points=2,
            text="A step changes a weight of 1 by a share of `change`. How many bits of fraction must a format have "
                 "at the least for the weight to feel it?",
            check=lambda answer, drawn, labs: precision.fraction(answer, drawn["change"]),
            solution="fraction_bits = next(bits for bits in range(1, 53) if 2.0**-bits / 2 < change)",
        ),
        Question(
            name="traffic",
            points=2,
            text="How many bytes does each of `nodes` nodes in a ring send for one step of the cat network of width "
                 "`width`, with gradients of 32 bits?",
            check=lambda answer, drawn, labs: more_nodes.traffic(answer, drawn["width"], drawn["nodes"]),
            solution="""from labkit.specs import network

gradients = 4 * network.parameters(network.cats(width))
traffic = 2 * (nodes - 1) / nodes * gradients""",
        ),
        Question(
            name="step_seconds",
            points=2,
            text="A node takes 10 ms for a step, but 30 ms in one case of a hundred, on its own. How long does a step "
                 "of `many` nodes take on average, in seconds?",
            check=lambda answer, drawn, labs: more_nodes.waiting(answer, drawn["many"], 0.01, 0.03, 0.01),
            solution="step_seconds = 0.01 + 0.02 * (1 - 0.99**many)",
        ),
        Question(
            name="bandwidth",
            points=2,
            text="A cluster has `accelerators` accelerators. Each takes `rate` samples of 110,000 bytes a second, and "
                 "memory holds a share of `cached` of them. How many bytes a second must the storage bring?",
            check=lambda answer, drawn, labs: feeding.bandwidth(answer, drawn["accelerators"], drawn["rate"], 110e3,
                                                                drawn["cached"]),
            solution="bandwidth = accelerators * rate * 110e3 * (1 - cached)",
        ),
        Question(
            name="shard_bytes",
            points=2,
            text="A store answers after a round trip of `trip` seconds, and brings 100 MB a second. How many bytes "
                 "must a shard have at the least for the round trip to be a tenth of its time?",
            check=lambda answer, drawn, labs: feeding.shard(answer, drawn["trip"], 100e6, 0.1),
            solution="shard_bytes = trip * 100e6 * 9",
        ),
        Question(
            name="helpful_batch",
            points=2,
            lab="2.1",
            text="From which batch on, of those on the slider, do all threads of your machine make a step in fp32 at "
                 "least 1.5 times as fast as one, at a width of 16? Answer with 0 if there is none.",
            check=lambda answer, drawn, labs: precision.helpful_batch(answer, labs["2.1"].machine, width=16),
            solution="""from labkit.predict import precision

machine = labs["2.1"].machine
cores = machine.identity["cores"]


def seconds(batch, threads):
    return sum(precision.on_threads(machine.calibration("precision"), "fp32", 16, batch, threads, cores).values())


helpful_batch = next((batch for batch in (8, 16, 32, 64, 128, 256, 512, 1024)
                      if seconds(batch, 1) >= 1.5 * seconds(batch, cores)), 0)""",
        ),
        Question(
            name="farthest_step",
            points=2,
            lab="2.1",
            text="By how many per cent of the measured value was the prediction off at the worst of the steps that "
                 f"Lab 2.1 measured? The points of `\"{STEP}\"` in `labs[\"2.1\"].measured()` count.",
            check=lambda answer, drawn, labs: farthest(answer, labs["2.1"], STEP),
            solution=f"""farthest_step = max(
    abs(point["predicted"]["value"] / point["measured"]["value"] - 1) * 100
    for point in labs["2.1"].measured() if point["experiment"] == "{STEP}")""",
        ),
    ),
    written=(
        Written(
            name="explanation",
            points=10,
            text="Choose the step of Lab 2.2 at which prediction and measurement lie farthest apart. Explain the "
                 "difference in at most 150 words, with one further measurement that supports your explanation.",
            rubric=("a cause, and a measurement that would have come out otherwise had the cause been another",
                    "a plausible cause, no test", "“overhead”, without saying of what"),
            sample="Over a link with a round trip of 10 ms, the step took 71 ms where 48 were predicted; without the "
                   "link, both agreed. If each of the three buckets waits anew, the difference must grow with the "
                   "round trip: it was 5 ms at a round trip of 2, and 23 at 10.",
        ),
        Written(
            name="verdict",
            points=10,
            text="Choose one of the claims T1 to T6. Write at most 300 words for a colleague who decides: *holds*, "
                 "*holds when …* or *does not hold*; the number that decides it, and whether it is measured, "
                 "published or predicted; what you did not test; and what evidence would change your mind.",
            rubric=("the verdict follows from a number whose kind is named, with what was not tested and what would "
                    "change it", "one of the three is missing", "no number"),
            sample="T1 holds for our training up to sixteen nodes, where 0.12 s of computing still hide 80 ms of the "
                   "ring (predicted). Not tested: a larger batch. If it needed no more samples, 64 nodes would pay.",
        ),
    ),
)
