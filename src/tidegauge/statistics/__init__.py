# SPDX-License-Identifier: Apache-2.0
"""Pure functions and mergeable accumulators over numbers and arrays.

Nothing here knows of a metric, a table, a file or a clock. Modules of this folder itself are
standard library only, as far as recording needs them; packages in it load numpy and scipy.
"""
