# SPDX-License-Identifier: Apache-2.0
"""The command line: one module per group of commands, over the parts that `tidegauge.config` makes.

`app` has the program, `command` what all commands share, `output` how results look, `failure` what
errors become. No command computes anything about metrics itself.
"""

from __future__ import annotations

from tidegauge.cli.app import main

__all__ = ["main"]
