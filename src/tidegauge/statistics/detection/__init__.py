# SPDX-License-Identifier: Apache-2.0
"""Noticing that a series is not what it was, with as many false alarms as somebody allows.

`baseline` says what a time of the week usually has, `memory` what the past adds to that, `tails`
how unlikely what is left is. `cusum` and `ewma` watch that, with thresholds from `run_length`;
`monitor` is all of it together. `edetector` is for rates, `segments` for looking back.
"""
