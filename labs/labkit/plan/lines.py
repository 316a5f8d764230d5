"""The lines of the bill: each is a function whose arguments are inputs, constants or other lines, by their names.

So a line says what it depends on, and what moves when it moves. The formulas are those of `labkit.predict`; here they
are put together. `labkit.plan.javascript` translates this module for the page: a body is arithmetic, `math`, `max`,
`min` and formulas of `predict`, and the first line of its docstring is the formula in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from labkit.predict import boards, checkpoints, decoding, erlang, fabric, input_pipeline, roofline, training_time
from labkit.predict import streams as shared_device
from labkit.specs.network import RESNET_50_FLOP

DAY, YEAR_DAYS, MONTH_HOURS = 86400, 365, 730
MIXTURE = 1.5  # all parameters over the active ones, from which on a network is a mixture of experts
# Active parameters of mixtures whose services are published, Mixtral 8x7B and DeepSeek-R1, and a factor of two from it.
LEAST_MIXTURE, MOST_MIXTURE = 12.9e9 / 2, 37e9 * 2
TOGETHER = 128  # accelerators that hold a model together: DeepSeek-V3's own units have 144 (data/plan/evidence.csv)
LARGEST = 16384  # accelerators of one training: Llama 3.1 405B (Grattafiori et al. 2024, table 4)


@dataclass(frozen=True)
class Rule:
    """A condition: a line has no number outside of it (`stops`), or a plan does not meet the workload (no `stops`).

    `says` is the sentence where it fails, and `checks` the one where a plan keeps it, shown where the input or line
    `when` is not 0. `{name}` in them stands for the value of an input or a line, `{name:B}` for one with its unit.
    """

    name: str
    stops: str
    says: str
    checks: str
    when: str
    formula: Callable[..., bool]

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The names of what it is judged by."""
        return self.formula.__code__.co_varnames[:self.formula.__code__.co_argcount]


@dataclass(frozen=True)
class Line:
    """One line of the bill.

    Args:
        name, label, unit: as formulas and as readers call it, and its unit.
        part: of the bill that it stands in.
        shown: whether the bill shows it, or only the lines that are made of it.
        when: an input or a line without which, at 0, it is of no interest; "" for none.
        published: whether its number is one that others published, as it stands.
        formula: computes it.
    """

    name: str
    label: str
    unit: str
    part: str
    shown: bool
    when: str
    published: bool
    formula: Callable[..., float]

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The names of what it is computed from."""
        return self.formula.__code__.co_varnames[:self.formula.__code__.co_argcount]

    @property
    def words(self) -> str:
        """The formula in words."""
        return self.formula.__doc__.split("\n")[0].rstrip(".")


LINES: dict[str, Line] = {}
RULES: dict[str, Rule] = {}
TRAINING, SERVING, EDGE, WHOLE, MONEY = "Training", "Inference", "Edge", "Together", "Money"
_WHEN = {TRAINING: "runs", SERVING: "requests_at_peak", EDGE: "sites", WHOLE: "", MONEY: ""}


def _line(label: str, unit: str, part: str, *, shown: bool = True, when: str = "", published: bool = False) -> Callable:
    def register(formula: Callable[..., float]) -> Callable[..., float]:
        name = formula.__name__
        LINES[name] = Line(name, label, unit, part, shown, when or _WHEN[part], published, formula)
        return formula
    return register


def _rule(says: str, stops: str = "", checks: str = "", when: str = "") -> Callable:
    def register(formula: Callable[..., bool]) -> Callable[..., bool]:
        RULES[formula.__name__] = Rule(formula.__name__, stops, says, checks, when, formula)
        return formula
    return register


def mixture(parameters, active_parameters):
    """Return whether a network is a mixture of experts: a token asks a part of all parameters only."""
    return parameters > MIXTURE * active_parameters


# Training


@_line("Operations of one training", "FLOP", TRAINING)
def training_operations(operations, samples, passes):
    """Three times the operations of a forward pass, for every sample of every pass."""
    return training_time.operations(operations / 2, samples * passes)


@_line("Accelerator hours of one training", "h", TRAINING)
def training_hours(training_operations, training_peak, training_share):
    """The operations, over the peak of an accelerator times the share of it that trainings reach."""
    return training_time.seconds(training_operations, 1, training_peak, training_share) / 3600


@_line("Accelerators that the deadline needs", "", TRAINING, shown=False)
def accelerators_for_deadline(training_hours, deadline_days):
    """The accelerator hours over the hours until the deadline, rounded up."""
    return math.ceil(training_hours / (24 * deadline_days))


@_line("Accelerators that the training state needs", "", TRAINING, shown=False)
def accelerators_for_state(parameters, state_bytes, memory_bytes, training_fill):
    """Weights, gradients and the optimiser's state over what an accelerator's memory has for them, rounded up."""
    return math.ceil(parameters * state_bytes / (memory_bytes * training_fill))


@_line("Accelerators that a year's trainings need", "", TRAINING, shown=False)
def accelerators_for_year(runs, training_hours):
    """The accelerator hours of all trainings of a year, one after the other, over the hours of a year, rounded up."""
    return math.ceil(runs * training_hours / (24 * YEAR_DAYS))


@_line("Least days of one training", "days", TRAINING, shown=False)
def least_training_days(training_hours):
    """The accelerator hours, shared by the most accelerators that are known to have trained together."""
    return training_hours / LARGEST / 24


@_line("Training accelerators", "", TRAINING)
def training_accelerators(runs, accelerators_for_deadline, accelerators_for_state, accelerators_for_year):
    """The largest of what the deadline, the memory and the year's trainings need; none where nothing is trained."""
    return max(accelerators_for_deadline, accelerators_for_state, accelerators_for_year) if runs > 0 else 0


