"""Seconds and moments become samples by one written rule."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.archive.reading.moments import moment_to_sample, seconds_to_sample
from opuscule.errors import InvalidArgumentError


@pytest.mark.row("Z6")
@pytest.mark.parametrize(
    ("seconds", "sample"),
    [
        (0.29, 13_920),
        ("0.29", 13_920),
        (Decimal("0.29"), 13_920),
        (Fraction(29, 100), 13_920),
        (np.float64(0.29), 13_920),
        (np.float32(0.29), 13_920),
        (np.int64(3), 144_000),
        (7, 336_000),
        ("1:02:03.5", (3723 * 2 + 1) * 24_000),
        ("2:00", 120 * 48_000),
        (Fraction(1, 96_000), 1),
        (Fraction(-1, 96_000), 0),
        ("0.0000104166", 0),
        ("-1.5", -72_000),
        ("1e3", 48_000_000),
        (1e-30, 0),
    ],
)
def test_seconds_are_the_number_that_was_written(seconds: float, sample: int) -> None:
    assert seconds_to_sample(seconds) == sample


@pytest.mark.parametrize(
    "wrong", ["", "x", "1:2:3:4", "1:-2", float("nan"), float("inf"), "1e999999999", "1e-99999999"]
)
def test_what_is_no_number_of_seconds_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidArgumentError, match="no number of seconds"):
        seconds_to_sample(wrong)


@given(st.integers(0, 48_000 * 3600 * 1000))
def test_a_sample_survives_float_seconds(sample: int) -> None:
    assert seconds_to_sample(sample / 48_000) == sample


@given(st.decimals(0, 10**6, allow_nan=False), st.sampled_from([8_000, 44_100, 48_000]))
def test_the_nearest_sample_is_taken(seconds: Decimal, rate: int) -> None:
    found = seconds_to_sample(seconds, rate)
    assert Fraction(-1, 2) <= found - Fraction(seconds) * rate <= Fraction(1, 2)


def test_moments() -> None:
    began = datetime(2026, 5, 1, 4, 30, tzinfo=timezone(timedelta(hours=2)))
    start_ms = int(began.timestamp() * 1000)
    assert moment_to_sample(began, start_ms) == 0
    assert moment_to_sample(datetime(2026, 5, 1, 2, 31, tzinfo=UTC), start_ms) == 60 * 48_000
    assert moment_to_sample(began + timedelta(microseconds=290_000), start_ms) == 13_920
    assert moment_to_sample(began - timedelta(seconds=1), start_ms) == -48_000
    with pytest.raises(InvalidArgumentError, match="no zone"):
        moment_to_sample(datetime(2026, 5, 1), start_ms)  # noqa: DTZ001 - that is the test
    with pytest.raises(InvalidArgumentError, match="not known when"):
        moment_to_sample(began, None)
