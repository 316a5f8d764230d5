"""The same service on Ray Serve, which spreads replicas of it over the machines of a cluster.

Ray's proxies take the requests and deal them out; each replica keeps its own queue and makes its own batches. It needs
the extra `ray` (`pip install "cluster-to-edge[ray]"`), and no lab needs it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

ONGOING = 1_000  # requests that Ray lets into a replica: more than the queue has room for, so that the queue decides


def deployment(network: str | Path, replicas: int = 1, **settings):
    """Return what `ray.serve.run` deploys.

    Args:
        network: an ONNX file of the course, at the same path on every machine.
        replicas: how many servers share the requests.
        settings: of `labkit.serving.app.create`.

    Raises:
        RuntimeError: Ray Serve is not installed; the message says how to get it.
    """
    try:
        from ray import serve
    except ImportError as missing:
        raise RuntimeError('Ray Serve is not here: pip install "cluster-to-edge[ray]"') from missing
    from labkit.runtimes.onnx_session import Network
    from labkit.serving.app import create

    app = create(partial(Network, str(network)), **settings)

    @serve.deployment(num_replicas=replicas, max_ongoing_requests=ONGOING)
    @serve.ingress(app)
    class Cats:
        """Answers pictures."""

    return Cats.bind()
