# SPDX-License-Identifier: Apache-2.0
"""`python -m tidegauge.cli` is `tidegauge`."""

from __future__ import annotations

from tidegauge.cli.app import main

if __name__ == "__main__":
    main()
