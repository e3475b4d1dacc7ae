# SPDX-License-Identifier: Apache-2.0
"""Calls to language models: what clients answer is read, priced and recorded.

No client library is imported here. What an object is, its shape says, so that a response counts
the same whether a client made it, a gateway, or `json.loads`.
"""
