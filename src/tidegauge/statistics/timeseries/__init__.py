# SPDX-License-Identifier: Apache-2.0
"""What correlation, impact and detection share: values that follow their own past.

Arrays have one value per step, and NaN where there is none.
"""