@_line("Weights, gradients and optimiser on each training accelerator", "B", TRAINING)
def training_state(parameters, state_bytes, training_accelerators):
    """The bytes of training state of all parameters, over the accelerators; the rest of a memory is for activations."""
    return parameters * state_bytes / max(training_accelerators, 1)


@_line("Days of one training", "days", TRAINING)
def training_days(training_hours, training_accelerators):
    """The accelerator hours, shared by the accelerators."""
    return training_hours / max(training_accelerators, 1) / 24


@_line("Training nodes", "nodes", TRAINING)
def training_nodes(training_accelerators, node_accelerators):
    """The accelerators over those of a node, rounded up."""
    return math.ceil(training_accelerators / node_accelerators)


@_line("Network of each training node", "B/s", TRAINING, published=True)
def training_network(training_nodes, node_network):
    """What the published trainings had, where there is more than one node."""
    return node_network if training_nodes > 1 else 0


@_line("Hours from failure to failure", "h", TRAINING)
def hours_between_failures(failure_hours, training_accelerators):
    """The hours of one accelerator, over all of them."""
    return failure_hours / max(training_accelerators, 1)


@_line("Size of a checkpoint", "B", TRAINING)
def checkpoint_bytes(parameters):
    """Twelve bytes for each parameter: weights and the optimiser's two moments."""
    return checkpoints.size(parameters, checkpoints.STATE)


@_line("Minutes from checkpoint to checkpoint", "min", TRAINING)
def checkpoint_minutes(save_seconds, hours_between_failures):
    """The root of twice the time of a save times that between failures (Young)."""
    return checkpoints.interval(save_seconds, 3600 * hours_between_failures) / 60


@_line("Time lost to failures", "%", TRAINING)
def lost_percent(save_seconds, hours_between_failures):
    """One and a half times the time of a save, over that between failures: saves are written while training goes on."""
    return 100 * checkpoints.lost_beside(save_seconds, 3600 * hours_between_failures)


@_line("Reading of training data", "B/s", TRAINING, shown=False)
def feed_bandwidth(runs, samples, passes, sample_bytes, training_days):
    """The samples a second of a training times their size; none where nothing is trained."""
    return input_pipeline.needed(samples * passes / (DAY * training_days), sample_bytes, 0, 0) if runs > 0 else 0


@_line("Writing of checkpoints", "B/s", TRAINING, shown=False)
def checkpoint_bandwidth(runs, checkpoint_bytes, save_seconds):
    """The size of a checkpoint over the time in which it is to be written; none where nothing is trained."""
    return checkpoint_bytes / save_seconds if runs > 0 else 0


