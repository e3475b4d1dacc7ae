# SPDX-License-Identifier: Apache-2.0
"""Whether series move together, told so that chance, trends and weeks are not taken for it.

`innovations.py` leaves of each series what its own past and the time of the week do not tell,
`lags.py` compares two of these at each lag, and `relate.py` puts the steps together.
"""
