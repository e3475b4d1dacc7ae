# SPDX-License-Identifier: Apache-2.0
"""What the statistics promise, measured on data whose truth is known, beside naive methods.

Each module has `STUDIES`, functions that return a `Table`. Seeds are fixed. `make test-slow` runs
them and holds each figure to its limit; `python -m simulations.publish` runs them and writes the
tables into docs/explanation/statistics.md.
"""