# Inference


@_line("Requests from the sites", "/s", SERVING, shown=False)
def site_requests(sites, streams, frame_rate, cloud_percent):
    """The frames a second of all sites, times the share that the cloud answers."""
    return sites * streams * frame_rate * cloud_percent / 100


@_line("Requests of the service that are planned for", "/s", SERVING, shown=False)
def service_requests(peak_rate, mean_rate, batch_hours):
    """Those of the peak; of a batch a day's, on average, over the hours in which it is answered."""
    return mean_rate * 24 / batch_hours if batch_hours > 0 else peak_rate


@_line("Requests at the peak, all", "/s", SERVING, shown=False)
def requests_at_peak(service_requests, site_requests):
    """Those of the service and those of the sites."""
    return service_requests + site_requests


@_line("Time that a token may take", "s", SERVING, shown=False)
def token_deadline(each_seconds, batch_hours, written):
    """What is allowed; in a batch, where nobody waits for it, its hours over the tokens of an answer."""
    return 3600 * batch_hours / max(written, 1) if batch_hours > 0 else each_seconds


@_line("Share of the peak that the service reaches", "", SERVING, shown=False)
def serving_share(transformer, parameters, active_parameters, serving_share_transformer, serving_share_mixture,
                  serving_share_convolutional):
    """That of published services of the same kind: dense transformers, mixtures of experts, or convolutions."""
    written = serving_share_mixture if mixture(parameters, active_parameters) else serving_share_transformer
    return written if transformer > 0 else serving_share_convolutional


@_line("Size of the weights", "B", SERVING)
def weights_bytes(parameters, format_bytes, weights_factor):
    """All parameters times the bytes of the format, and a margin for layers that stay wider."""
    return parameters * format_bytes * weights_factor


@_line("Memory of one conversation", "B", SERVING, shown=False)
def conversation_bytes(read, written, token_bytes):
    """All tokens that it reads and writes, times the memory of one."""
    return (read + written) * token_bytes


@_line("Memory of an accelerator for weights and conversations", "B", SERVING, shown=False)
def room_bytes(memory_bytes, usable_memory, runtime_bytes):
    """The memory that a server takes, less the runtime's own."""
    return memory_bytes * usable_memory - runtime_bytes


@_line("Accelerators of a replica", "", SERVING)
def replica_accelerators(weights_bytes, conversation_bytes, room_bytes, replica_least):
    """The smallest power of two whose memory holds the weights and a conversation, and that is as large as you ask."""
    return 2 ** max(math.ceil(math.log2(max((weights_bytes + conversation_bytes) / room_bytes, replica_least))), 0)


@_line("Accelerators of a replica that work on one token together", "", SERVING, shown=False)
def accelerators_together(replica_accelerators, node_accelerators):
    """Those of a replica, but no more than those of a node: each layer's sums are exchanged within it."""
    return min(replica_accelerators, node_accelerators)


@_line("Nodes that a replica spans", "nodes", SERVING)
def replica_stages(replica_accelerators, accelerators_together):
    """Its accelerators over those that work together: each node holds some layers, and a token passes one by one."""
    return replica_accelerators / accelerators_together


@_line("Conversations that the memory of a replica holds", "", SERVING, shown=False)
def conversations_held(room_bytes, replica_accelerators, weights_bytes, conversation_bytes):
    """The memory that the weights leave, over that of a conversation."""
    return decoding.held(room_bytes * replica_accelerators, weights_bytes, max(conversation_bytes, 1))


@_line("Least time of one token", "s", SERVING, shown=False)
def least_token_seconds(weights_bytes, conversation_bytes, accelerators_together, memory_bandwidth, bandwidth_share):
    """The weights and one conversation, over the bandwidth that works together times the share that writing reaches."""
    return (weights_bytes + conversation_bytes) / (accelerators_together * memory_bandwidth * bandwidth_share)


