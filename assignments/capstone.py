"""Chapter 5's assignment: a cluster from a workload."""

import math

from labkit.checks import number
from labkit.grading import from_evidence
from labkit.grading.assignment import Assignment, Question, Written
from labkit.labs.serving_under_load import checks as serving
from labkit.predict import training_time

PEAK, REACHED = 989e12, 0.4  # FLOP/s of an H100 in 16 bits, and the share that arrives, as the questions say


def _hours(drawn) -> float:
    work = training_time.operations(drawn["parameters"], drawn["tokens"])
    return training_time.seconds(work, 1, PEAK, REACHED) / 3600


ASSIGNMENT = Assignment(
    name="5-capstone",
    title="Assignment 5: compose your cluster",
    labs=("5.1",),
    choices={"parameters": (1.5e9, 3e9, 8e9, 13e9), "tokens": (0.2e12, 0.5e12, 1e12, 2e12), "days": (10, 20, 30, 60),
             "rate": (5, 10, 20, 40), "stay": (2, 4, 8)},
    questions=(
        Question(
            name="accelerator_hours",
            points=2,
            text="A model of `parameters` parameters learns from `tokens` tokens, on H100s that reach 40 % of "
                 "989 TFLOP/s. How many accelerator hours does that take?",
            check=lambda answer, drawn, labs: number(answer, _hours(drawn), tolerance=0.02, hint=(
                "Six operations for each parameter and token, over the rate that arrives; in hours.")),
            solution="accelerator_hours = 6 * parameters * tokens / (0.4 * 989e12) / 3600",
        ),
        Question(
            name="accelerators",
            points=2,
            text="How many of them are done in `days` days, if none fails and all work until the end?",
            check=lambda answer, drawn, labs: number(
                answer, math.ceil(_hours(drawn) / (24 * drawn["days"])), tolerance=0,
                hint="Divide the hours by those of the days, and round up."),
            solution="""import math

accelerators = math.ceil(6 * parameters * tokens / (0.4 * 989e12) / (86_400 * days))""",
        ),
        Question(
            name="state_bytes",
            points=2,
            text="Weights, gradients and the two moments of Adam are kept in 32 bits. How many bytes are that, "
                 "activations apart?",
            check=lambda answer, drawn, labs: number(answer, 16 * drawn["parameters"], tolerance=0.01, hint=(
                "Four numbers for each parameter, of four bytes each.")),
            solution="state_bytes = 4 * 4 * parameters",
        ),
        Question(
            name="inside",
            points=1,
            text="At the peak `rate` requests a second come, and each takes `stay` seconds. How many are in the "
                 "service on average?",
            check=lambda answer, drawn, labs: serving.inside(answer, drawn["rate"], drawn["stay"]),
            solution="inside = rate * stay",
        ),
        from_evidence.worst("farthest_training", "5.1", "A hundred steps of training, as a planner says it"),
    ),
    written=(
        Written(
            name="plan",
            points=10,
            text="Plan a cluster for an organisation that you can ask. In at most 300 words: the workload in units, "
                 "who gave you its five most important inputs, what binds the dearest line, and two alternatives.",
            rubric=("inputs in units with their sources, what binds shown by relaxing it, alternatives compared by "
                    "what each gives up", "sources or what binds is missing", "words like *high*, or invented numbers"),
            sample="40 requests a second at eleven in the morning (log of the last term, from its administrator). "
                   "Memory binds, not arithmetic: with half the context the plan needs two accelerators for four.",
        ),
        Written(
            name="decision",
            points=10,
            text="Write at most 200 words for the one who decides: what to do, what it costs from low to high, which "
                 "one figure would narrow the interval most, and what you do not know.",
            rubric=("an interval, what would narrow it, and what evidence would change the decision",
                    "one of the three is missing", "one number, sold as certain"),
            sample="Rent two accelerators for a term, between 2,900 and 5,200 USD a month. Measure the tokens of a "
                   "hundred real answers first: twice as many would double the plan.",
        ),
    ),
)
