# SPDX-License-Identifier: Apache-2.0
"""What a change has brought: two samples, or one series before and after a time, compared honestly.

`samples.py` and `change.py` give out an `Impact`; `power.py` tells how much is needed beforehand.
"""
