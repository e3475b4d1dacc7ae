# SPDX-License-Identifier: Apache-2.0
"""The crash-safe log every fact goes through, and its reader.

`writer` is the one entrance, `reader` the one exit, `follow` the port of everything that reads at
its own pace. The bytes are described in docs/format/journal.md. Nothing here knows what a fact
means: no catalogue, no tables, no destinations.
"""
