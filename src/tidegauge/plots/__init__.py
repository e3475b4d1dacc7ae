# SPDX-License-Identifier: Apache-2.0
"""Charts of what the statistics say, as Altair objects and as files.

They need the extra `plots`. Nothing is computed here: a chart shows a result that it is given.
"""
