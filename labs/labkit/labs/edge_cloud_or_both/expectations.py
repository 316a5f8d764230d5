"""What Lab 4.4 expects of its measurements."""

from __future__ import annotations

from labkit.expectation import Expectation

LARGE_IS_BETTER = Expectation(
    "large-is-better",
    "The large network is right in {large:.1f} % of the pictures, the small one in {small:.1f} %.",
    "Networks that have learned for a short time only lie close together: take more effort.",
    lambda small, large: large > small)

CASCADE_AS_GOOD = Expectation(
    "cascade-as-good",
    "The cascade is right in {cascade:.1f} % of the pictures, the large network in {large:.1f} %.",
    "The small network is sure of wrong answers: it has learned for a short time only.",
    lambda cascade, large: cascade > large - 1)

LINK_AS_ASKED = Expectation(
    "link-as-asked",
    "Over the {backend}, the round trip is {trip:.1f} times what was asked for, the bandwidth {rate:.2f} times.",
    "The emulated link costs more here than it emulates: its process waits for a core, as on one core beside other "
    "work. What was measured below contains that.",
    lambda backend, trip, rate: 1 < trip < 3 and 0.3 < rate < 1.2)

PREDICTION = Expectation(
    "prediction",
    "The predicted times are off by {error:.0%} in the median.",
    "The processes of this lab wait for each other's core here, or the machine's speed changed since its calibration.",
    lambda error: error < 0.3)

WEAK_EDGE_ASKS = Expectation(
    "weak-edge-asks",
    "For an edge that is 512 times slower, the cloud is predicted to be faster up to a round trip of {trip:.3f} s.",
    "Messages take so long on this machine that not even a weak edge gains by sending them.",
    lambda trip: trip > 0.005)

TAIL_OF_THE_CASCADE = Expectation(
    "tail-of-the-cascade",
    "The cascade's median answer takes {median:.4f} s, its p99 {tail:.3f} s; the cloud's median takes {cloud:.3f} s.",
    "The small network is sure of few pictures, or computing takes as long as the link here.",
    lambda median, tail, cloud: median < cloud / 3 and tail > 0.02)

FEWER_BYTES = Expectation(
    "fewer-bytes",
    "The cascade sent {share:.0%} of the cloud's bytes.",
    "The small network is sure of few pictures: it has learned for a short time only.",
    lambda share: share < 0.7)

CUT_IS_WORST = Expectation(
    "cut-is-worst",
    "The median answer takes {cut:.4f} s with a cut after layer 1, {cloud:.4f} s in the cloud, {edge:.4f} s at the "
    "edge.",
    "The link's own delays vary by more here than the cut adds.",
    lambda cut, cloud, edge: cut > cloud > edge)

SHARP_TURN = Expectation(
    "sharp-turn",
    "{near:.0f} % of the answers keep the deadline at half of the predicted turn, {far:.0f} % at 1.2 times it.",
    "Other programs hold answers up, or the machine is faster or slower than its calibration says.",
    lambda near, far: near > 80 and far < 20)

NONE_WAITS_LONG = Expectation(
    "none-waits-long",
    "While the link was down, no answer took longer than {slowest:.2f} s, at a deadline of 0.1 s.",
    "Other programs held the device up.",
    lambda slowest: slowest < 0.3)

CLOUD_COMES_BACK = Expectation(
    "cloud-comes-back",
    "The cloud answered {during} pictures while the link was down, and again {back:.2f} s after it was there.",
    "The device had not found the cloud again when the last picture came: connecting takes long here.",
    lambda during, back: during == 0)

LATENCY_IS_SMALL = Expectation(
    "latency-is-small",
    "Asking the cloud over 5G costs {metres:.1f} m at 130 km/h; a driver who did not expect to brake costs "
    "{driver:.0f} m.",
    "Computing or sending takes so long on this machine that it, and not the link, is what the car waits for.",
    lambda metres, driver: 0 < metres < driver / 5)
