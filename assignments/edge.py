"""Chapter 4's assignment: smaller machines, those who share them, and what is far away."""

from labkit.checks import number
from labkit.grading import from_evidence
from labkit.grading.assignment import Assignment, Question, Written
from labkit.labs.a_smaller_machine import checks as small_machine
from labkit.labs.a_smaller_machine import experiments as small
from labkit.labs.an_fpga_at_the_edge import checks as fpga
from labkit.labs.distance_to_memory import checks as distance
from labkit.labs.edge_cloud_or_both import checks as offload
from labkit.labs.hundreds_of_instances import checks as instances
from labkit.predict import streams


def _streams(answer, drawn, labs):
    expected = streams.shared(drawn["first"], drawn["pictures"], drawn["deadline"])
    return number(answer, expected, tolerance=0, hint=(
        "The worst picture comes when a batch has just begun: it waits for that one, and then for its own."))


ASSIGNMENT = Assignment(
    name="4-edge",
    title="Assignment 4: the edge",
    labs=("4.1", "4.2", "4.3", "4.4", "4.5"),
    choices={"width": (8, 12, 20, 24), "cut_width": (4, 8, 16, 32), "cut": (1, 2, 3), "first": (0.002, 0.003, 0.004),
             "pictures": (800, 1_200, 2_000), "deadline": (0.03, 0.04, 0.05), "look": (0.35e-3, 0.7e-3, 0.9e-3),
             "near": (0.09, 0.12, 0.2), "megabits": (10, 20, 50), "neurons": (32, 64, 128), "lanes": (4, 8, 16)},
    questions=(
        Question(
            name="file_bytes",
            points=2,
            text="How many bytes of weights and biases has the int8 file of the cat network at a width of `width`?",
            check=lambda answer, drawn, labs: small_machine.file_size(answer, drawn["width"]),
            solution="""weights = 27 * width + 18 * width**2 + 72 * width**2 + 3 * 64 * width
biases = width + 2 * width + 4 * width + 3
file_bytes = weights + 4 * biases""",
        ),
        Question(
            name="cut_bytes",
            points=2,
            text="A network of width `cut_width` is cut after `cut` layers. How many bytes of 32-bit numbers travel "
                 "for a picture?",
            check=lambda answer, drawn, labs: offload.payload(answer, drawn["cut_width"], drawn["cut"]),
            solution="cut_bytes = 4 * cut_width * 2 ** (cut - 1) * (32 // 2**cut) ** 2",
        ),
        Question(
            name="streams",
            points=2,
            text="A device answers one picture in `first` seconds and `pictures` a second in large batches. Streams of "
                 "20 pictures a second share it, and all their pictures may come at once. How many streams keep a "
                 "deadline of `deadline` seconds?",
            check=_streams,
            solution="""import math

start = first - 1 / pictures
streams = math.floor((deadline - 2 * start) * pictures + 1e-9)""",
        ),
        Question(
            name="at_once",
            points=2,
            text="A core takes `look` seconds for a picture. Each source sends five a second, all at the same moment, "
                 "and each picture has `deadline` seconds. How many sources does the core answer in time?",
            check=lambda answer, drawn, labs: instances.worst(answer, drawn["look"], 0.2, drawn["deadline"]),
            solution="""import math

at_once = math.floor(deadline / look)""",
        ),
        Question(
            name="longest_trip",
            points=2,
            text="Near, an answer takes `near` seconds; far, 5 ms. Question and answer have 50 kB together, and the "
                 "link `megabits` Mbit/s. Up to which round trip in seconds is asking worth it?",
            check=lambda answer, drawn, labs: distance.trip(answer, drawn["near"], 0.005, 50e3,
                                                            drawn["megabits"] * 1e6 / 8),
            solution="longest_trip = near - 0.005 - 50e3 / (megabits * 1e6 / 8)",
        ),
        Question(
            name="first_cycles",
            points=2,
            text="An FPGA computes a layer of `neurons` neurons that read 192 numbers, on `lanes` lanes. How many "
                 "cycles do its products take, with one more of each group for the biases?",
            check=lambda answer, drawn, labs: fpga.cycles(answer, 192, drawn["neurons"], drawn["lanes"]),
            solution="first_cycles = neurons // lanes * (192 + 1)",
        ),
        Question(
            name="faster_from",
            points=2,
            lab="4.1",
            text="From which width of the slider on is static int8 faster than fp32 on your machine, one picture at a "
                 "time? Answer with 0 if it never is.",
            check=lambda answer, drawn, labs: small_machine.faster_from(answer, small.time(labs["4.1"].machine)),
            solution="""from labkit.labs.a_smaller_machine import experiments

times = experiments.time(labs["4.1"].machine)


def seconds(width, dtype):
    return times.predict(width=width, batch=1, device=experiments.THIS, dtype=dtype).value


faster_from = next((width for width in experiments.WIDTHS
                    if seconds(width, "int8 static") < seconds(width, "fp32")), 0)""",
        ),
        from_evidence.worst("farthest_run", "4.1", "One run of the cat network in ONNX Runtime"),
        from_evidence.outside("surprising_sources", "4.2", "Sources that one core answers in time"),
        from_evidence.times("farthest_rung", "4.3", "An answer, by the distance of what it needs"),
        from_evidence.times("longest_way", "4.4", "How far the car goes"),
        from_evidence.times("most_cycles", "4.5", "Cycles from a picture to its answer"),
    ),
    written=(
        Written(
            name="explanation",
            points=10,
            text="Choose the width of Lab 4.1 at which int8 surprised you most. Explain the difference between the "
                 "prediction, or your guess, and the measurement in at most 150 words, with one further measurement "
                 "that supports your explanation.",
            rubric=("a cause, and a measurement that would have come out otherwise had the cause been another",
                    "a plausible cause, no test", "“overhead”, without saying of what"),
            sample="Dynamic int8 took 3 times as long at width 16, where I had guessed half. If the conversions were "
                   "the cause, the factor would fall for a wider network; it rose. The profile says that one operator "
                   "took 87 % of the time.",
        ),
        Written(
            name="verdict",
            points=10,
            text="Choose a vehicle or another application with a deadline. Write at most 300 words for a colleague who "
                 "decides, on E4: *holds*, *holds when …* or *does not hold*; the number that decides it, measured by "
                 "you; which of latency, tail, bandwidth and availability it is; what you did not test; and what "
                 "evidence would change your mind.",
            rubric=("the verdict follows from the student's number and says what kind it is, with what was not tested "
                    "and what would change it", "one of the three is missing", "no number"),
            sample="E4 does not hold for the barrier of a car park: 180 ms through the cloud are short beside the two "
                   "seconds that it takes to open. But it must open when the link is down: availability decides.",
        ),
    ),
)
