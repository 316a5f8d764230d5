"""The sixteen claims of the guide and what was found. Pages, labs and tables all say what stands here."""

from __future__ import annotations

from labkit.verdicts.verdict import HOLDS, HOLDS_WHEN, Claim, Shown

CATS_LAB, PLAN_LAB = "labs/1-terminology/3-cats", "labs/5-capstone/1-compose-your-cluster"
EVIDENCE = "book/5-capstone/evidence"
TERMS, TRAINING, INFERENCE, EDGE = ("book/1-terminology", "book/2-training", "book/3-inference", "book/4-edge")
CATS, BOTH = f"{TERMS}/index", f"{TERMS}/training-and-inference"
NODES, PRECISION, DATA = f"{TRAINING}/nodes", f"{TRAINING}/precision", f"{TRAINING}/data"
SHARING, FEEDING, SCALING = f"{TRAINING}/dedicated", f"{TRAINING}/feeding", f"{TRAINING}/scaling"
PARALLEL = f"{TRAINING}/parallel"
LATENCY, THROUGHPUT, INSTANCE = f"{INFERENCE}/latency", f"{INFERENCE}/throughput", f"{INFERENCE}/instance"
DEVICES, STREAMS = f"{EDGE}/devices", f"{EDGE}/instances"
SHARING_LAB = "labs/2-training/4-dedicated-or-shared"
CLEAN_LAB = "labs/2-training/5-growing-clean-data"
INSTANCES_LAB, FPGA_LAB = "labs/4-edge/2-hundreds-of-instances", "labs/4-edge/5-an-fpga-at-the-edge"
MEMORY, HYBRID = f"{EDGE}/memory", f"{EDGE}/hybrid"
DISTANCE_LAB = "labs/4-edge/3-distance-to-memory"


def _of(page: str, key: str) -> str:
    return f"{{number}}`{page}::{key}`"


