"""A network as an ONNX file: in 32-bit floats, and in 8-bit whole numbers by ONNX Runtime's own quantiser.

`torch.onnx.export` writes such a file of any network, in seconds. The networks of the course are chains of four kinds
of layers, which are written here in a millisecond; a test holds one to the other.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from labkit.cache import write_atomically
from labkit.models.networks.quantised import Quantised, affine, weighted
from labkit.runtimes.onnx_session import SIDE, Network, Unusable, as_input
from labkit.specs.execution import ONNX_FORMATS

TRAINED = "int8 trained"  # static, after quantisation-aware training
OPSET, IR = 17, 8  # versions of ONNX that every ONNX Runtime since 1.13 (2022) reads
_CALIBRATION = 64  # pictures at a time
_WITH_WEIGHTS = ("Conv", "Gemm", "MatMul")


def write(network: nn.Sequential, path: str | Path, side: int = SIDE) -> Path:
    """Write a network in 32-bit floats.

    Args:
        network: convolutions, ReLUs, one flattening and dense layers, in a row.
        path: the file.
        side: of the pictures that it reads.

    Raises:
        Unusable: a layer of another kind.
        OSError: the file cannot be written.
    """
    nodes, weights, name = [], [], "pictures"
    for place, layer in enumerate(network):
        read, name, operator = name, f"out{place}", _operator(layer)
        own = [f"weight{place}", f"bias{place}"] if weighted(layer) else []
        weights += [numpy_helper.from_array(value.detach().cpu().contiguous().numpy(), label)
                    for label, value in zip(own, layer.parameters(), strict=True)]
        nodes.append(helper.make_node(operator, [read, *own], [name], f"layer{place}", **_settings(layer)))
    graph = helper.make_graph(
        nodes, "course", [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    device = next(network.parameters(), torch.empty(0)).device
    try:
        onnx.checker.check_model(model)
        with torch.no_grad():  # ONNX's own inference of shapes overlooks a dense layer that does not fit
            network(torch.zeros(1, 3, side, side, device=device))
    except (onnx.checker.ValidationError, RuntimeError) as trouble:
        raise Unusable(f"This network does not read pictures of {side} × {side}, layer for layer.") from trouble
    write_atomically(path, model.SerializeToString())
    return Path(path)


def _operator(layer: nn.Module) -> str:
    for kind, name in ((nn.Conv2d, "Conv"), (nn.ReLU, "Relu"), (nn.Flatten, "Flatten"), (nn.Linear, "Gemm")):
        if isinstance(layer, kind) and not (weighted(layer) and layer.bias is None):
            return name
    raise Unusable(f"This {type(layer).__name__} is not among the layers that are written here (convolution and dense "
                   "layer with biases, ReLU, flattening): use torch.onnx.export.")


def _settings(layer: nn.Module) -> dict:
    if isinstance(layer, nn.Linear):
        return {"transB": 1}
    if isinstance(layer, nn.Conv2d):
        return {"strides": layer.stride, "pads": [*layer.padding, *layer.padding], "kernel_shape": layer.kernel_size}
    return {}


def static(source: str | Path, path: str | Path, images: np.ndarray, trained: Quantised | None = None) -> Path:
    """Quantise a file to 8-bit weights, one scale a channel, and 8-bit activations with fixed ranges.

    Args:
        source: a file in 32-bit floats.
        path: the new file.
        images: byte pictures (n, 3, 32, 32) that show which values occur: the calibration.
        trained: a network trained to be quantised, whose own ranges are taken instead of those that are found.

    Raises:
        Unusable: the source is damaged, or nothing in it can be quantised.
        ValueError: no pictures, or others than bytes of that shape.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    if getattr(images, "ndim", 0) != 4 or len(images) < 1 or images.dtype != np.uint8:
        raise ValueError("Calibration needs one byte picture (3 × 32 × 32) or more, to see which values occur.")
    with _prepared(source) as (prepared, made):
        quantize_static(prepared, made, _Pictures(images), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QInt8, weight_type=QuantType.QInt8,
                        extra_options={"TensorQuantOverrides": _ranges(trained)} if trained else {})
        write_atomically(path, made.read_bytes())
    return Path(path)


def dynamic(source: str | Path, path: str | Path) -> Path:
    """Quantise a file to 8-bit weights; the ranges of the activations are found anew in every run.

    Raises:
        Unusable: as `static`.
    """
    from onnxruntime.quantization import quantize_dynamic

    with _prepared(source) as (prepared, made):
        quantize_dynamic(prepared, made)
        write_atomically(path, made.read_bytes())
    return Path(path)


def in_format(name: str, network: nn.Sequential, path: str | Path, images: np.ndarray) -> Path:
    """Write a network in one of `ONNX_FORMATS`; the pictures calibrate the static one."""
    if name == "fp32":
        return write(network, path)
    with tempfile.TemporaryDirectory() as folder:
        source = write(network, Path(folder) / "fp32.onnx")
        return static(source, path, images) if name == "int8 static" else dynamic(source, path)


def every_format(network: nn.Sequential, folder: str | Path, images: np.ndarray,
                 trained: Quantised | None = None) -> dict[str, Path]:
    """Write a network in every one of `ONNX_FORMATS`, and return the files by format.

    Args:
        network: in 32-bit floats.
        folder: where the files go.
        images: byte pictures for the calibration.
        trained: the same network after quantisation-aware training, written as `TRAINED` beside the others.
    """
    folder = Path(folder)
    files = {name: in_format(name, network, folder / f"{name}.onnx", images) for name in ONNX_FORMATS}
    if trained is not None:
        floats = write(trained.network, folder / "trained.onnx")
        files[TRAINED] = static(floats, folder / f"{TRAINED}.onnx", images, trained)
        floats.unlink()
    return files


@contextmanager
def _prepared(source) -> Iterator[tuple[Path, Path]]:
    """Yield the source, checked and with its shapes worked out, and a place for the result."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source = Path(source)
    Network(source)  # whole, and answers with numbers
    model = onnx.load(source)
    floats = {weight.name for weight in model.graph.initializer if weight.data_type == TensorProto.FLOAT}
    if not any(node.op_type in _WITH_WEIGHTS and floats & set(node.input) for node in model.graph.node):
        raise Unusable(f"{source.name} cannot be quantised: it has no convolution and no dense layer with weights in "
                       "32-bit floats. Is it quantised already?")
    with tempfile.TemporaryDirectory() as folder:
        prepared, made = Path(folder) / "prepared.onnx", Path(folder) / "made.onnx"
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)  # the quantiser recommends the preparation even after it
        try:
            quant_pre_process(source, prepared, skip_symbolic_shape=True)
            yield prepared, made
        finally:
            logging.disable(before)


class _Pictures:
    """Feeds the calibration some pictures at a time, as ONNX Runtime asks for them."""

    def __init__(self, images):
        self._parts = iter([images[at:at + _CALIBRATION] for at in range(0, len(images), _CALIBRATION)])

    def get_next(self):
        part = next(self._parts, None)
        return None if part is None else {"pictures": as_input(part)}


def _ranges(trained: Quantised) -> dict:
    """Return scale and offset of every activation by its name in the file."""
    found = {}
    for place, limits in enumerate(trained.ranges.tolist()):
        if any(limits):
            scale, zero = affine(*limits)
            name = f"out{place - 1}" if place else "pictures"
            found[name] = [{"scale": np.array(scale, np.float32), "zero_point": np.array(zero, np.int8)}]
    return found
