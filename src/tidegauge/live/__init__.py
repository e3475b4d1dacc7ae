# SPDX-License-Identifier: Apache-2.0
"""Live metrics: the cumulative totals that monitoring systems read, folded from the journal.

What a page looks like, and where it is sent, is the business of `serve` and `export`.
"""
