"""Tables of packets: what is read, and what is refused."""

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.errors import FormatError, InvalidArgumentError, UnsupportedFormatError
from opuscule.measure.playout import Fate, Trace, read_trace
from opuscule.measure.playout.traces import trace_of_text

ANALYZED = """\
Input file: call.rtp
Output file: call.txt

SeqNo  TimeStamp   SendTime  Size    PT  M       SSRC
65534       1000       5000    63   111  1 0X1234ABCD AuLvl (V)
65535       1960       5020    63   111  0 0X1234ABCD
    1       3880       5090    63   111  0 0X1234ABCD
*   0       2920       5090    31   111
    2       4840       5080    63   111  0 0X1234ABCD
    9        160       5080    20     8  0 0X00000001
"""


def parsed(text: str, **stream: int) -> Trace:
    return trace_of_text(io.StringIO(text), **stream)


def test_a_table_of_times() -> None:
    trace = parsed("seq,send_ms,arrival_ms\n0,100,130\n1,120,\n2,140,150.5\n")
    assert trace.fates == (Fate(0, 30), Fate(20, None), Fate(40, 50.5))
    assert trace.notes == ()
    assert trace.duration_ms == 60


@pytest.mark.parametrize("mark", [",", ";", "\t", " "])
def test_columns_in_any_order_and_between_any_marks(mark: str) -> None:
    rows = [("arrival_ms", "who", "send_ms"), ("5", "x", "0"), ("25", "y", "20")]
    trace = parsed("\n".join(mark.join(row) for row in rows))
    assert trace.fates == (Fate(0, 5), Fate(20, 25))


def test_rows_are_put_in_the_order_of_sending() -> None:
    assert parsed("send_ms,arrival_ms\n20,21\n0,30\n").fates == (Fate(0, 30), Fate(20, 21))


def test_clocks_that_differ() -> None:
    trace = parsed("send_ms,arrival_ms\n0,1700000000010\n20,1700000000025\n")
    assert trace.fates == (Fate(0, 5), Fate(20, 20))
    assert "clocks" in trace.notes[0]


def test_a_table_of_times_has_one_stream() -> None:
    for stream in ({"ssrc": 7}, {"payload_type": 111}):
        with pytest.raises(InvalidArgumentError, match="send_ms and arrival_ms has one stream"):
            parsed("send_ms,arrival_ms\n0,0\n", **stream)


def test_columns_that_mean_nothing_here_may_be_there_twice() -> None:
    text = "arrival_s,length,udp.length,seq,rtp.timestamp\n1,60,40,1,960\n1.02,60,40,2,1920\n"
    assert [fate.sent_ms for fate in parsed(text).fates] == [0, 20]


def test_what_rtp_analyze_prints() -> None:
    trace = parsed(ANALYZED)
    # Number 0 is missing after the wrap; 1 was overtaken by 2, which was the fastest.
    expected = (Fate(0, 0), Fate(20, 20), Fate(40, None), Fate(60, 90), Fate(80, 80))
    assert trace.fates == expected
    assert any("SSRC 0x00000001, payload type 8: 1 packets" in note for note in trace.notes)
    assert parsed(ANALYZED, payload_type=8).fates == (Fate(0, 0),)
    with pytest.raises(InvalidArgumentError, match="no such stream; there are SSRC 0x1234abcd"):
        parsed(ANALYZED, ssrc=7)


def test_what_wireshark_exports(tmp_path: Path) -> None:
    path = tmp_path / "call.csv"
    path.write_text(
        '"frame.time_epoch","rtp.ssrc","rtp.seq","rtp.timestamp"\n'
        '"1700000000.100","0x00000005","7","960"\n'
        '"1700000000.125","0x00000005","8","1920"\n',
        encoding="utf-8-sig",
    )
    first, second = read_trace(path).fates
    assert (first.sent_ms, second.sent_ms) == (0, 20)
    assert first.arrival_ms == pytest.approx(0, abs=0.001)
    assert second.arrival_ms == pytest.approx(25, abs=0.001)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is no trace"),
        ("hello\nworld\n", "it is no trace"),
        ("x\n" * 100 + "send_ms,arrival_ms\n0,1\n", "it is no trace"),
        ("send_ms,ssrc\n0,1\n", "a trace has the columns"),
        ("send_ms,sent_ms,arrival_ms\n0,0,1\n", "line 1: two columns say the same: send_ms"),
        ("send_ms,arrival_ms\n", "no packet in it that arrived"),
        ("send_ms,arrival_ms\n0,\n", "no packet in it that arrived: got 1 rows"),
        ("send_ms,arrival_ms\n,1\n", "line 2: send_ms is empty"),
        (
            "send_ms,arrival_ms\n0,soon\n",
            "line 2: arrival_ms is 'soon'.*or nothing where",
        ),
        ("send_ms,arrival_ms\n0,nan\n", "line 2: arrival_ms is 'nan'"),
        ("send_ms,arrival_ms\n0,1e999\n", "line 2: arrival_ms is '1e999'"),
        ("a,b,send_ms,arrival_ms\n0\n", "line 2 has 1 columns of 4"),
        (
            "send_ms,arrival_ms\n0,0\n20\n",
            "line 3 has 1 columns of 2; expected all",
        ),
        ("send_ms;arrival_ms\n0;1,5\n", "arrival_ms is '1,5'; expected a number such as 1.5"),
        ("1,2\n3,4\n", "its first line is '1,2': name its columns so"),
        ("seq,timestamp,arrival_ms\n65536,0,1\n", "line 2: seq is '65536'.*16 bits"),
        ("seq,timestamp,arrival_ms\n1,-1,1\n", "line 2: timestamp is '-1'.*32 bits"),
        ("send_ms,arrival_ms\n0," + "1" * 5000, "line 2 is longer than 4096"),
    ],
)
def test_what_is_no_trace_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parsed(text)


