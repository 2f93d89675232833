import zlib

from hypothesis import given
from hypothesis import strategies as st

from wherry_jobrunner.archive.transfer.crc32 import combine


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_crc_of_a_whole_is_put_together_from_its_halves(first: bytes, second: bytes) -> None:
    whole = combine(zlib.crc32(first), zlib.crc32(second), len(second))
    assert whole == zlib.crc32(first + second)


def test_lengths_beyond_32_bits_combine_as_their_pieces_do() -> None:
    step = zlib.crc32(bytes(1 << 20))
    size = 1 << 20
    crc = step
    for _ in range(13):
        crc = combine(crc, crc, size)
        size *= 2
    assert size == 8 << 30
    assert combine(combine(crc, step, 1 << 20), 0, 0) == combine(crc, step, 1 << 20)
    head = combine(step, crc, size)
    assert head == combine(crc, step, 1 << 20)
