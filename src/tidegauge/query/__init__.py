# SPDX-License-Identifier: Apache-2.0
"""The read side: questions about recorded facts, answered from one snapshot each.

`front` has what programs call, `query` the object behind it. Nothing here records, delivers or
changes anything.
"""
