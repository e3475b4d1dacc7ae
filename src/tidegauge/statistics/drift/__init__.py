# SPDX-License-Identifier: Apache-2.0
"""How far a distribution is from what it was, and how much of that chance does.

`counts` brings numbers, histograms and labels to one form, `effects` has what differences are
measured by, `resampling` what chance does to them, and `drift` the answer.
"""
