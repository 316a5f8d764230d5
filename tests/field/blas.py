"""A matrix product in a BLAS, without the course's code: one timed product for each line of the input.

Usage: blas.py LIBRARY FORMAT SIDE. The library is `numpy`, for the BLAS that NumPy brings, or the path of a shared
library that exports the Fortran names `sgemm_` and `dgemm_`; the format is `fp32` or `fp64`. It prints a line when it
is ready, and ends with 1 where a product is wrong.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np

DTYPES = {"fp32": np.float32, "fp64": np.float64}


def product(library: str, left: np.ndarray, right: np.ndarray, out: np.ndarray) -> Callable[[], object]:
    """Return a function that multiplies two square matrices into `out`.

    Raises:
        OSError, AttributeError: no such library, or one without the product.
    """
    if library == "numpy":
        return lambda: np.matmul(left, right, out=out)
    single = out.dtype == np.float32
    number = ctypes.c_float if single else ctypes.c_double
    gemm = getattr(ctypes.CDLL(library), "sgemm_" if single else "dgemm_")
    side, one, zero = ctypes.c_int(len(out)), number(1), number(0)
    n = ctypes.byref(side)
    # Fortran keeps columns together, so it sees the transposes: the product of the right and the left one is ours.
    right_, left_, out_ = (ctypes.c_void_p(matrix.ctypes.data) for matrix in (right, left, out))
    return lambda: gemm(b"N", b"N", n, n, n, ctypes.byref(one), right_, n, left_, n, ctypes.byref(zero), out_, n)


def main(library: str, name: str, side: int) -> int:
    random = np.random.default_rng(0)
    left, right = (random.random((side, side)).astype(DTYPES[name]) for _ in range(2))
    out = np.zeros_like(left)
    run = product(library, left, right, out)
    run()
    row = left[0].astype(np.float64) @ right.astype(np.float64)
    if not np.allclose(out[0], row, rtol=1e-4):
        print(f"{library} multiplies wrongly", file=sys.stderr)
        return 1
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = perf_counter()
        run()
        print(perf_counter() - begin, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
