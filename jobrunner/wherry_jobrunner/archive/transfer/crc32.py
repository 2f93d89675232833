"""CRC-32 of a whole from the CRC-32s of its pieces.

The method is that of zlib's ``crc32_combine``: appending n zero bytes to a message multiplies its
CRC by x^(8n) modulo the CRC polynomial (reflected, 0xEDB88320).
"""

from functools import lru_cache
from typing import Final

POLYNOMIAL: Final = 0xEDB88320
ONE: Final = 1 << 31
"""The polynomial 1 in reflected bit order."""


def _multiply(a: int, b: int) -> int:
    """Return a(x) * b(x) modulo the CRC polynomial."""
    product = 0
    mask = ONE
    while a:
        if a & mask:
            product ^= b
            a ^= mask
        mask >>= 1
        b = (b >> 1) ^ POLYNOMIAL if b & 1 else b >> 1
    return product


def _squares() -> tuple[int, ...]:
    power = ONE >> 1
    powers = [power]
    for _ in range(63):
        power = _multiply(power, power)
        powers.append(power)
    return tuple(powers)


SQUARES: Final = _squares()
"""x^(2^n) for n from 0 to 63."""


@lru_cache(maxsize=4096)
def _shift(length: int) -> int:
    """Return x^(8 * length) modulo the CRC polynomial."""
    bits = length * 8
    result = ONE
    position = 0
    while bits:
        if bits & 1:
            result = _multiply(SQUARES[position], result)
        bits >>= 1
        position += 1
    return result


def combine(first: int, second: int, second_length: int) -> int:
    """Return the CRC-32 of two byte strings in a row; ``second_length`` is in bytes."""
    if second_length == 0:
        return first
    return _multiply(_shift(second_length), first) ^ second
