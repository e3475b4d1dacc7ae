# SPDX-License-Identifier: Apache-2.0
"""Pure functions and mergeable accumulators over numbers.

Standard library only. Nothing here knows of a metric, a table, a file or a clock.
"""
