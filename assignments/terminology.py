"""Chapter 1's assignment: a machine, a network, and both together."""

from labkit.grading import from_evidence
from labkit.grading.assignment import Assignment, Question, Written
from labkit.labs.cats import checks as cats
from labkit.labs.nodes_and_synapses import checks as nodes
from labkit.labs.your_machine import checks as machine

ASSIGNMENT = Assignment(
    name="1-terminology",
    title="Assignment 1: terminology",
    labs=("1.1", "1.2", "1.3"),
    choices={"inputs": (256, 484, 784, 1024), "neurons": (100, 150, 200, 300), "times": (2, 3, 4, 5, 6),
             "width": (6, 10, 12, 20, 24)},
    questions=(
        Question(
            name="parameters",
            points=2,
            text="A network reads `inputs` numbers. Its first layer has `neurons` neurons, its second has ten. How "
                 "many parameters has it?",
            check=lambda answer, drawn, labs: nodes.parameters(answer, [drawn["inputs"], drawn["neurons"], 10]),
            solution="parameters = (inputs + 1) * neurons + (neurons + 1) * 10",
        ),
        Question(
            name="computers",
            points=1,
            text="Every layer of a network becomes `times` times as wide. How many computers are needed where there "
                 "was one, for the arithmetic to take as long as before?",
            check=lambda answer, drawn, labs: nodes.computers(answer, drawn["times"]),
            solution="computers = times**2  # each neuron of a wider layer also reads more",
        ),
        Question(
            name="cat_parameters",
            points=2,
            text="How many parameters has the cat network of Lab 1.3 at a width of `width`?",
            check=lambda answer, drawn, labs: cats.parameters(answer, drawn["width"]),
            solution="""from labkit.specs import network

cat_parameters = network.parameters(network.cats(width))""",
        ),
        Question(
            name="fastest_format",
            points=1,
            lab="1.1",
            text="In which number format does your machine multiply large matrices fastest? Answer with its name, "
                 "such as `\"fp32\"`.",
            check=lambda answer, drawn, labs: machine.fastest_format(answer, labs["1.1"].machine),
            solution="""curves = labs["1.1"].machine.calibration("products").group()
rates = {name: max(work / seconds for work, seconds in curve) for name, curve in curves.items()}
fastest_format = max(rates, key=rates.get)""",
        ),
        Question(
            name="ridge",
            points=2,
            lab="1.1",
            text="How many operations must your machine do, in 32-bit numbers, with each *number* that it fetches "
                 "from memory to stay busy? Take the rate and the bandwidth that Lab 1.1 printed.",
            check=lambda answer, drawn, labs: machine.operations_a_number(answer, labs["1.1"].machine),
            solution="""size, seconds = labs["1.1"].machine.calibration("memory").curve("read")[-1]
products = labs["1.1"].machine.calibration("products").curve("fp32")
ridge = 4 * max(work / time for work, time in products) / (size / seconds)""",
        ),
        Question(
            name="half_bytes",
            points=2,
            lab="1.1",
            text="At how many bytes does a message to another process spend as long on its bytes as on its latency, "
                 "on your machine?",
            check=lambda answer, drawn, labs: machine.half_latency(answer, labs["1.1"].machine),
            solution="""from labkit.predict import links

half_bytes = links.half_size(labs["1.1"].machine.calibration("loopback").curve("message"))""",
        ),
        from_evidence.worst("farthest_product", "1.1", "Matrix products"),
        from_evidence.worst("farthest_inference", "1.2", "One inference of a network of dense layers"),
        from_evidence.times("most_training_memory", "1.3", "One training step against one inference: memory"),
    ),
    written=(
        Written(
            name="explanation",
            points=10,
            text="Choose the point of your labs at which prediction and measurement lie farthest apart. Explain the "
                 "difference in at most 150 words, with one further measurement that supports your explanation.",
            rubric=("a cause, and a measurement that would have come out otherwise had the cause been another",
                    "a plausible cause, no test", "“noise”, without an interval"),
            sample="The pass with a batch of 1 was faster than the roofline allows. If the last cache holds the "
                   "weights, sixteen such layers, which no cache holds, must take longer for each layer. They did: "
                   "1.9 times as long.",
        ),
        Written(
            name="verdict",
            points=10,
            text="Choose claim P1 or P2. Write at most 250 words for a colleague who decides: *holds*, *holds when …* "
                 "or *does not hold*, the number that decides it, what you did not test, and what evidence would "
                 "change your mind.",
            rubric=("the verdict follows from the number, what was not tested is named, and what would change it",
                    "one of the three is missing", "no number"),
            sample="P1 holds when the training pictures vary in what will vary in use: the same number of pictures, "
                   "with black cats alone, recognised half as many cats of new coats. Not tested: photographs. A "
                   "network that passes after black cats alone, over several seeds, would change my mind.",
        ),
    ),
)
