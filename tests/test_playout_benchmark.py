"""What benchmarks/playout.py counts with: the traces of our own making, and what a log says."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from _network import (
    PUBLIC,
    Row,
    Trace,
    draw_trace,
    in_packets,
    load_trace,
    read_trace,
    statistics_of,
    write_trace,
)
from _playlog import back_by_log, back_by_track, events, mean_of_log, rebuilt
from opuscule.measure.playout.account import shares_of
from opuscule.playout import PlayedSpan

MS = 48


@pytest.mark.parametrize("kind", ["ge10_b4", "exp40", "wifi40_ge10_b4", "spike500", "reorder60"])
def test_a_trace_is_the_same_for_the_same_seed_and_comes_back_from_its_file(
    kind: str, tmp_path: Path
) -> None:
    trace = draw_trace(kind, 5)
    assert trace == draw_trace(kind, 5)
    assert trace.rows != draw_trace(kind, 6).rows
    write_trace(trace, tmp_path / f"{trace.name}.csv")
    assert read_trace(tmp_path / f"{trace.name}.csv") == trace
    arrivals = [row.arrival_ms for row in trace.rows if row.arrival_ms is not None]
    assert (arrivals == sorted(arrivals)) == (kind != "reorder60")


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'tunnel40' in 'exp40_tunnel40' is none of"):
        draw_trace("exp40_tunnel40", 1)


@pytest.mark.skipif(not PUBLIC, reason="../shared/neteq is absent")
@pytest.mark.parametrize("kind", [kind for kind in PUBLIC if kind != "clean"])
def test_our_traces_are_like_the_public_ones(kind: str) -> None:
    public = statistics_of(load_trace(kind))
    ours = [statistics_of(draw_trace(kind, seed)) for seed in range(1, 9)]
    for name, slack in (("lost %", 0.15), ("burst", 0.15), ("mean ms", 0.2), ("p95", 0.3)):
        mean = sum(found[name] for found in ours) / len(ours)
        assert mean == pytest.approx(public[name], rel=slack, abs=0.05), name


def test_a_packet_of_several_rows_shares_the_fate_of_the_last() -> None:
    rows = tuple(Row(k, 20 * k, None if k == 2 else 20 * k + 7) for k in range(7))
    packets = in_packets(Trace("some", rows), 3).rows
    assert packets == (Row(0, 40, None), Row(1, 100, 107))


def _held() -> Trace:
    """Everything from 1 s on is held until 1.5 s."""
    arrivals = [1500 if 1000 <= 20 * k < 1500 else 20 * k for k in range(300)]
    return Trace("held", tuple(Row(k, 20 * k, ms) for k, ms in enumerate(arrivals)))


def test_coming_back_is_counted_from_the_end_of_the_spike() -> None:
    trace = _held()
    assert [(event.begin_ms, event.end_ms) for event in events(trace)] == [(1000, 1500)]
    # From the beginning at 5 ms until 1 s, then nothing, then 500 ms late; at 2 s 15 ms late.
    spans = [
        *(PlayedSpan("received", 10 * k * MS, 10 * MS) for k in range(100)),
        PlayedSpan("silence", None, 495 * MS),
        *(PlayedSpan("received", (1000 + 10 * k) * MS, 10 * MS) for k in range(50)),
        *(PlayedSpan("received", (1985 + 10 * k) * MS, 10 * MS) for k in range(100)),
    ]
    assert back_by_log(trace, spans) == [500]
    heard = [t for t in range(30) if not 15 <= t < 20]
    track = [(t / 10, 0.5 if 10 <= t < 15 else 0.015) for t in heard]
    assert back_by_track(trace, track) == [pytest.approx(515)]
    assert back_by_log(trace, spans[:150]) == [float("inf")]


def test_the_mean_of_a_log_leaves_out_what_is_from_no_data() -> None:
    spans = [
        PlayedSpan("silence", None, 20 * MS),
        PlayedSpan("received", 0, 20 * MS),
        PlayedSpan("plc", 20 * MS, 20 * MS),
        PlayedSpan("fec", 40 * MS, 40 * MS),
        PlayedSpan("silence", None, 500 * MS),
    ]
    made_up, delay_ms = mean_of_log(spans)
    assert made_up == pytest.approx(0.25)
    assert delay_ms == pytest.approx(25)
    assert shares_of(spans) == {"received": 0.25, "plc": 0.25, "fec": 0.5}


def test_rebuilt_is_what_was_lost_in_short_bursts_and_played_from_data() -> None:
    lost = {3, 4, *range(10, 40)}
    rows = tuple(Row(k, 20 * k, None if k in lost else 20 * k) for k in range(50))
    spans = [
        PlayedSpan("received", 0, 60 * MS),
        PlayedSpan("plc", 60 * MS, 20 * MS),
        PlayedSpan("fec", 80 * MS, 20 * MS),
        PlayedSpan("received", 100 * MS, 100 * MS),
    ]
    assert rebuilt(spans, Trace("some", rows), 1, 400) == 0.5