CLAIMS = (
    Claim(
        id="P1",
        title="A network learns from much curated data, and then concludes about data it has never seen",
        words='A network is trained on a huge amount of curated data in a designated structure, "the bigger, the '
              'better"; then it can conclude something about data it has never seen, and an application acts on it. '
              "After 50,000 pictures of cats with coats of one solid colour, it should still know a many-coloured cat "
              "as a cat, and not as a car or a bicycle.",
        reading="Two statements, that a network draws right conclusions about what it has never seen, and that the "
                "*amount* of data is what lets it.",
        overturned="a network that passes on unseen one-colour cats regularly called many-coloured cats cars or "
                   "bicycles, whatever one-colour coats it had learned from.",
        narrowed="it depended on *which* coats those were: then size is not what carries the conclusion.",
        form=HOLDS_WHEN,
        sentence="the new data vary in ways that the training data varied too.",
        more="More data of the kind that is there do not replace the kind that is missing.",
        number=f"With equally many pictures, a network that had seen six colours knew {_of(CATS_LAB, 'six=69 %')} of "
               f"the many-coloured cats; one that had seen black alone, {_of(CATS_LAB, 'black=27 %')}.",
        supports=(
            "On unseen pictures *of the same kind*, the course's network is right in about 99 of 100 cases.",
            "Networks that did better on the old ImageNet photographs also did better on newly collected ones "
            "{cite}`recht2019imagenet`: what they learn does carry over.",
        ),
        opposes=(
            "The same networks lost 11 to 14 percentage points on those new photographs, although they had been "
            "collected to the old recipe {cite}`recht2019imagenet`.",
            "A network learns any rule that is right on its data, also one that fails elsewhere: *shortcut learning* "
            "{cite}`geirhos2020shortcut`.",
            "*The bigger, the better* fails in Lab 1.3: 300 pictures of the missing kind did what thousands more of "
            "the known kind could not.",
        ),
        machines="The one that built this page, with drawn pictures; published results on photographs.",
        page=CATS,
    ),
    Claim(
        id="P2",
        title="Training and inference need different infrastructure",
        words="*Neural network*: artificial neurons (nodes) joined by artificial synapses, working together. "
              "*Training*: learning a new capability from existing data. *Inference*: applying it to new data, usually "
              "in an application or service. The infrastructure that the two need differs \"in some critical ways\".",
        reading="Three definitions, which are conventions and hold as such, and one consequence, which can be wrong: "
                "that one machine is seldom the right one for both.",
        overturned="one machine were the right one for both, whatever the workload.",
        narrowed="that happened for some workloads and not for others, along a line that can be drawn beforehand.",
        form=HOLDS_WHEN,
        sentence="what training keeps, 16 bytes for each parameter and the activations, does not fit the machine "
                 "that answers; or when requests come one by one with a deadline too short to collect a batch that "
                 "fills the machine that trains.",
        more="Where neither is so, one machine does both.",
        number=f"For Llama 3.1 405B, {_of(BOTH, 'llama-train')} H100 to hold what training keeps, and "
               f"{_of(BOTH, 'llama-infer')} to answer. For the cats, one laptop did both.",
        supports=(
            "Training keeps four times as many bytes for each parameter as inference in 32-bit numbers, and the "
            "activations of every layer besides.",
            "A training can always choose a batch that fills its machine; a single request cannot. On an H100 with "
            f"weights that are used once, that batch is about {_of(BOTH, 'p2-ridge')}.",
            "Google built its first TPU for inference alone, and it kept 80 % of its throughput under a deadline of "
            "7 ms where a GPU kept 37 % {cite}`jouppi2017datacenter`.",
        ),
        opposes=(
            "Both run the same layers forward. In Lab 1.3 the machine that learned also answers, with time to spare.",
            "Large language models are trained and served on the same accelerators.",
            "Where answers may wait until morning, a training cluster gives them well.",
        ),
        machines="Computed from the catalogue; measured on the machine that built this page.",
        page=BOTH,
    ),
    Claim(
        id="T1",
        title="Buy as much compute, and as many nodes, as you can afford",
        words='Get as much raw compute, and as many nodes, "as you can afford" (multi-core processors, GPUs). The '
              "trouble of the day is getting accurate models, and how very long it takes; more nodes train faster.",
        reading="A rule for spending a budget: the next sum goes into nodes. *Faster* is taken as the day on which the "
                "network is ready, and not as examples a second.",
        overturned="a second node did not help.",
        narrowed="there were a number of nodes beyond which another one slows training down, or beyond which the same "
                 "money bought more elsewhere.",
        form=HOLDS_WHEN,
        sentence="each node computes for long enough to hide what it exchanges, the batch that this takes stays below "
                 "the critical one, and a failure comes far less often than starting again takes.",
        more="Beyond that point the money does more in faster links, in faster restarts, or in nothing at all.",
        number=f"With a fixed batch over 100 Gbit Ethernet, BERT is fastest on {_of(NODES, 'best-ethernet')} nodes, by "
               f"the course's model. One published training paid for 32 times the GPUs and became "
               f"{_of(NODES, 'ultra-gain')} times as fast.",
        supports=(
            f"Megatron-LM kept {_of(NODES, 'megatron-kept')} of its speed for each GPU from 96 to 4,608, with the "
            "batch fixed {cite}`nvidia2025megatron`.",
            f"Llama 3.1 8B kept {_of(NODES, 'titan-kept')} from 8 GPUs to 128, with the batch growing "
            "{cite}`torchtitan2024performance`.",
            f"A model that fits no accelerator needs many to be trained at all: the states of Llama 405B fill "
            f"{_of(PARALLEL, 'states-405')} H100 (Lab 2.7).",
        ),
        opposes=(
            f"Data parallel from 8 to 256 H100, the Ultra-Scale Playbook kept {_of(NODES, 'ultra-kept')} "
            f"{{cite}}`tazi2025ultra`; its last doubling bought {_of(NODES, 'ultra-last')} times the speed.",
            "ResNet-50 on 527 times the GPUs was ready 90 times as soon {cite}`mlcommons2022training`: the larger "
            "batch needed 86 passes over the data instead of 35.",
            "Failing as often as Llama 3's {cite}`grattafiori2024llama`, with ten minutes to start again, 16,384 nodes "
            "would do the work of 10,000. Beyond 37,000, every further one would slow the training down (Lab 2.6).",
        ),
        machines="Published trainings on 8 to 16,384 accelerators; two processes on the machine that built this page, "
                 "also killed and started again.",
        page=NODES,
    ),
    Claim(
        id="T2",
        title="More mathematical accuracy makes training more accurate",
        words='The more "mathematical accuracy" there is in the cluster, the more accurate the training.',
        reading="Numbers with more bits, of which some buy range and others a finer step; and a network that answers "
                "more often rightly.",
        overturned="networks trained with narrow numbers came out as accurate as those trained with wide ones.",
        narrowed="that held down to some width and not below, or for some networks and not for others.",
        form=HOLDS_WHEN,
        sentence="the optimiser can use the digits: in networks that solve equations (fp64), and in some "
                 "reinforcement fine-tuning of language models (fp16 rather than bf16).",
        more="For networks that learn from noisy mini-batches it does not hold from 16 bits up.",
        number=f"Six networks trained with half the bits were {_of(PRECISION, 'accuracy-mean')} percentage points "
               "*better* on average, which is less than two seeds differ.",
        supports=(
            "Networks that are trained to satisfy a differential equation stopped in a false solution in fp32, and "
            "solved it in fp64, with nothing else changed {cite}`xu2025fp64`. A later study switches to fp64 only "
            "where the optimiser's curvature asks for it {cite}`shao2026curvature`.",
            "Fine-tuning language models by reinforcement was stable in fp16 where it was not in bf16, which has three "
            "bits of fraction fewer {cite}`qi2025defeating`.",
            "Below the floor, accuracy follows the bits: cast to 8 bits without scales, a trained language model "
            "answered with a perplexity of 12.59 instead of 10.19 {cite}`micikevicius2022fp8`.",
        ),
        opposes=(
            "Mixed precision matched fp32 on six networks for pictures {cite}`micikevicius2018mixed`.",
            "Bf16 matched fp32 in the same number of steps, for pictures, speech, language and recommendations "
            "{cite}`kalamkar2019study`.",
            f"Wide numbers cost time: in fp32 a training of 70 billion parameters takes about "
            f"{_of(PRECISION, 'days-times')} times as long as in bf16.",
        ),
        machines="Published trainings; the cat network in every format on the machine that built this page.",
        page=PRECISION,
    ),
    Claim(
        id="T3",
        title="New data sets must remain clean and well structured",
        words='Training often means adding new data sets step by step, and they must "remain clean and '
              'well-structured".',
        reading="*clean* is taken as labelled rightly and free of repetitions; *well structured* as checkable by a "
                "program.",
        overturned="more data did not help, or if dirt did no harm.",
        narrowed="one kind of dirt did harm and another did not, or if growth had a price that depends on the task.",
        form=HOLDS_WHEN,
        sentence="*clean* means free of errors with a common cause.",
        more="Errors that are scattered at random can be bought back with more data; errors that all point the same "
             "way cannot. *Well structured* holds outright.",
        number=f"One label in five wrong: scattered, that cost {_of(CLEAN_LAB, 'random=5')} percentage points; for one "
               f"cause, {_of(CLEAN_LAB, 'cause=22')} (Lab 2.5).",
        supports=(
            "Networks learn errors that have a cause as well as they learn anything else {cite}`drory2018resistance`.",
            f"A schema stops whatever is malformed, repeated or leaked in Lab 2.5; with what it and a second opinion "
            f"send back, the network was wrong {_of(CLEAN_LAB, 'gained=some')} points less often.",
            "Repeated passages made language models recite them, and leaked into their tests "
            "{cite}`lee2022deduplicating`.",
            "Of 53 people who build such systems, 92 % had lived through failures that began in the data "
            "{cite}`sambasivan2021everyone`.",
        ),
        opposes=(
            "With a hundred randomly labelled pictures added for each right one, a network still read over nine "
            "digits in ten {cite}`rolnick2017deep`.",
            "Some dirt costs next to nothing: pictures sent twice, or two colours exchanged in one of five (Lab 2.5).",
            "The test sets that the field is measured on have at least 3.3 % wrong labels on average "
            "{cite}`northcutt2021pervasive`.",
        ),
        machines="Small networks and drawn pictures on the machine that built this page; published studies of larger "
                 "sets.",
        page=DATA,
    ),
    Claim(
        id="T4",
        title="For that reason, the resources cannot be shared",
        words="*For that reason* (T3) the resources cannot be shared with others in the data centre: a cluster "
              "optimised for this workload is faster and trains more accurately than a general one that is expected to "
              "do other jobs in its free time.",
        reading="Three statements: clean data forbid sharing, sharing makes training slower, and it makes it less "
                "accurate.",
        overturned="two jobs beside each other got as much done as each alone.",
        narrowed="one job were slower and all together faster, or if *slower* were true and *less accurate* not.",
        form=HOLDS_WHEN,
        sentence="it is said of an accelerator or a node while a job runs on it: dedicate nodes to jobs, and not "
                 "clusters to teams.",
        more="It does not hold of a cluster that no single run fills, nor of accuracy. And clean data are a matter of "
             "who may write them, not of who else computes.",
        number=f"Beside a neighbour, the median job kept {_of(SHARING, 'job')} of its speed on a V100. Pooling eight "
               f"teams' nodes cut the wait of a ten-hour job from {_of(SHARING, 'own-wait')} to "
               f"{_of(SHARING, 'pool-wait')}, by Erlang's formula.",
        supports=(
            "One job in ten kept 6 % of its speed or less beside another on a V100, and about one pair in seventeen "
            "did not run at all {cite}`narayanan2020heterogeneity`.",
            f"Scattered over servers, a job on eight V100 kept {_of(SHARING, 'spread')} of its speed "
            "{cite}`narayanan2020heterogeneity`.",
            "With small jobs anywhere, a half-empty cluster of 100 nodes has less than one free node.",
            "A training whose steps wait for the slowest node pays for every visited one: with one node in a hundred "
            "visited at a time, a thousand nodes are nearly always as slow as that one (Lab 2.4).",
        ),
        opposes=(
            f"Both jobs of a pair together did {_of(SHARING, 'pair')} of what the V100 would have done for one "
            "{cite}`narayanan2020heterogeneity`.",
            f"Trained beside busy neighbours with the same seeds, the weights came out "
            f"{_of(SHARING_LAB, 'bits=equal')} (Lab 2.4).",
            "With a core for everybody, a training beside neighbours that compute takes about as long as alone, and "
            f"both get {_of(SHARING_LAB, 'pair=nearly twice')} of the work of one done (Lab 2.4).",
        ),
        machines="V100, P100 and K80 by the authors of Gavel; in the lab, the machine that built this book.",
        page=SHARING,
    ),
    Claim(
        id="T5",
        title="Huge, image-based data need massive network and storage, planned ahead",
        words="Huge data sets, image-based or heterogeneous ones above all, need massive network and storage to hold "
              "and move them; plan these ahead, and not only strong computing.",
        reading="Accelerators wait for their input unless network and storage are sized for it.",
        overturned="accelerators never waited for data.",
        narrowed="that depended on bytes for each operation, so that some networks need much and others hardly any.",
        form=HOLDS_WHEN,
        sentence="a sample has many bytes for the computing that is done with it, as scans and photographs have.",
        more="Text, however huge, needs hardly any bandwidth to be read, but storage that takes a checkpoint in "
             "seconds. *Planned ahead* holds always.",
        number=f"What one accelerator asks of storage: {_of(FEEDING, 'unet-one')} with scans, "
               f"{_of(FEEDING, 'resnet-one')} with photographs, {_of(FEEDING, 'bert-one')} with text.",
        supports=(
            "Networks for pictures and sound spent 10 to 70 % of their time waiting for data, on servers with 35 % of "
            "the data in memory {cite}`mohan2021analyzing`.",
            f"The multiplication that sizes storage is off by {_of(FEEDING, 'check-median')} in the median over "
            f"{_of(FEEDING, 'checked')} results of MLPerf Storage {{cite}}`mlcommons2024storage`.",
            f"A petabyte takes {_of(FEEDING, 'gbe-days')} days over a line of 1 Gbit/s.",
            "Over a link with latency, one reader gets many times as much from shards as from loose files; of mixed "
            "samples, it waits for each file (Lab 2.3).",
        ),
        opposes=(
            "BERT-Large and GNMT, two language models, never waited {cite}`mohan2021analyzing`.",
            "Four in five of millions of training jobs at Google spent less than a third of their computing time on "
            "input {cite}`murray2021tfdata`.",
            "Where accelerators did wait, it was often for CPU cores and not for the disk; so it is with coded "
            "pictures on one computer (Lab 2.3).",
            "On a computer's own solid-state drive, shards bring far less than over a link (Lab 2.3).",
        ),
        machines="Published results of MLPerf Storage, Microsoft and Google; in the lab, the machine that built this "
                 "book.",
        page=FEEDING,
    ),
    Claim(
        id="T6",
        title="Scaling is the greatest challenge: the need expands exponentially",
        words="Scaling is the greatest challenge: twice the training data does not mean twice the resources to process "
              'it; the need expands "exponentially".',
        reading="*exponentially* in its exact sense: every further step of the same size multiplies the cost.",
        overturned="twice the data took twice the resources, or less.",
        narrowed="the growth were exponential in one quantity and a mere power of another.",
        form=HOLDS_WHEN,
        sentence="resources are counted against quality: every equal step of the loss multiplies them.",
        more="Against the amount of *data* the need is a power: one with the same network, less than two with one that "
             "grows along. Against *compute*, the error is a small power. No number decides whether it is the "
             "*greatest* challenge.",
        number=f"Twice the data, with the model that suits it, takes {_of(SCALING, 'doubled')} times the operations, "
               f"each time. Equal steps of the loss take {_of(SCALING, 'step-0')} times as many at first, and "
               f"{_of(SCALING, 'step-4')} times four steps later. In Lab 2.5, the first point of accuracy took "
               f"{_of(CLEAN_LAB, 'first-point=few')} times the operations, and the last "
               f"{_of(CLEAN_LAB, 'last-point=more')} times.",
        supports=(
            "Language models of every size follow such a law: the loss falls as a small power of the operations "
            "{cite}`kaplan2020scaling,hoffmann2022training`.",
            "Past the critical batch, more accelerators mostly buy examples that need not have been seen "
            "{cite}`mccandlish2018empirical`.",
            "Twice the nodes fail twice as often: what failures cost grows with size as well (Lab 2.6).",
        ),
        opposes=(
            "With the same network and as many passes, twice the data is twice the operations.",
            "The memory that training keeps grows in proportion to the parameters and no faster: 16 to 18 bytes for "
            "each (Lab 2.7).",
            "With the best network for the data it is less than four times, whether the data are billions of tokens "
            "or trillions {cite}`hoffmann2022training`.",
        ),
        machines="Published laws and MLPerf's convergence tables; the critical batch in Lab 2.2, and the learning "
                 "curves of Lab 2.5.",
        page=SCALING,
    ),
    Claim(
        id="I1",
        title="Simpler hardware with less power, but the lowest latency possible",
        words='Optimise for performance: simpler hardware "with less power" than the training cluster, but with "the '
              'lowest latency possible".',
        reading="*power* may mean computing or watts; we test both and say which.",
        overturned="answers needed the machines that training needs.",
        narrowed="that depended on the network, or if *lowest possible* cost more than its users gain by it.",
        form=HOLDS_WHEN,
        sentence="*lowest* means below the user's deadline, for the slow answers and under load, and the network fits "
                 "the simpler hardware.",
        more="Below the deadline, lower buys nothing; and for large language models the simpler hardware takes more "
             "watts for each answer, not fewer.",
        number=f"Pictures for each joule: {_of(LATENCY, 'joule-l4')} on an L4, {_of(LATENCY, 'joule-h100')} on an "
               f"H100. Tokens of a 70-billion model for each joule: {_of(LATENCY, 'joule-b200')} on a B200, and none "
               "on the L4, which cannot hold it.",
        supports=(
            "In computing: an L4 has an eighth of an H100's peak, and answers ResNet-50 in a third of a millisecond "
            "{cite}`mlcommons2023inference`.",
            "In watts: eight GPUs of 400 W trained ResNet-50; one board of 25 W answers in a millisecond "
            "{cite}`mlcommons2022training,mlcommons2023inference`.",
            "Google's first TPU, simpler than the GPUs of its day, kept 80 % of its throughput within 7 ms "
            "{cite}`jouppi2017datacenter`.",
        ),
        opposes=(
            f"Idle, an L4 answers in {_of(LATENCY, 'l4-alone')}; under MLPerf's load its p99 is "
            f"{_of(LATENCY, 'l4-tail')} {{cite}}`mlcommons2023inference`. The idle latency says little.",
            f"Asked for 2 ms instead of 15, the L4s of a fleet take {_of(LATENCY, 'tight-times')} times the watts.",
            f"GPT-J, small enough for a Jetson AGX Orin, still takes {_of(LATENCY, 'gptj-times')} times the joules "
            "there that it takes on an H200 {cite}`mlcommons2024inference`.",
        ),
        machines="Results of MLPerf Inference v3.0 to v5.1; latency and load on the machine that built this page.",
        page=LATENCY,
    ),
    Claim(
        id="I2",
        title="Throughput is critical: I/O bandwidth, and memory without a call back to storage",
        words="Throughput is critical: high I/O bandwidth, and enough memory to hold the model(s) and the input data "
              "with no call back to storage.",
        reading="*I/O* is what goes into a machine and out of it; *memory* is where weights and inputs lie.",
        overturned="services with less of either gave as many answers.",
        narrowed="the two bound different networks, or if a call to storage were harmless for some applications.",
        form=HOLDS_WHEN,
        sentence="you ask which of the two binds: the way in, for networks that read pictures; the size and the "
                 "bandwidth of memory, for language models.",
        more="A call back to storage is harmless where fewer requests make it than the promised percentile leaves out, "
             "or where it fits into the deadline.",
        number=f"An H100 takes in {_of(THROUGHPUT, 'in-pictures')} of pictures, more than 100 Gbit Ethernet carries. "
               f"Writing to one person with 8 billion parameters, its arithmetic is busy for "
               f"{_of(THROUGHPUT, 'one-busy')} of the time.",
        supports=(
            f"Beside the weights of an 8-billion model, an H100 has room for {_of(THROUGHPUT, 'held')} conversations "
            "of 2,048 tokens; then memory ends the batch.",
            f"Read from a solid-state drive for every answer, those weights take {_of(THROUGHPUT, 'from-ssd')}.",
            "Keeping models ready in memory, one system answered all but one request in a million within 100 ms "
            "{cite}`gujarati2020clockwork`.",
            "Once more requests miss their model than a percentile leaves out, that percentile is the time of the "
            "fetch (Lab 3.4).",
            "From the bytes of weights and cache, Lab 3.6 predicts 80 published rates of dense language models with a "
            "median error of a fifth {cite}`nvidia2025trtllm`.",
        ),
        opposes=(
            f"What a language model writes is {_of(THROUGHPUT, 'in-tokens')} for each GPU: any cable carries it.",
            "With a batch of 144, a model of 175 billion parameters ran from the host's memory and a drive, at one "
            "token a second {cite}`sheng2023flexgen`: useless for a person, cheap for an archive.",
        ),
        machines="Results of MLPerf Inference v3.0 to v5.1 and of TensorRT-LLM; LoadGen, and models in files, on the "
                 "machine that built this page.",
        page=THROUGHPUT,
    ),
    Claim(
        id="I3",
        title="One instance needs less than training, and serves one clear stream",
        words="A single instance needs less than training does, because what a platform can serve is limited by its "
              'own performance and by the application. Speech recognition works with "one, clear input stream"; a '
              "second stream makes it inoperable, and so it is with inference in general.",
        reading="Three questions: what breaks when two streams meet, how many an instance serves, and how much one "
                "instance needs.",
        overturned="a second stream did no harm anywhere, or if one instance needed as much as training.",
        narrowed="it were the model that breaks and not the platform, or if *less* were true of an answer and not of "
                 "a service.",
        form=HOLDS_WHEN,
        sentence="it is said of one answer of a small network, and of a model that was trained on single streams.",
        more="It is no rule of inference in general: how many streams an instance serves is a matter of load, and "
             "how much it needs a matter of the network, up to eight GPUs and more for one language model.",
        number=f"Wrong words rise from {_of(INSTANCE, 'overlap-none')} to {_of(INSTANCE, 'overlap-40')} when two "
               f"voices overlap for 40 % of the time; with one clear voice in each stream, one GPU follows "
               f"{_of(INSTANCE, 'riva-most')} streams.",
        supports=(
            "A recogniser trained on single voices fails on two at once {cite}`chen2020continuous,espnet2020libricss`. "
            "In Lab 3.5 an equally loud voice costs more digits than noise as loud.",
            "ResNet-50 was trained on eight GPUs, and answers on a board of 25 W "
            "{cite}`mlcommons2022training,mlcommons2023inference`.",
        ),
        opposes=(
            "Models that are trained on overlapping voices write down both {cite}`kanda2020serialized`. In Lab 3.5, "
            "the same small network names both of two digits about twice as often after learning from two at once.",
            "One core of the machine that built this page follows hundreds of clear streams (Lab 3.5).",
            "DeepSeek-V3 takes eight H200 to hold and serve; its makers ran it on 352 GPUs, later on 176, because "
            "larger is cheaper for each token {cite}`deepseek2024v3,deepseek2025inference,vllm2025recipe`.",
            "A language model serves a batch and not a stream: in Lab 3.6, a step for 16 users takes a few times as "
            "long as for one.",
            f"Fifty people who ask twice a minute keep one instance busy for {_of(INSTANCE, 'larger-busy')} of its "
            "time; one stream for each instance is the most expensive rule there is.",
        ),
        machines="Published results on speech, MLPerf and DeepSeek's own; a recogniser of digits, a server under load "
                 "and a small language model on the machine that built this page.",
        page=INSTANCE,
    ),
    Claim(
        id="E1",
        title="Edge computers are far less powerful, and that is fine",
        words="Edge computers are far less powerful than a data centre, and that is fine, because inference needs much "
              "less processing than training.",
        reading="*fine* is taken as: the networks that people want answers from at the edge can answer there in time.",
        overturned="those networks could not answer there in time, however they were made smaller.",
        narrowed="that depended on which networks those are, or if edge devices turned out to train after all.",
        form=HOLDS_WHEN,
        sentence="the network passes three tests: its bytes fit the memory, its answer the deadline, and its energy "
                 "the power that is there.",
        more="Many networks do; a language model of some billion parameters seldom does. *Because* has a gap: some "
             "edge devices train, too.",
        number=f"For one picture, a Raspberry Pi takes {_of(DEVICES, 'pi-times')} times as long as an L4, an Orin NX "
               f"{_of(DEVICES, 'nx-times')} times. The cat network needs {_of(DEVICES, 'cat-factor')} times the "
               "memory to train, in batches of 128, that it needs to answer.",
        supports=(
            "A microcontroller of 64 MHz tells pictures apart as accurately as the fastest chip in MLPerf Tiny, only "
            "later {cite}`mlcommons2024tiny`.",
            "In Lab 4.1, a memory limit that ends the training with large batches does not touch inference.",
        ),
        opposes=(
            f"An 8-billion model on an Orin NX writes about {_of(DEVICES, 'tokens')} tokens a second at best, and "
            "fits beside nothing else.",
            "In the field, the same network's time varies far more than on a bench {cite}`wu2019machine`.",
            "Phones have trained a keyboard's language model, a microcontroller some layers of a network for pictures "
            "{cite}`hard2018federated,lin2022device`.",
        ),
        machines="Results of MLPerf Inference and MLPerf Tiny; limits on the machine that built this page.",
        page=DEVICES,
    ),
    Claim(
        id="E2",
        title="Each of hundreds of sources needs sufficient resources",
        words='With hundreds or thousands of instances to support, each of the incoming sources needs "sufficient '
              'resources" to process its data.',
        reading="As it is worded it can hardly be wrong. What decides a purchase is whether sufficient resources must "
                "be *separate* ones, which the guide does not say; we test that as well.",
        overturned="a machine with less than the sources need answered them all in time.",
        narrowed="*sufficient* were a matter of all sources together, for one resource, and of each, for another.",
        form=HOLDS,
        sentence="every source needs enough, counted for all of them together by how many inputs may be waiting at "
                 "once.",
        more="Of its own, a source needs only its time before the deadline, memory for what is under way, and its "
             "state. Weights that all share serve more of them than weights of their own; a process each buys "
             "separation, not capacity.",
        number=f"At ten pictures a second within 100 ms, an L4 serves {_of(STREAMS, 'l4-resnet-one')} streams of "
               f"ResNet-50 with shared weights, {_of(STREAMS, 'l4-resnet-own')} with weights of their own. One core of "
               f"a CPU answered {_of(INSTANCES_LAB, 'shared=460')} sources in time with one network for all, and "
               f"{_of(INSTANCES_LAB, 'own=280')} with one for each.",
        supports=(
            "Models that do not fit a device's memory together are swapped in and out until pictures are dropped "
            "{cite}`padmanabhan2023gemel`.",
            "A core that was asked for more pictures than it had time for was late with the rest, whatever the sources "
            "shared (Lab 4.2).",
            f"For RetinaNet, whose one picture fills an L4, sharing brings almost nothing: "
            f"{_of(STREAMS, 'l4-retinanet-one')} streams against {_of(STREAMS, 'l4-retinanet-own')}.",
        ),
        opposes=(
            "Sources that are active for a tenth of their time share the room that little more than a tenth of them "
            "need at once (Lab 4.2).",
            "As a rule to cut the machine into parts it fails: spreading every model over all devices took up to ten "
            "times the rate of bursty requests {cite}`li2023alpaserve`.",
            f"A source at 70 % load waits {_of(STREAMS, 'wait-1')} service times alone, and "
            f"{_of(STREAMS, 'wait-10')} where ten share ten cores {{cite}}`erlang1917solution`.",
        ),
        machines="Results of MLPerf Inference on 28 edge systems; predictions that were checked against them; in the "
                 "lab, the machine that built this book.",
        page=STREAMS,
    ),
    Claim(
        id="E3",
        title="Memory belongs beside the processor, or compute with storage, and/or a fast network",
        words="Storage and memory normally belong as close to the processor as possible, for latency. At the edge the "
              "memory may be nowhere near: then you need a device with GPU or FPGA compute and storage at the edge "
              '"and/or" a high-performance, low-latency network.',
        reading="Weights that lie far away make answers late; the two remedies may be combined.",
        overturned="answers came as soon with their weights far away as with their weights near.",
        narrowed="distance mattered only for what is fetched for every answer, or if there were a remedy besides the "
                 "two.",
        form=HOLDS_WHEN,
        sentence="something has to be fetched for every answer, and what is fetched are weights.",
        more="What fits the device is fetched once, and inputs of some kilobytes feel little but the way to another "
             "machine. *And/or* is *or*: with an accelerator and its weights near, no network is needed for the "
             "answer; with a round trip shorter than the near answer, no accelerator. Making the network fit is a "
             "third remedy, and usually the cheapest.",
        number=f"Asking an L4 is worth it for a Raspberry Pi up to a round trip of {_of(MEMORY, 'pi-trip')}, and for "
               f"an AGX Orin over no link below {_of(MEMORY, 'agx-rate')}. In the lab, weights from another machine "
               f"made an answer take {_of(DISTANCE_LAB, 'far-times=many times')} as long as from memory.",
        supports=(
            f"The weights of ResNet-50 come from an AGX Orin's own memory in {_of(MEMORY, 'orin-resnet')}, over "
            f"1 Gbit Ethernet in {_of(MEMORY, 'gbe-resnet')}.",
            "Spread over four Edge TPUs so that each part fits its chip, networks ran up to 46 times as fast; four "
            "chips alone explain a factor of four {cite}`villarrubia2025improving`.",
            "Reading a word from memory beside the chip took 130 to 260 times the energy of reading it from a small "
            "memory on the chip {cite}`horowitz2014computing`.",
            f"A circuit with all weights on its FPGA answers each picture in {_of(FPGA_LAB, 'circuit=the same time')}; "
            f"of a CPU's answers, one in a thousand took {_of(FPGA_LAB, 'tail=many times')} the median (Lab 4.5).",
        ),
        opposes=(
            "Weights in 8-bit numbers, a network that was designed small, or layers that several networks share move "
            "the same bound without a new machine.",
            f"With its inputs alone on a cold drive, an answer took {_of(DISTANCE_LAB, 'drive-inputs=little more')}, "
            f"against {_of(DISTANCE_LAB, 'memory-inputs=an answer')} from memory (Lab 4.3).",
            f"A network fast enough to stand in for memory exists ({_of(MEMORY, 'hdr-speed')} for a port of HDR "
            "InfiniBand), but rarely at the edge.",
        ),
        machines="Computed from published bandwidths and times; the Edge TPUs by their authors; in the lab, the "
                 "machine that built this book, with an emulated link.",
        page=MEMORY,
    ),
    Claim(
        id="E4",
        title="A hybrid works if its latency is acceptable; in a self-driving car it is not",
        words="A hybrid could also work: the edge gathers, the cloud infers, so long as the inherent latency is "
              "acceptable; in some real-time applications, such as self-driving cars, it is not.",
        reading="In this hybrid the application waits for the cloud. A hybrid that falls back on an answer of its own "
                "is tested beside it.",
        overturned="the way to the cloud cost nothing that matters, or so much that no application could bear it.",
        narrowed="something besides latency decided, or if a car could use the cloud without depending on it.",
        form=HOLDS_WHEN,
        sentence="the slowest answer, with the sending of its input, comes before the deadline.",
        more="For a car that waits for the cloud the guide is right: the round trip may fit, the video does not, and "
             "the tail, the bandwidth and a lost link decide even where it fits. A hybrid that falls back on its own "
             "answer may use the cloud in a car, too.",
        number="A car on a city's 5G: 47 ms for the round trip on average, 202 ms from camera to screen, against the "
               "100 ms that designers set themselves from sensor to decision.",
        supports=(
            "In a car on 5G in a city, the video path alone took 202 ms on average {cite}`testouri2025teleoperated`, "
            "twice the limit of 100 ms for the slowest case {cite}`lin2018architectural`.",
            "Choosing where to cut a network made answers come 3.1 times as soon on average as with everything in the "
            "cloud {cite}`kang2017neurosurgeon`.",
        ),
        opposes=(
            "Measured by a surprised driver, who takes 1.5 s to the brake {cite}`green2000long`, even 202 ms would do.",
            "Programs that use the cloud's answer when it comes in time, and their own otherwise, avoided some "
            "accidents in simulation {cite}`schafhalter2023leveraging`.",
            "The nearest data centre is close enough for most applications {cite}`mohan2020pruning`.",
        ),
        machines="Published links and cars; a link that was slowed down and cut on the machine that built this page.",
        page=HYBRID,
    ),
    Claim(
        id="D1",
        title="These tips let a team decide what its cluster is composed of",
        words="These tips let a team decide in a more informed way what its AI cluster is composed of.",
        reading="A team that has a workload in units gets from the tips to a list of what to buy.",
        overturned="nothing in the tips moved a line of such a list.",
        narrowed="they moved some lines, and others needed numbers that the tips do not name.",
        form=HOLDS_WHEN,
        sentence="each tip gets a number of the team's own, and the team adds what no tip names: prices, and how many "
                 "operations its network takes.",
        more="Then a bill comes out, with an interval on every line. Without the numbers the tips move no line at all.",
        number=f"Of the {_of(PLAN_LAB, 'moves=15')} inputs that move the five examples' months most, "
               f"{_of(PLAN_LAB, 'unnamed=9')} are named by no tip.",
        supports=(
            "What the tips name, as numbers, are inputs of [the planner](/book/5-capstone/index.md), and move lines of "
            "its bill.",
            "From inputs of that kind, half of the published systems that the planner knows are predicted within a "
            f"factor of {_of(EVIDENCE, 'median')}.",
        ),
        opposes=(
            "What a rented hour and a device cost moves most plans as much as anything that the guide names.",
            "For nine in ten published systems the prediction is within a factor of "
            f"{_of(EVIDENCE, 'p90')}, and for the worst it is not: a plan is a range, and the tips give none.",
            "For a mixture of experts in service two are published, which differ: its interval is wide, and a smaller "
            "one gets no number.",
        ),
        machines="Published systems; workloads of five kinds.",
        page="book/5-capstone/index",
    ),
)


def claim(id: str) -> Claim:
    """Return the claim with an id.

    Raises:
        ValueError: no such claim.
    """
    for each in CLAIMS:
        if each.id == id:
            return each
    raise ValueError(f"There is no claim {id!r}. There are {', '.join(each.id for each in CLAIMS)}.")


def of_chapter(chapter: str) -> tuple[Claim, ...]:
    """Return the claims of a chapter, `"2"`."""
    return tuple(each for each in CLAIMS if each.chapter == chapter)


def show(*ids: str) -> Shown:
    """Show the verdicts on some claims in a notebook, and how its statements came out on this machine.

    Raises:
        ValueError: an id that is none.
    """
    return Shown(tuple(map(claim, ids)))
