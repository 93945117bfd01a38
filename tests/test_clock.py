"""The estimate of another clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.clock import MAX_DRIFT, WINDOW, ClockEstimate
from opuscule.errors import InvalidArgumentError


def exchange(
    clock: ClockEstimate, at_us: int, offset_us: int, there_us: int, back_us: int, held_us: int = 0
) -> int:
    """One ping over a path of which everything is known; returns when it is over."""
    arrived = at_us + there_us
    returned = arrived + held_us + back_us
    clock.add(at_us, arrived + offset_us, arrived + held_us + offset_us, returned)
    return returned


def test_nothing_is_known_at_first() -> None:
    clock = ClockEstimate()
    assert not clock.known
    assert (clock.offset_us, clock.rtt_us, clock.min_rtt_us) == (0, 0, 0)
    assert clock.error_us(0) is None
    assert clock.to_local_us(5) == 5


def test_equal_ways_are_exact() -> None:
    clock = ClockEstimate()
    exchange(clock, 1_000, 7_000_000, 300, 300, held_us=50_000)
    assert clock.offset_us == 7_000_000
    assert clock.rtt_us == 600
    assert clock.to_remote_us(10) == 7_000_010
    assert clock.to_local_us(7_000_010) == 10


def test_the_shortest_round_trip_wins_over_later_queues() -> None:
    clock = ClockEstimate()
    now = exchange(clock, 0, -5_000, 1_000, 1_000)
    for _ in range(5):
        now = exchange(clock, now + 100_000, -5_000, 80_000, 1_000)
    assert clock.offset_us == -5_000
    assert clock.rtt_us == 81_000
    assert clock.min_rtt_us == 2_000


def test_an_old_exchange_gives_way_as_clocks_drift() -> None:
    clock = ClockEstimate()
    now = exchange(clock, 0, 0, 500, 500)
    # 60 s at 100 µs a second outweigh a round trip that is 8 ms longer.
    exchange(clock, now + 60_000_000, 6_000, 4_500, 4_500)
    assert clock.offset_us == 6_000


def test_the_window_forgets() -> None:
    clock = ClockEstimate()
    now = exchange(clock, 0, 1_000_000, 10, 10)
    for _ in range(WINDOW):
        now = exchange(clock, now, 2_000_000, 5_000, 5_000)
    assert clock.offset_us == 2_000_000
    assert clock.min_rtt_us == 10_000


@pytest.mark.parametrize(
    "readings",
    [(0, 500, 400, 1_000), (0, 100, 100_000, 1_000)],
    ids=["left before it came", "held longer than the exchange"],
)
def test_contradictions_are_refused_and_change_nothing(readings: tuple[int, int, int, int]) -> None:
    clock = ClockEstimate()
    exchange(clock, 0, 77, 10, 10)
    with pytest.raises(InvalidArgumentError, match="held the ping"):
        clock.add(*readings)
    assert clock.offset_us == 77


def test_a_clock_of_milliseconds_is_no_contradiction() -> None:
    clock = ClockEstimate()
    assert clock.add(100, 5_000, 6_000, 300).rtt_us == 0


@given(
    offset=st.integers(-(10**12), 10**12),
    drift=st.floats(-MAX_DRIFT, MAX_DRIFT),
    paths=st.lists(
        st.tuples(
            st.integers(0, 5_000_000),
            st.integers(0, 400_000),
            st.integers(0, 400_000),
            st.integers(0, 50_000),
        ),
        min_size=1,
        max_size=40,
    ),
)
def test_the_error_stays_within_its_bound(
    offset: int, drift: float, paths: list[tuple[int, int, int, int]]
) -> None:
    clock = ClockEstimate()
    now = 0

    def remote(local_us: int) -> int:
        return local_us + offset + round(local_us * drift)

    for pause, there, back, held in paths:
        sent = now + pause
        now = sent + there + held + back
        clock.add(sent, remote(sent + there), remote(sent + there + held), now)
        bound = clock.error_us(now)
        assert bound is not None
        # The drift within the exchange and the rounding of four readings come on top.
        slack = (there + held + back) * MAX_DRIFT + 4
        assert abs(clock.to_remote_us(now) - remote(now)) <= bound + slack
