"""The interval of a share, such as 1 of 40, without a library.

References
----------
Wilson (1927), J Am Stat Assoc 22:209.
"""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(k: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the share k / n, 0 ≤ k ≤ n, n > 0; neither need be whole."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = k / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # at 0 and at n the limit is exact, but for rounding
    return (0.0 if k == 0 else middle - reach), (1.0 if k == n else middle + reach)
