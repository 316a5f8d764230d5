"""A model that another process keeps: beside this one, or over an emulated link as if on another machine.

The process gives its weights, or its inputs, to whoever asks, or answers by itself. It listens on 127.0.0.1, speaks the
messages of `labkit.offload.wire`, and ends with its parent.
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import perf_counter

import torch

from labkit.netem.link import EmulatedLink, emulated_link
from labkit.offload import wire
from labkit.offload.wire import BadAnswer, NoAnswer
from labkit.processes import Helper, say, serve
from labkit.serving import model_store as store
from labkit.specs.link import LinkSpec

PATIENCE_S = 10.0
WEIGHTS, INPUTS, ANSWER, GIVEN = range(4)  # what is asked for, and what comes
SHARED = Path("/dev/shm")  # where Linux has files that lie in memory, for processes to share (shm_overview(7))
INPUTS_FILE = "inputs.bin"  # beside a model: 32-bit floats
_IDLE_S = 60.0
_MOST = 2**26  # bytes of inputs


class FarModel:
    """The other process, as `running` started it.

    Args:
        helper: the process.
        link: over which it can be reached.
        shared: a folder in memory where it puts its model and its inputs too; None where there is none.
    """

    def __init__(self, helper: Helper, link: EmulatedLink, shared: Path | None):
        self._helper, self._link, self._shared = helper, link, shared
        self._port = helper.answer()["port"]
        self._can_share = False
        link.attach(self._port)

    @property
    def process(self) -> int:
        """The number of the process."""
        return self._helper.id

    def load(self, path: Path) -> None:
        """Let it keep the model in a file, and the inputs beside it; raises `HelperFailed` where it does not."""
        self._helper.tell({"load": str(path)})
        self._can_share = self._helper.answer(PATIENCE_S)["shared"]

    def shared(self, name: str) -> Path:
        """Return a file in memory that both may map: the model's, or `INPUTS_FILE`.

        Raises:
            NoAnswer: this system has no such memory, or too little.
        """
        if not self._can_share:
            raise NoAnswer(f"There is no room in {SHARED}, where Linux lets processes share memory as files.")
        return self._shared / name

    @contextmanager
    def connected(self, spec: LinkSpec | None = None, limit: float | None = None) -> Iterator[Line]:
        """Yield a connection: over a link, or none but the loopback interface; raises `NoAnswer` where there is none.
        """
        limit = limit or PATIENCE_S
        if spec:
            self._link.set_link(spec)
        try:
            line = self._link.dial(limit) if spec else socket.create_connection(("127.0.0.1", self._port), limit)
        except OSError as trouble:
            raise NoAnswer(f"The other process cannot be reached: {trouble}.") from trouble
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with line:
            yield Line(line, limit)


class Line:
    """A connection to the other process.

    Args:
        line: connected.
        limit: seconds that an answer may take.
    """

    def __init__(self, line: socket.socket, limit: float):
        self._line, self._limit = line, limit
        self._memory: dict[int, torch.Tensor] = {}

    def weights(self, layers: int) -> store.Weights:
        """Return the weights, in memory that the next call uses again; raises `NoAnswer` where they do not come."""
        return list(self._fetch(WEIGHTS, layers * store.LAYER).view(layers, store.SIDE, store.SIDE))

    def inputs(self, count: int) -> torch.Tensor:
        """Return inputs (count, SIDE) that the other process keeps; memory and errors as of `weights`."""
        return self._fetch(INPUTS, 4 * store.SIDE * count).view(count, store.SIDE)

    def ask(self, asked: torch.Tensor) -> torch.Tensor:
        """Return the other process's answers to inputs (n, SIDE); memory and errors as of `weights`."""
        content = asked.numpy().tobytes()
        return self._fetch(ANSWER, len(content), content).view(asked.shape)

    def _fetch(self, what: int, size: int, content: bytes = b"") -> torch.Tensor:
        if size not in self._memory:
            self._memory[size] = torch.zeros(size // 4)
        memory = self._memory[size]
        until = perf_counter() + self._limit
        try:
            wire.send(self._line, wire.head(what, 0, size, len(content)) + content, until)
            kind, _, _, coming = wire.read_head(self._line, until)
            if kind == wire.REFUSAL:
                raise BadAnswer(f"The other process refused: {wire.refusal(self._line, coming, until)}")
            if kind != GIVEN or coming != size:
                raise BadAnswer(f"The other process sent {coming:,} bytes of kind {kind}, not {size:,}.")
            wire.read_into(self._line, memoryview(memory.numpy()).cast("B"), until)
        except TimeoutError:
            raise NoAnswer(f"The other process has not answered within {self._limit:g} s.") from None
        except OSError as trouble:
            raise NoAnswer(f"The connection to the other process is lost: {trouble}.") from None
        return memory


@contextmanager
def running() -> Iterator[FarModel]:
    """Start the process and a link to it for a `with` block.

    The link is the relay, which every machine allows; it has no slow start, as a connection has that is kept open.

    Raises:
        HelperFailed: a process did not start.
        OSError: a folder cannot be written.
    """
    with ExitStack() as stack:
        link = stack.enter_context(emulated_link(backend="relay"))
        shared = None
        with suppress(OSError):
            shared = Path(tempfile.mkdtemp(prefix="model-", dir=SHARED))
            stack.callback(shutil.rmtree, shared, ignore_errors=True)
        helper = stack.enter_context(Helper("labkit.measure.far_model", str(shared or "")))
        yield FarModel(helper, link, shared)


class _Keeper:
    """What runs in the process.

    Args:
        shared: a folder in memory, or nothing.
    """

    def __init__(self, shared: str):
        self.shared = shared
        self.model: store.Weights = []
        self.inputs = torch.empty(0)

    def obey(self, order: dict) -> dict:
        path = Path(order["load"])
        files = path, path.with_name(INPUTS_FILE)
        self.model = store.read(path)
        self.inputs = torch.frombuffer(bytearray(files[1].read_bytes()), dtype=torch.float32)
        if not self.shared:
            return {"shared": False}
        try:
            for file in files:
                shutil.copyfile(file, f"{self.shared}/{file.name}")
        except OSError:
            return {"shared": False}
        return {"shared": True}

    def attend(self, line: socket.socket) -> None:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with line, suppress(OSError, BadAnswer), torch.inference_mode():
            while True:
                what, _, wanted, size = wire.read_head(line, perf_counter() + _IDLE_S)
                until = perf_counter() + PATIENCE_S
                if size > _MOST:
                    wire.refuse(line, 0, f"{size:,} bytes are too many.", until)
                    return
                content = wire.read(line, size, until)
                parts = self._parts(what, content)
                if (have := sum(part.numel() * 4 for part in parts)) != wanted:
                    wire.refuse(line, 0, f"It has {have:,} bytes of this, not {wanted:,}.", until)
                    return
                wire.send(line, wire.head(GIVEN, 0, 0, wanted), until)
                for part in parts:
                    line.sendall(memoryview(part.numpy()).cast("B"))

    def _parts(self, what: int, content: bytes) -> list[torch.Tensor]:
        if what == WEIGHTS:
            return self.model
        if what == INPUTS:
            return [self.inputs]
        asked = torch.frombuffer(bytearray(content), dtype=torch.float32).view(-1, store.SIDE)
        return [store.answer(self.model, asked).contiguous()]


def main(shared: str) -> None:
    """Run in the helper: say the port, keep what `{"load": file}` names, and end with the parent."""
    torch.set_num_threads(1)
    keeper, listener = _Keeper(shared), socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            line, _ = listener.accept()
            threading.Thread(target=keeper.attend, args=(line,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    say({"port": listener.getsockname()[1]})
    serve(keeper.obey)
    if shared:
        shutil.rmtree(shared, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
