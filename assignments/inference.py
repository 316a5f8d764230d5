"""Chapter 3's assignment: one answer, many answers, the queue between them, and where their weights lie."""

from labkit.grading import from_evidence
from labkit.grading.assignment import Assignment, Question, Written
from labkit.labs.language_models import checks as llm
from labkit.labs.latency import checks as latency
from labkit.labs.latency import experiments as latencies
from labkit.labs.memory_and_io import checks as memory_and_io
from labkit.labs.one_clear_stream import checks as one_clear_stream
from labkit.labs.serving_under_load import checks as serving
from labkit.labs.throughput import checks as throughput

ASSIGNMENT = Assignment(
    name="3-inference",
    title="Assignment 3: inference",
    labs=("3.1", "3.2", "3.3", "3.4", "3.5", "3.6"),
    choices={"percentile": (99, 99.5, 99.9, 99.95), "servers": (10, 20, 50, 100), "share": (0.99, 0.995, 0.999),
             "rate": (50, 80, 120, 200), "stay": (0.015, 0.02, 0.05), "load": (0.5, 0.6, 0.75, 0.8, 0.9),
             "pictures": (2_000, 5_000, 9_000), "missing": (0.002, 0.005, 0.01), "fetch": (0.5, 1.5, 4.0),
             "clip": (0.23e-3, 0.3e-3, 0.45e-3), "voices": (500, 1_000, 3_000), "users": (8, 16, 32, 64),
             "context": (2_048, 4_096, 8_192)},
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
            name="fewer_answers",
            points=2,
            text="An answer from memory takes 20 ms, and fetching a model `fetch` seconds. A share of `missing` of the "
                 "requests fetches. How many times fewer answers a second does a server give that waits for each?",
            check=lambda answer, drawn, labs: memory_and_io.answers_lost(answer, 0.02, drawn["fetch"],
                                                                           drawn["missing"]),
            solution="fewer_answers = (0.02 + missing * fetch) / 0.02",
        ),
        Question(
            name="hearing_cores",
            points=2,
            text="A core takes `clip` seconds for a clip of speech, and each stream has one every 40 ms. How many "
                 "cores follow `voices` streams?",
            check=lambda answer, drawn, labs: one_clear_stream.cores(answer, drawn["voices"], drawn["clip"], 0.04),
            solution="""import math

hearing_cores = math.ceil(voices / math.floor(0.04 / clip))""",
        ),
        Question(
            name="cache_bytes",
            points=2,
            text="Llama 70B has 80 layers, and in each a token leaves 2,048 numbers of 8 bits. How many bytes are that "
                 "for `users` users with `context` tokens each?",
            check=lambda answer, drawn, labs: llm.cache_bytes(answer, "Llama 70B", drawn["users"], drawn["context"], 1),
            solution="cache_bytes = users * context * 80 * 2_048",
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
        from_evidence.worst("farthest_run", "3.1", "One run of the cat network, in two ways"),
        from_evidence.times("fastest_asking", "3.2", "Pictures a second, by the way of asking"),
        from_evidence.outside("surprising_answers", "3.3", "Answers under load"),
        from_evidence.times("slowest_way", "3.4", "An answer, by where its weights lie"),
        from_evidence.outside("surprising_streams", "3.5", "Clear streams that one core follows"),
        from_evidence.worst("farthest_token", "3.6", "Time of each further token"),
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
