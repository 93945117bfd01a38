import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.containers.pcm import default_mix, mix, to_int16
from opuscule.errors import FormatError, InvalidArgumentError

int16s = st.integers(-32768, 32767)


def floats(*values: float) -> bytes:
    return array("f", values).tobytes()


def ints(data: bytes) -> list[int]:
    return array("h", data).tolist()


def test_floats_are_rounded_and_clipped() -> None:
    given_floats = floats(0.0, 0.5, -1.0, 1.0, 3.0, -3.0, 1.6 / 32768, -1.6 / 32768)
    assert ints(to_int16(given_floats, "float32")) == [
        0,
        16384,
        -32768,
        32767,
        32767,
        -32768,
        2,
        -2,
    ]
    assert ints(to_int16(floats(math.inf, 0.25), "float32")) == [32767, 8192]
    assert to_int16(b"", "float32") == b""


@given(st.lists(int16s))
def test_int16_as_float_and_back_is_the_same(values: list[int]) -> None:
    there = floats(*(v / 32768 for v in values))
    assert ints(to_int16(there, "float32")) == values
    assert to_int16(there, "int16") == there


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(FormatError, match="no numbers"):
        to_int16(floats(0.0, math.nan, 1.0), "float32")


@pytest.mark.row("G2")
def test_channels_are_mixed_by_frame() -> None:
    four = array("h", [1, 10, 100, 1000, 2, 20, 200, 2000]).tobytes()
    assert ints(mix(four, 4, [[0], [2]])) == [1, 100, 2, 200]
    assert ints(mix(four, 4, [[0, 1, 2, 3]])) == [278, 556]
    assert ints(mix(four, 4, [[3], [3, 2]])) == [1000, 550, 2000, 1100]


@given(st.lists(int16s), st.integers(1, 6), st.data())
def test_a_mean_is_within_half_a_step(
    values: list[int], channels: int, data: st.DataObject
) -> None:
    values = values[: len(values) // channels * channels]
    outputs: list[list[int]] = data.draw(
        st.lists(st.lists(st.integers(0, channels - 1), min_size=1), min_size=1, max_size=4)
    )
    mixed = ints(mix(array("h", values).tobytes(), channels, outputs))
    assert len(mixed) == len(values) // channels * len(outputs)
    for index, value in enumerate(mixed):
        frame, output = divmod(index, len(outputs))
        chosen = [values[frame * channels + channel] for channel in outputs[output]]
        assert abs(value - sum(chosen) / len(chosen)) <= 0.5


def test_the_usual_mix() -> None:
    assert default_mix(2, 2) is None
    assert default_mix(3, 1) == ((0, 1, 2),)
    assert default_mix(1, 2) == ((0,), (0,))
    with pytest.raises(InvalidArgumentError, match="take 1 or 6"):
        default_mix(6, 2)


def test_a_mix_that_makes_no_sense() -> None:
    cases: list[tuple[bytes, list[list[int]]]] = [
        (b"", []),
        (b"", [[]]),
        (b"", [[2]]),
        (b"", [[-1]]),
        (b"123456", [[0]]),
    ]
    for pcm, outputs in cases:
        with pytest.raises(InvalidArgumentError):
            mix(pcm, 2, outputs)