@pytest.mark.parametrize(
    ("unit", "doubt"),
    [(0.001, "are 0.02 ms apart"), (1, None), (1000, "are 20000 ms apart")],
)
def test_times_in_another_unit_are_suspected(unit: float, doubt: str | None) -> None:
    rows = [f"{20 * n * unit},{(20 * n + 30 + n % 7) * unit}" for n in range(300)]
    (*notes,) = parsed("\n".join(["send_ms,arrival_ms", *rows])).notes
    assert notes == [] if doubt is None else doubt in notes[0]


@pytest.mark.parametrize(
    ("hertz", "arrival_unit", "pace"),
    [(48_000, 1, None), (8_000, 1, "6"), (90_000, 1, "0.533"), (48_000, 0.001, "0.001")],
)
def test_clocks_of_another_rate_are_suspected(
    hertz: int, arrival_unit: float, pace: str | None
) -> None:
    # One packet in ten is half a second late: that is a network.
    rows = [
        f"{n},{n * hertz // 50},{(20 * n + 500 * (n % 10 == 0)) * arrival_unit}" for n in range(400)
    ]
    *_, last = ("", *parsed("\n".join(["seq,timestamp,arrival_ms", *rows])).notes)
    assert ("it came in" in last) == bool(pace)
    assert f"it came in {pace} of the time" in last or not pace


def test_a_table_without_the_column_has_nothing_to_choose_by() -> None:
    with pytest.raises(InvalidArgumentError, match="no column ssrc to choose a stream by"):
        parsed("seq,timestamp,arrival_ms\n0,0,1\n", ssrc=7)


def test_what_powershell_writes(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("send_ms,arrival_ms\n0,1\n20,\n", encoding="utf-16")
    assert [fate.arrival_ms for fate in read_trace(path).fates] == [1, None]


def test_a_trace_without_end_is_refused() -> None:
    with pytest.raises(UnsupportedFormatError, match="at most 7200 are played"):
        parsed("send_ms,arrival_ms\n0,1\n1e10,1e10\n")


def test_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match=r"bad\.csv: it is no text and no capture"):
        read_trace(path)
    path.write_text("nothing")
    with pytest.raises(FormatError, match=r"bad\.csv: it is no trace"):
        read_trace(path)


CELLS = st.sampled_from(["", "0", "1", "-3.5", "1e5", "65535", "0x7", "x", '"2"', "nan", "9e30"])
NAMES = st.sampled_from(["send_ms", "arrival_ms", "seq", "timestamp", "ssrc", "pt", "size", "who"])


@given(
    st.lists(NAMES, min_size=1, max_size=6),
    st.lists(st.lists(CELLS, max_size=7), max_size=8),
    st.sampled_from([",", ";", "\t", " "]),
)
def test_any_table_is_a_trace_or_an_error(
    names: list[str], rows: list[list[str]], mark: str
) -> None:
    text = "\n".join(mark.join(cells) for cells in [names, *rows])
    try:
        trace = parsed(text)
    except FormatError:
        return
    assert trace.fates[0].sent_ms == 0
    sent = [fate.sent_ms for fate in trace.fates]
    assert sent == sorted(sent)
    late = [f.arrival_ms - f.sent_ms for f in trace.fates if f.arrival_ms is not None]
    assert late
    assert min(late) >= -0.01


@given(st.text(max_size=300))
def test_any_text_is_a_trace_or_an_error(text: str) -> None:
    with contextlib.suppress(FormatError):
        parsed(text)