@_line("Conversations for which a token comes in time, by memory bandwidth", "", SERVING, shown=False)
def conversations_by_bandwidth(token_deadline, accelerators_together, memory_bandwidth, bandwidth_share, weights_bytes,
                               conversation_bytes, replica_stages):
    """The bytes that come in the time of a token, less the weights, over those of a conversation; in each stage."""
    delivered = token_deadline * accelerators_together * memory_bandwidth * bandwidth_share
    return replica_stages * max(math.floor((delivered - weights_bytes) / max(conversation_bytes, 1)), 0)


@_line("Conversations for which a token comes in time, by arithmetic", "", SERVING, shown=False)
def conversations_by_arithmetic(token_deadline, accelerators_together, serving_peak, serving_share, operations,
                                replica_stages):
    """The operations that are done in the time of a token, over those of one token; in each stage."""
    done = token_deadline * accelerators_together * serving_peak * serving_share
    return replica_stages * math.floor(done / operations)


@_line("Conversations at once in a replica", "", SERVING, when="written")
def conversations(conversations_held, conversations_by_bandwidth, conversations_by_arithmetic):
    """The least of what memory, its bandwidth and arithmetic allow."""
    return min(conversations_held, conversations_by_bandwidth, conversations_by_arithmetic)


@_line("Reading of one request", "s", SERVING)
def read_seconds(operations, read, accelerators_together, serving_peak, serving_share):
    """The operations of all that is read, over the peak that works together times the share that services reach."""
    return decoding.prompt(operations, read, accelerators_together * serving_peak * serving_share)


@_line("Time of one token for all conversations", "s", SERVING, when="written")
def token_seconds(conversations, replica_stages, operations, weights_bytes, conversation_bytes, accelerators_together,
                  serving_peak, serving_share, memory_bandwidth, bandwidth_share):
    """The longer of arithmetic and of reading weights and conversations, of those that are in one stage at once."""
    here = max(conversations, 1) / replica_stages
    return roofline.seconds(here * operations, weights_bytes + here * conversation_bytes,
                            accelerators_together * serving_peak * serving_share,
                            accelerators_together * memory_bandwidth * bandwidth_share)


@_line("Time of a replica that a request takes", "s", SERVING)
def request_seconds(read_seconds, replica_stages, written, token_seconds, conversations):
    """Its reading, while others read in other stages, and its share of the time of each token that it writes."""
    return read_seconds / replica_stages + written * token_seconds / max(conversations, 1)


@_line("Memory of a replica: weights, cache, activations and runtime", "B", SERVING)
def replica_memory(weights_bytes, conversations, conversation_bytes, runtime_bytes, replica_accelerators):
    """The weights, the conversations at once, and what the runtime takes on each accelerator."""
    return weights_bytes + max(conversations, 1) * conversation_bytes + runtime_bytes * replica_accelerators


@_line("Memory of a replica that a server takes", "B", SERVING, shown=False)
def replica_memory_there(memory_bytes, usable_memory, replica_accelerators):
    """That of its accelerators, times the share that a server takes."""
    return memory_bytes * usable_memory * replica_accelerators


@_line("Replicas", "", SERVING)
def replicas(requests_at_peak, request_seconds, headroom, spare_percent):
    """The peak's requests times the time of one, over the share of capacity that the peak may take, and the spare."""
    return math.ceil(math.ceil(requests_at_peak * request_seconds / headroom) * (1 + spare_percent / 100))


@_line("Inference accelerators", "", SERVING)
def inference_accelerators(replicas, replica_accelerators):
    """The replicas times the accelerators of each."""
    return replicas * replica_accelerators


@_line("Inference nodes", "nodes", SERVING)
def inference_nodes(inference_accelerators, node_accelerators):
    """The accelerators over those of a node, rounded up."""
    return math.ceil(inference_accelerators / node_accelerators)


@_line("Replicas at work at the peak", "%", SERVING, shown=False)
def busy_percent(requests_at_peak, request_seconds, replicas):
    """The peak's requests times the time of one, over the replicas."""
    return 100 * requests_at_peak * request_seconds / max(replicas, 1)


