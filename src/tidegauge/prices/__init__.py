# SPDX-License-Identifier: Apache-2.0
"""What tokens cost: where prices come from, and the price of one call. Records nothing."""
