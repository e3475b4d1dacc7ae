# SPDX-License-Identifier: Apache-2.0
"""What `import tidegauge` costs a program, beside `import json`.

Fresh interpreters, in turn; the time is that of the import alone, taken inside.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence

import measure
from measure import Limit, Report

_PROGRAM = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    took_ms: dict[str, list[float]] = {"json": [], "tidegauge": []}
    for number in range(options.rounds + 2):
        for module, samples in took_ms.items():
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM.format(module)],
                capture_output=True,
                text=True,
                check=True,
            )
            if number >= 2:  # the first two fill the page cache
                samples.append(float(done.stdout) * 1000)
    more_ms = [
        ours - floor for ours, floor in zip(took_ms["tidegauge"], took_ms["json"], strict=True)
    ]
    ratios = [
        ours / floor for ours, floor in zip(took_ms["tidegauge"], took_ms["json"], strict=True)
    ]
    report = Report(
        "imports",
        floor="import json",
        sizes={"rounds": options.rounds},
        limits=[
            Limit("import tidegauge, more than import json", statistics.median(more_ms), "ms", 80)
        ],
        values={
            "import json, ms": statistics.median(took_ms["json"]),
            "import tidegauge, ms": statistics.median(took_ms["tidegauge"]),
            "ratio": statistics.median(ratios),
        },
    )
    return measure.finish(report, options, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