@_line("First answer or token", "s", SERVING)
def first_answer_seconds(read_seconds, start_seconds, replicas, busy_percent, percentile):
    """The start and the reading, and the wait that the percentile does not exceed if requests come at random."""
    wait = erlang.longest(max(replicas, 1), busy_percent / 100, percentile / 100)
    return (start_seconds + read_seconds) * (1 + wait)


@_line("Input of the service", "B/s", SERVING)
def service_bandwidth(service_requests, read, sample_bytes, site_requests, frame_bytes):
    """What the requests bring."""
    return service_requests * read * sample_bytes + site_requests * frame_bytes


# Edge


@_line("Answer of an edge device", "s", EDGE)
def device_seconds(device_latency, operations, operations_error):
    """Its published latency for ResNet-50, by the operations."""
    return boards.seconds(device_latency, operations, RESNET_50_FLOP) * operations_error


@_line("Best rate of an edge device", "/s", EDGE)
def device_rate(device_best_rate, operations, operations_error):
    """Its published rate for ResNet-50, by the operations."""
    return 1 / (boards.seconds(1 / device_best_rate, operations, RESNET_50_FLOP) * operations_error)


@_line("Streams that one edge device serves in time", "", EDGE)
def streams_of_device(device_seconds, device_rate, deadline_seconds, frame_rate):
    """As many as two batches hold until the deadline, or until a stream's next frame."""
    return shared_device.shared(device_seconds, device_rate, min(deadline_seconds, 1 / frame_rate))


@_line("Edge devices of a site", "", EDGE)
def devices_of_site(streams, streams_of_device, cloud_percent):
    """The streams over those of a device, rounded up; none where the cloud answers all."""
    return math.ceil(streams / max(streams_of_device, 1)) if cloud_percent < 100 else 0


@_line("Edge devices, all", "", EDGE)
def devices(sites, devices_of_site, spare_percent):
    """Those of all sites, and the spare."""
    return math.ceil(sites * devices_of_site * (1 + spare_percent / 100))


@_line("Power at a site", "W", EDGE)
def site_watts(devices_of_site, device_watts):
    """The devices times the power of each."""
    return devices_of_site * device_watts


@_line("Traffic of a site", "bit/s", EDGE, when="site_requests")
def site_traffic(streams, frame_rate, frame_bytes, cloud_percent):
    """The frames a second times their size, times the share that the cloud answers."""
    return 8 * streams * frame_rate * frame_bytes * cloud_percent / 100


@_line("Answer from the cloud at a site", "s", EDGE, when="site_requests")
def cloud_answer_seconds(round_trip_seconds, frame_bytes, link_mbit, first_answer_seconds, device_seconds,
                         cloud_percent):
    """The round trip, the sending of a frame, the cloud's answer, and in a hybrid the device's own before it."""
    before = device_seconds if cloud_percent < 100 else 0
    return round_trip_seconds + 8 * frame_bytes / (1e6 * link_mbit) + first_answer_seconds + before


# Together


@_line("Accelerators", "", WHOLE)
def accelerators(training_accelerators, inference_accelerators):
    """Those of training and those of inference."""
    return training_accelerators + inference_accelerators


@_line("Nodes", "nodes", WHOLE)
def nodes(training_nodes, inference_nodes):
    """Those of training and those of inference."""
    return training_nodes + inference_nodes


@_line("Accelerator memory", "B", WHOLE)
def accelerator_memory(accelerators, memory_bytes):
    """That of all accelerators."""
    return accelerators * memory_bytes


@_line("Memory of the nodes", "B", WHOLE)
def host_memory(nodes, host_memory_bytes):
    """What nodes with eight accelerators are sold with, for each."""
    return nodes * host_memory_bytes


@_line("Links from nodes to switches", "", WHOLE, when="node_links")
def node_links(training_nodes, inference_nodes, replica_stages, node_ports):
    """The ports of each node that computes together with others."""
    joined = (training_nodes if training_nodes > 1 else 0) + (inference_nodes if replica_stages > 1 else 0)
    return joined * node_ports


@_line("Ports of the switches", "", WHOLE, when="node_links")
def fabric_ports(node_links, switch_ports):
    """One for each link, three with a second tier, five with a third: the network is nowhere narrower."""
    return fabric.fabric_ports(node_links, switch_ports)


