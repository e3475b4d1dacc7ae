# SPDX-License-Identifier: Apache-2.0
"""How good the predictions of a model are.

What can be added up is kept as counts and sums that merge (`confusion.py`, `score_histogram.py`,
`error_sums.py`), and metrics are made of those, so that a month of minutes has the metrics of the
month. Uncertainty is in `linear.py` and `bootstrap.py`. What is undefined is None with a reason.
"""
