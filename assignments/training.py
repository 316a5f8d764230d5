"""Chapter 2's assignment: numbers, nodes, what feeds them, who shares them, and what breaks."""

from labkit.grading import from_evidence
from labkit.grading.assignment import Assignment, Question, Written
from labkit.labs.compute_and_precision import checks as precision
from labkit.labs.dedicated_or_shared import checks as sharing
from labkit.labs.feeding_the_cluster import checks as feeding
from labkit.labs.growing_clean_data import checks as clean
from labkit.labs.more_nodes import checks as more_nodes
from labkit.labs.surviving_failures import checks as failures
from labkit.labs.too_big_for_one_node import checks as too_big

ASSIGNMENT = Assignment(
    name="2-training",
    title="Assignment 2: training",
    labs=("2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7"),
    choices={"number_format": ("fp16", "bf16"), "change": (1e-2, 3e-3, 1e-3, 3e-4), "width": (8, 12, 20, 24),
             "nodes": (4, 6, 8, 12, 16), "many": (50, 100, 200, 400), "accelerators": (64, 128, 256, 512),
             "rate": (900, 1200, 1800, 2500), "cached": (0.2, 0.35, 0.5), "trip": (0.005, 0.01, 0.02),
             "hours": (200, 500, 1000), "wrong": (0.1, 0.15, 0.2, 0.25), "save": (10, 20, 45, 90),
             "failing": (2, 3, 6, 12), "parameters": (70e9, 180e9, 405e9, 671e9)},
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
            name="visited_nodes",
            points=2,
            text="Each node of a training has a neighbour for one hour in `hours`. From how many nodes on does a step "
                 "meet one with a probability of one half or more?",
            check=lambda answer, drawn, labs: sharing.nodes_until(answer, 1 / drawn["hours"], 0.5),
            solution="""import math

visited_nodes = math.ceil(math.log(0.5) / math.log(1 - 1 / hours))""",
        ),
        Question(
            name="clean_samples",
            points=2,
            text="Of 10,000 samples in ten classes a share of `wrong` is labelled wrongly at random. As how many clean "
                 "ones do they count for a network that explains half of the variance of right labels?",
            check=lambda answer, drawn, labs: clean.clean_worth(answer, 10_000, drawn["wrong"], 10, 0.5),
            solution="""said = (1 - wrong * 10 / 9) ** 2
clean_samples = 10_000 * said * (1 - 0.5) / (1 - said * 0.5)""",
        ),
        Question(
            name="save_minutes",
            points=2,
            text="A save takes `save` seconds, and a failure comes every `failing` hours. After how many minutes would "
                 "Young save?",
            check=lambda answer, drawn, labs: failures.interval(answer, drawn["save"], drawn["failing"]),
            solution="save_minutes = (2 * save * failing * 3600) ** 0.5 / 60",
        ),
        Question(
            name="held_by",
            points=1,
            text="A model has `parameters` parameters, and its training keeps 18 bytes for each. How many accelerators "
                 "of 80 GB, at the least, hold them?",
            check=lambda answer, drawn, labs: too_big.fewest(answer, drawn["parameters"], 18, 80e9),
            solution="""import math

held_by = math.ceil(parameters * 18 / 80e9)""",
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
        from_evidence.worst("farthest_step", "2.1", "A training step by number format and threads"),
        from_evidence.worst("farthest_nodes", "2.2", "One step by more nodes"),
        from_evidence.outside("surprising_stalls", "2.3", "A step, fed from this machine's storage"),
        from_evidence.outside("surprising_neighbours", "2.4", "A training beside neighbours"),
        from_evidence.worst("farthest_dirt", "2.5", "Wrong answers, by dirt"),
        from_evidence.worst("farthest_failure", "2.6", "A training that is killed"),
        from_evidence.times("most_memory", "2.7", "What one process holds"),
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