@_line("Switches", "", WHOLE, when="node_links")
def switches(fabric_ports, switch_ports):
    """The ports over those of one, rounded up."""
    return math.ceil(fabric_ports / switch_ports)


@_line("Most links of a network with three tiers", "", WHOLE, shown=False)
def most_links(switch_ports):
    """A fourth of the third power of a switch's ports."""
    return fabric.most_ends(switch_ports)


@_line("Storage", "B", WHOLE)
def storage_bytes(runs, samples, sample_bytes, growth_percent, horizon_years, checkpoint_bytes, checkpoints_kept,
                  weights_bytes):
    """The data as they will have grown and the checkpoints that are kept, where something is trained; the weights."""
    data = samples * sample_bytes * (1 + growth_percent / 100) ** horizon_years
    return (data + checkpoint_bytes * checkpoints_kept if runs > 0 else 0) + weights_bytes


@_line("Bandwidth of the storage", "B/s", WHOLE, when="runs")
def storage_bandwidth(feed_bandwidth, checkpoint_bandwidth):
    """The larger of reading the data and writing checkpoints."""
    return max(feed_bandwidth, checkpoint_bandwidth)


@_line("Power of the data centre", "W", WHOLE)
def watts(accelerators, accelerator_watts, host_factor, pue):
    """That of the accelerators, with their nodes and with the building."""
    return accelerators * accelerator_watts * host_factor * pue


@_line("Power of all sites", "W", WHOLE, when="sites")
def edge_watts(sites, site_watts):
    """That of a site, for all."""
    return sites * site_watts


# Money


@_line("Accelerator hours of a month, if rented", "h", MONEY)
def rented_hours(runs, training_hours, inference_accelerators):
    """Those of a twelfth of the year's trainings, and inference round the clock."""
    return runs * training_hours / 12 + inference_accelerators * MONTH_HOURS


@_line("Accelerators rented, a month", "USD", MONEY)
def rented_month(rented_hours, rent_usd):
    """The hours times the rent."""
    return rented_hours * rent_usd


@_line("Accelerators bought", "USD", MONEY)
def bought(accelerators, buy_usd):
    """The accelerators times the price of one, with its share of the node."""
    return accelerators * buy_usd


@_line("Accelerators bought, a month", "USD", MONEY)
def bought_month(bought, horizon_years, watts, power_usd):
    """The price over the months until it is written off, and their electricity."""
    return bought / (12 * horizon_years) + watts / 1000 * MONTH_HOURS * power_usd


@_line("Edge devices bought", "USD", MONEY, when="sites")
def devices_bought(devices, device_usd):
    """The devices times the price of one."""
    return devices * device_usd


@_line("Edge, a month", "USD", MONEY, when="sites")
def edge_month(devices_bought, horizon_years, edge_watts, power_usd, sites, site_traffic, link_usd_per_gb):
    """The devices' price over the months, their electricity, and the traffic round the clock."""
    traffic = sites * site_traffic / 8e9 * 3600 * MONTH_HOURS * link_usd_per_gb
    return devices_bought / (12 * horizon_years) + edge_watts / 1000 * MONTH_HOURS * power_usd + traffic


@_line("Storage, a month", "USD", MONEY)
def storage_month(storage_bytes, storage_usd):
    """The terabytes times their price."""
    return storage_bytes / 1e12 * storage_usd


@_line("All, a month, accelerators rented", "USD", MONEY)
def month_if_rented(rented_month, edge_month, storage_month):
    """Accelerators, edge and storage."""
    return rented_month + edge_month + storage_month


@_line("All, a month, accelerators bought", "USD", MONEY)
def month_if_bought(bought_month, edge_month, storage_month):
    """Accelerators, edge and storage."""
    return bought_month + edge_month + storage_month


# Outside of these a formula has not been held against the world, and its line has no number


@_rule("The trainings that the share of the peak is from have 8 to 405 billion active parameters if they are "
       "transformers, and 26 million if they are convolutional. Within a factor of ten of that there is a number.",
       stops="training_hours")
