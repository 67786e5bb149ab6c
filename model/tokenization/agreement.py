"""How far two sequences agree: of tokens, characters or bytes.

Knows sequences that can be sliced and compared. Knows nothing of what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Items = TypeVar("Items", bound=Sequence[object])


def common_length(left: Items, right: Items) -> int:
    """How many leading items of two sequences of one type are equal.

    By bisection: comparing slices is far faster than a loop over items.
    """
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
