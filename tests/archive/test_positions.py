"""Own samples and 48 kHz ones: exact at both ends and nowhere off by one."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.archive.reading.positions import Positions
from opuscule.archive.storage.info import RecordingInfo
from opuscule.errors import InvalidArgumentError

RATES = st.sampled_from([8000, 11_025, 22_050, 44_100, 48_000, 88_200, 96_000, 192_000, 384_000])


def positions(rate: int, samples: int, expansion: int = 1) -> Positions:
    total = int(Fraction(samples * 48_000 * expansion, rate) + Fraction(1, 2))
    return Positions(rate, samples, total, expansion)


@given(RATES, st.integers(0, 10**12), st.sampled_from([1, 10, 7]), st.data())
def test_nearest_and_covering(rate: int, samples: int, expansion: int, data: st.DataObject) -> None:
    own = positions(rate, samples, expansion)
    scale = Fraction(48_000 * expansion, rate)
    at = data.draw(st.integers(0, samples))
    media = own.to_media(at)
    assert 0 <= media <= own.total_samples
    assert abs(media - at * scale) <= Fraction(1, 2)
    back = own.to_own(media)
    assert abs(back - at) <= max(Fraction(1), 1 / scale)
    if scale >= 1:
        assert back == at
    stop = data.draw(st.integers(at, samples))
    first, last = own.covering(at, stop)
    assert 0 <= first <= last <= own.total_samples
    assert first <= at * scale < first + 1 or first == own.total_samples
    # The end of the recording is rounded, and is the end of the file all the same.
    assert last - 1 < stop * scale <= last or last == own.total_samples


@given(RATES, st.integers(0, 10**12), st.sampled_from([1, 10]))
def test_ends_are_ends(rate: int, samples: int, expansion: int) -> None:
    own = positions(rate, samples, expansion)
    assert (own.to_media(0), own.to_own(0)) == (0, 0 if own.total_samples else samples)
    assert own.to_media(samples) == own.total_samples
    assert own.to_own(own.total_samples) == samples
    assert own.covering(0, samples) == (0, own.total_samples)


def test_by_hand() -> None:
    own = positions(44_100, 44_100)
    assert [own.to_media(n) for n in (0, 1, 2, 147, 44_099, 44_100)] == [
        0,
        1,
        2,
        160,
        47_999,
        48_000,
    ]
    assert own.covering(1, 2) == (1, 3)
    assert own.covering(147, 294) == (160, 320)
    slow = positions(384_000, 38_400, 10)
    assert slow.total_samples == 48_000
    assert slow.covering(8, 16) == (10, 20)
    fast = positions(192_000, 192_000)
    assert fast.covering(1, 2) == (0, 1)
    assert (fast.to_media(1), fast.to_media(2), fast.to_media(3)) == (0, 1, 1)


def test_what_is_not_there_is_refused() -> None:
    own = positions(44_100, 100)
    for call in (
        lambda: own.to_media(-1),
        lambda: own.to_media(101),
        lambda: own.to_own(own.total_samples + 1),
        lambda: own.covering(5, 4),
        lambda: own.covering(0, 101),
    ):
        with pytest.raises(InvalidArgumentError, match="is wanted; give one within"):
            call()


INFO = RecordingInfo(
    channels=1,
    pre_skip_samples=312,
    input_rate=44_100,
    gain_q8=0,
    packets=50,
    payload_bytes=0,
    payload_sha256="",
    packet_samples=960,
    end_samples=48_312,
    total_samples=48_000,
    complete=True,
)


def test_of_a_recording() -> None:
    told = {"original_rate": 44_100, "original_samples": 44_100}
    assert Positions.of(replace(INFO, source=told)) == positions(44_100, 44_100)
    slow = {"original_rate": 192_000, "original_samples": 19_200, "time_expansion": 10}
    assert Positions.of(replace(INFO, source=slow)) == positions(192_000, 19_200, 10)
    plain = Positions(48_000, 48_000, 48_000)
    for odd in (
        {},
        {"original_rate": 44_100},
        {"original_rate": "x", "original_samples": 3},
        {"original_rate": 44_100, "original_samples": 44_200},
        {"original_rate": 0, "original_samples": 0},
    ):
        assert Positions.of(replace(INFO, source=odd)) == plain