def training_is_known(runs, transformer, active_parameters):
    """Whether published trainings are near."""
    near = 0.8e9 <= active_parameters <= 4e12 if transformer > 0 else 2.5e6 <= active_parameters <= 256e6
    return near or runs == 0


@_rule("It would take {training_accelerators} accelerators, and the largest published training that the course knows "
       "had 16,384. Allow {least_training_days} days or more for a training, or plan fewer in a year.",
       stops="training_accelerators")
def training_is_built(training_accelerators, least_training_days):
    """Whether so many have trained together."""
    return training_accelerators <= LARGEST


@_rule("The weights with a conversation need {replica_accelerators} accelerators together. The largest units that are "
       "published have 144: take a narrower number format, or accelerators with more memory.",
       stops="replica_accelerators")
def replica_is_known(replica_accelerators, requests_at_peak):
    """Whether so many are known to have held a model."""
    return replica_accelerators <= TOGETHER or requests_at_peak == 0


@_rule("The mixtures of experts whose services are published have 13 to 37 billion active parameters. Within a factor "
       "of two of that there is a number; smaller ones answer at far lower shares of the peak.", stops="conversations")
def mixture_is_known(parameters, active_parameters, transformer, requests_at_peak):
    """Whether it is dense, or published services are near."""
    near = transformer > 0 and LEAST_MIXTURE <= active_parameters <= MOST_MIXTURE
    return near or not mixture(parameters, active_parameters) or requests_at_peak == 0


@_rule("The services that the shares are from have 8 to 405 billion parameters. Within a factor of ten of that there "
       "is a number.", stops="conversations")
def service_is_known(active_parameters, written, requests_at_peak):
    """Whether published services are near, for what writes."""
    return 0.8e9 <= active_parameters <= 4e12 or written == 0 or requests_at_peak == 0


@_rule("Not even a single conversation gets its next token within {each_seconds} s: reading the weights from memory "
       "takes {least_token_seconds} s. Allow that, take a narrower format or an accelerator with more bandwidth, or "
       "give a replica more of them: replica_least.",
       stops="conversations")
def tokens_in_time(conversations, token_deadline, least_token_seconds, written, requests_at_peak):
    """Whether tokens come in time."""
    return conversations >= 1 or written == 0 or requests_at_peak == 0


@_rule("It would take {replicas} replicas. The queue's formula has been tried up to 10,000.", stops="replicas")
def service_is_built(replicas):
    """Whether the queue's formula is known to hold."""
    return replicas <= 10000


@_rule("The devices' published results are of convolutional networks of 8 billion operations: there is a number within "
       "a factor of a hundred of that.", stops="device_seconds")
def device_is_known(sites, cloud_percent, transformer, operations):
    """Whether the network is like the published one."""
    return sites == 0 or cloud_percent >= 100 or (transformer == 0 and 8.2e7 <= operations <= 8.2e11)


# What a plan must keep


@_rule("The weights, gradients and optimiser take {training_state:B} of an accelerator, and its memory is "
       "{memory_bytes:B}. Take an accelerator with more memory.",
       checks="Memory of a training accelerator: {training_state:B} of state in {memory_bytes:B}; the rest is for "
       "activations.", when="runs")
def training_state_fits(training_state, memory_bytes, training_fill, runs):
    """Whether activations find room beside the state."""
    return training_state <= training_fill * memory_bytes or runs == 0


@_rule("A replica takes {replica_memory:B} for weights, cache, activations and runtime, and has "
       "{replica_memory_there:B}. Take an accelerator with more memory.",
       checks="Memory of a replica: {replica_memory:B} of weights, cache, activations and runtime in "
       "{replica_memory_there:B} that a server takes.", when="requests_at_peak")
def replica_fits(replica_memory, replica_memory_there, requests_at_peak):
    """Whether what a replica takes fits."""
    return replica_memory <= replica_memory_there * (1 + 1e-9) or requests_at_peak == 0


@_rule("The network has {node_links} links, and three tiers of switches with {switch_ports} ports join {most_links}.",
       checks="Ports: {node_links} links take {fabric_ports} ports of switches with {switch_ports} each.",
       when="node_links")
