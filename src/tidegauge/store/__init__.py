# SPDX-License-Identifier: Apache-2.0
"""The durable history: Delta tables filled from the journal, and the views that read both as one.

`store` names the pieces of one store, `drain` fills its tables, `snapshot` reads them together with
the journal's newest facts, `maintenance`, `doctor` and `status` look after them. What is on disk is
described in docs/format/store.md. Nothing here knows what a metric means.
"""
