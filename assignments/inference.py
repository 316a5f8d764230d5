"""Chapter 3's assignment: one answer, many answers, and the queue between them."""

from labkit.grading.assignment import Assignment, Question, Written, farthest
from labkit.labs.latency import checks as latency
from labkit.labs.latency import experiments as latencies
from labkit.labs.serving_under_load import checks as serving
from labkit.labs.throughput import checks as throughput

RUN = "One run of the cat network, in two ways"  # the experiment of Lab 3.1

ASSIGNMENT = Assignment(
    name="3-inference",
    title="Assignment 3: inference",
    labs=("3.1", "3.2", "3.3"),
    choices={"percentile": (99, 99.5, 99.9, 99.95), "servers": (10, 20, 50, 100), "share": (0.99, 0.995, 0.999),
             "rate": (50, 80, 120, 200), "stay": (0.015, 0.02, 0.05), "load": (0.5, 0.6, 0.75, 0.8, 0.9),
             "pictures": (2_000, 5_000, 9_000)},
    questions=(
        Question(
            name="answers_needed",
            points=2,
            text="How many answers must be measured for the slowest of them to lie above the `percentile`th "
                 "percentile, in 95 cases of 100?",
            check=lambda answer, drawn, labs: latency.needed(answer, drawn["percentile"]),
            solution="""import math

answers_needed = math.ceil(math.log(0.05) / math.log(percentile / 100))""",
        ),
        Question(
            name="slow_pages",
            points=2,
            text="A page needs the answers of `servers` servers, each of which is slow in one case of a hundred. What "
                 "share of the pages, in per cent, waits for a slow one?",
            check=lambda answer, drawn, labs: latency.fan_out(answer, drawn["servers"], 99),
            solution="slow_pages = 100 * (1 - 0.99**servers)",
        ),
        Question(
            name="queries",
            points=2,
            text="None of LoadGen's queries comes late. How many does it need to believe the percentile of `share`?",
            check=lambda answer, drawn, labs: throughput.queries(answer, drawn["share"]),
            solution="""import math

queries = math.ceil(math.log(0.01) / math.log(share))""",
        ),
        Question(
            name="inside",
            points=1,
            text="A server answers `rate` requests a second, and each stays for `stay` seconds on average. How many "
                 "are in it on average?",
            check=lambda answer, drawn, labs: serving.inside(answer, drawn["rate"], drawn["stay"]),
            solution="inside = rate * stay",
        ),
        Question(
            name="waiting",
            points=2,
            text="A server takes the same time for every request, one at a time, and is busy for a share of `load`. "
                 "How many service times does a request wait on average?",
            check=lambda answer, drawn, labs: serving.waits(answer, drawn["load"]),
            solution="waiting = load / (2 * (1 - load))",
        ),
        Question(
            name="machines",
            points=2,
            text="One machine answers `pictures` pictures a second, each of 32 × 32 points with three bytes. How many "
                 "such machines can a link of 1.25 GB/s feed?",
            check=lambda answer, drawn, labs: throughput.machines(answer, drawn["pictures"], 1.25e9),
            solution="machines = 1.25e9 / (pictures * 32 * 32 * 3)",
        ),
        Question(
            name="threads_pay",
            points=2,
            lab="3.1",
            text="From which width of the slider on do all threads of your machine answer sooner than one, in the "
                 "runtime, at a batch of 1? Answer with 0 if they never do.",
            check=lambda answer, drawn, labs: latency.threads_pay(answer, latencies.time(labs["3.1"].machine)),
            solution="""from labkit.labs.latency import experiments

times = experiments.time(labs["3.1"].machine)
most = times.axis("threads").values[-1]


def seconds(width, threads):
    return times.predict(width=width, batch=1, way=experiments.RUNTIME, threads=threads).value


threads_pay = next((width for width in experiments.WIDTHS if seconds(width, most) < seconds(width, 1)), 0)""",
        ),
        Question(
            name="farthest_run",
            points=2,
            lab="3.1",
            text="By how many per cent of the measured value was the prediction off at the worst of the runs that Lab "
                 f"3.1 measured? The points of `\"{RUN}\"` in `labs[\"3.1\"].measured()` count.",
            check=lambda answer, drawn, labs: farthest(answer, labs["3.1"], RUN),
            solution=f"""farthest_run = max(
    abs(point["predicted"]["value"] / point["measured"]["value"] - 1) * 100
    for point in labs["3.1"].measured() if point["experiment"] == "{RUN}")""",
        ),
    ),
    written=(
        Written(
            name="explanation",
            points=10,
            text="Report the p99 of Lab 3.3's server at three loads: your guess, the prediction, and the measurement "
                 "with its interval. Explain the largest difference in at most 150 words, with one further "
                 "measurement that supports your explanation.",
            rubric=("a cause, and a measurement that would have come out otherwise had the cause been another",
                    "a plausible cause, no test", "“overhead”, without saying of what"),
            sample="At 80 % load I measured 31 ms where the model said 19. The load generator took CPU time from the "
                   "server: a batch of 8 took 8.1 ms there, 5.9 alone. With 8.1, the model says 29.",
        ),
        Written(
            name="verdict",
            points=10,
            text="Choose a service that you know. Write at most 300 words for a colleague who decides, on I1 or I3: "
                 "*holds*, *holds when …* or *does not hold*; the number that decides it, measured by you; whose "
                 "limit it is; what you did not test; and what evidence would change your mind.",
            rubric=("the verdict follows from the student's number and says whose limit it is, with what was not "
                    "tested and what would change it", "one of the three is missing", "no number"),
            sample="I3 holds when one stream means one voice in each microphone: p99 stayed below 300 ms up to nine "
                   "streams, and was lost at eleven; the model had said ten. Not tested: a second language.",
        ),
    ),
)