def network_is_built(node_links, most_links):
    """Whether three tiers of switches join the nodes."""
    return node_links <= most_links


@_rule("The data centre draws {watts:W} and has {room_watts:W}. Take accelerators that do more per watt, or allow more "
       "time.",
       checks="Power of the data centre: {watts:W} of {room_watts:W}.", when="room_watts")
def room_has_power(watts, room_watts):
    """Whether the room's power suffices, where it is stated."""
    return watts <= room_watts or room_watts == 0


@_rule("Nothing is asked: state trainings in a year, requests of a service, or sites.")
def something_is_asked(runs, requests_at_peak, sites, peak_rate):
    """Whether there is anything to plan."""
    return runs > 0 or requests_at_peak > 0 or sites > 0 or peak_rate > 0


@_rule("A batch is planned by its requests on average, and none are stated: give mean_rate.")
def batch_is_stated(batch_hours, mean_rate, peak_rate):
    """Whether the requests of a batch are known."""
    return batch_hours == 0 or mean_rate > 0 or peak_rate == 0


@_rule("A failure comes every {hours_between_failures} h, and {lost_percent:%} of the time is lost to it: more than a "
       "tenth. Write checkpoints faster, or train on fewer accelerators for longer.",
       checks="Failures: one in {hours_between_failures} h; {lost_percent:%} of the time is lost to them, "
              "at most 10 %.",
       when="runs")
def failures_are_rare(lost_percent, runs):
    """Whether a training gets on between failures."""
    return lost_percent <= 10 or runs == 0


@_rule("The first answer comes after {first_answer_seconds} s at the earliest, and {first_seconds} s are allowed. The "
       "reading alone takes {read_seconds} s: ask for less to be read, take a faster accelerator, give a replica more "
       "of them (replica_least), or allow {first_answer_seconds} s.",
       checks="First answer: after {first_answer_seconds:s}; allowed are {first_seconds:s}, or any time in a batch.",
       when="requests_at_peak")
def first_answer_in_time(first_answer_seconds, first_seconds, requests_at_peak, batch_hours):
    """Whether the first answer is in time, where somebody waits for it."""
    return first_answer_seconds <= first_seconds or requests_at_peak == 0 or batch_hours > 0


@_rule("One stream alone misses its time: an edge device takes {device_seconds} s for an answer, and has "
       "{deadline_seconds} s, and until the next frame. Allow more, or take a faster device.",
       checks="Edge devices: one answers in {device_seconds:s} and serves {streams_of_device} streams in time.",
       when="devices")
def device_in_time(streams_of_device, sites, cloud_percent, deadline_seconds, device_seconds):
    """Whether an edge device serves a stream at all."""
    return streams_of_device >= 1 or sites == 0 or cloud_percent >= 100


@_rule("A site needs {site_watts} W and has {power_watts} W. Take fewer streams, a slower frame rate, or the cloud.",
       checks="Power at a site: {site_watts:W} of {power_watts:W}.", when="sites")
def site_has_power(site_watts, power_watts, sites):
    """Whether a site's power suffices."""
    return site_watts <= power_watts or sites == 0


@_rule("A site sends {site_traffic:bit/s}, more than seven tenths of its link of {link_mbit} Mbit/s. Answer more at "
       "the edge, or send smaller frames.",
       checks="Link of a site: {site_traffic:bit/s} of {link_mbit} Mbit/s, seven tenths at most.", when="site_requests")
def link_has_room(site_traffic, link_mbit, sites, headroom):
    """Whether a site's link suffices."""
    return site_traffic <= headroom * 1e6 * link_mbit or sites == 0


@_rule("The cloud's answer is there after {cloud_answer_seconds} s, and {deadline_seconds} s are allowed. Answer at "
       "the edge, or allow {cloud_answer_seconds} s.",
       checks="Answer of the cloud: after {cloud_answer_seconds:s}; allowed are {deadline_seconds:s}.",
       when="site_requests")
def cloud_in_time(cloud_answer_seconds, deadline_seconds, sites, cloud_percent):
    """Whether what the cloud answers is in time."""
    return cloud_answer_seconds <= deadline_seconds or sites == 0 or cloud_percent == 0
