"""A call that is played: what its log says, what hurt, what is written."""

import csv
import json
import wave
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from opuscule.codec import VOICE, Decoder
from opuscule.errors import FormatError, InvalidArgumentError
from opuscule.measure.codec import sentence
from opuscule.measure.playout import (
    Call,
    Fate,
    PlayedCall,
    Trace,
    as_dict,
    call_of_audio,
    play_call,
    write_log,
    write_sound,
)
from opuscule.measure.playout.account import (
    MadeUp,
    delays_of,
    made_up,
    shares_of,
    speech_blocks,
    speech_heard,
)
from opuscule.measure.playout.calls import Sent
from opuscule.measure.playout.network import network_of
from opuscule.measure.playout.terminal import COLOURS, LETTERS, to_text
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Origin, PlayedSpan

from .wire import spoken

MS = 48
ROWS = 400


def trace_of(arrivals: list[float | None]) -> Trace:
    return Trace(tuple(Fate(20.0 * n, at) for n, at in enumerate(arrivals)))


def clean() -> list[float | None]:
    return [20.0 * n for n in range(ROWS)]


def played(arrivals: list[float | None], audio: Path | None = None, **changes: int) -> PlayedCall:
    settings = replace(VOICE, fec=False, dtx=False, **changes)  # type: ignore[arg-type]
    call = call_of_audio(trace_of(arrivals), audio, settings)
    return play_call(call, mode="adaptive", target_delay_ms=30, with_quality=False)


SPANS = [
    PlayedSpan("silence", None, 35 * MS),
    PlayedSpan("received", 0, 100 * MS),
    PlayedSpan("plc", 100 * MS, 20 * MS),
    PlayedSpan("fec", 120 * MS, 20 * MS),
    PlayedSpan("plc", 140 * MS, 100 * MS),
    PlayedSpan("silence", None, 60 * MS),
    PlayedSpan("received", 140 * MS, 40 * MS, None, 60 * MS),
    PlayedSpan("silence", None, 40 * MS, "unsent"),
    PlayedSpan("received", 240 * MS, 60 * MS),
    PlayedSpan("plc", 300 * MS, 500 * MS),
]
"""100 ms, 20 lost, 20 rebuilt, a wait of 160 ms, 60 ms in 40, a pause of 40, 60 more."""


def test_a_log_by_hand() -> None:
    assert shares_of(SPANS) == {
        "received": pytest.approx(160 / 440),
        "plc": pytest.approx(120 / 440),
        "fec": pytest.approx(20 / 440),
        "silence": pytest.approx(100 / 440),
        "stretched": pytest.approx(40 / 440),
    }
    assert made_up(SPANS) == [
        MadeUp(140, 20, 20, ("plc",)),
        MadeUp(180, 160, 0, ("plc", "silence")),
    ]
    assert [m.is_wait for m in made_up(SPANS)] == [False, True]
    delays = delays_of(SPANS)
    assert delays is not None
    # 40 ms late for 120 ms, then 200 for 40 and 180 for 60: the first pull is at 5 ms.
    assert delays.median_ms == 40
    assert delays.p95_ms == 200
    assert delays.greatest_ms == 200
    assert delays.mean_ms == pytest.approx((120 * 40 + 40 * 200 + 60 * 180) / 220)
    assert delays_of(SPANS[:1]) is None
    assert shares_of(SPANS[:1]) == {}
    assert made_up(SPANS[:1]) == []


def test_speech_that_was_not_heard_has_its_cause_and_its_place() -> None:
    sent = [
        Sent(Packet(n, 960 * n, 960, b"\0"), 20.0 * n, None if n == 5 else 20.0 * n)
        for n in range(20)
    ]
    spans = [span for span in SPANS if span.origin in ("received", "fec")]
    heard = speech_heard(spans, sent, [True] * 32)
    # Lost: 100 to 120 ms. Never played although it came: 200 to 240, and from 300 on.
    assert (heard.speech_ms, heard.lost_ms, heard.late_ms) == (320, 20, 60)
    assert [(g.time_ms, g.speech_ms, g.lost_ms) for g in heard.gaps] == [
        (100, 20, 20),
        (200, 40, 0),
        (300, 20, 0),
    ]
    assert heard.unheard_share == 0.25
    quiet = speech_heard(spans, sent, [True] * 10 + [False] * 22)
    assert (quiet.unheard_share, quiet.gaps) == (0, ())


def test_speech_is_what_is_loud() -> None:
    loud, quiet = b"\x00\x20" * 480, b"\x01\x00" * 480
    assert speech_blocks(loud + quiet + loud, 1) == [True, False, True]
    assert speech_blocks(bytes(960), 1) == [False]


def test_a_perfect_network_hurts_nobody() -> None:
    call = played(clean())
    assert call.shares == {"received": 1.0}
    assert call.network.lost_share == 0
    assert call.made_up == ()
    assert call.delays is not None
    assert call.delays.greatest_ms <= 36
    assert call.hurt == ("Nothing to speak of: all of the speech was heard, 35 ms late.",)
    decoder = Decoder(48_000, 1)
    plain = b"".join(bytes(decoder.decode(s.packet.data)) for s in call.call.sent)
    begin = 2 * 48 * 35
    assert call.simulated.pcm[begin : begin + len(plain)] == plain


def test_what_was_lost_is_found_where_it_was() -> None:
    arrivals = clean()
    arrivals[50:60] = [None] * 10
    call = played(arrivals)
    n = call.network
    assert (n.lost, n.bursts, n.mean_burst_packets, n.longest_burst_ms) == (10, 1, 10, 200)
    (gap,) = [gap for gap in call.heard.gaps if gap.speech_ms > 100]
    assert 1000 <= gap.time_ms < 1100
    assert gap.lost_ms == gap.speech_ms
    (first, *_) = call.hurt
    share = call.heard.unheard_share
    assert first.startswith(f"{share:.1%} of the speech was not heard, but made up or left out")
    assert "in one gap of more than 100 ms, at 1.1 s." in first


def test_what_stopped_and_was_played_afterwards_is_no_loss() -> None:
    arrivals = clean()
    arrivals[100:125] = [2500.0] * 25
    settings = replace(VOICE, fec=False, dtx=False)
    call = play_call(
        call_of_audio(trace_of(arrivals), None, settings), mode="whole", with_quality=False
    )
    assert call.network.longest_silence_ms == 520
    assert call.interruptions.count == 1
    assert call.heard.unheard_share < 0.01
    (stop,) = [text for text in call.hurt if text.startswith("The sound stopped once")]
    assert "at 2.0 s, while speech waited" in stop
    assert call.delays is not None
    assert call.delays.greatest_ms > 400


def test_a_fixed_delay_stays_whatever_comes() -> None:
    """Packets that come one by one, each behind its time: what is left out ends within them."""
    arrivals = clean()
    for n in range(100, 110):
        arrivals[n] = 2140.0 + 37 * (n - 100)
    call = call_of_audio(trace_of(arrivals), None, replace(VOICE, fec=False, dtx=False))
    found = play_call(call, mode="fixed", target_delay_ms=20, with_quality=False)
    assert found.delays is not None
    assert found.delays.greatest_ms == found.delays.median_ms == 25


def test_delay_is_named_when_it_is_what_hurts() -> None:
    arrivals: list[float | None] = [20.0 * n + (97 * n % 300) for n in range(ROWS)]
    call = played(arrivals)
    assert any("ITU-T G.114 advises 150 ms" in text for text in call.hurt)
    assert call.network.reordered > 0


def test_packets_of_60_ms_have_the_fate_of_their_last_row() -> None:
    arrivals = clean()
    arrivals[8] = None
    arrivals[11] = 20 * 11 + 33.0
    call = played(arrivals, frame_ms=60).call
    assert call.packet_ms == 60
    assert [s.packet.sequence for s in call.sent if s.arrival_ms is None] == [2]
    assert call.sent[3].sent_ms == 220
    assert call.sent[3].arrival_ms == 253


def test_packets_of_10_ms_have_the_fate_of_their_row() -> None:
    arrivals = clean()
    arrivals[1] = None
    arrivals[3] = 65.0
    sent = played(arrivals, frame_ms=10).call.sent
    assert [s.packet.sequence for s in sent if s.arrival_ms is None] == [2, 3]
    assert [(s.sent_ms, s.arrival_ms) for s in sent[6:8]] == [(60, 65), (70, 75)]


def test_a_loss_before_a_pause_of_the_trace_is_not_that_of_the_whole_pause() -> None:
    fates = (Fate(0, 7.0), Fate(20, None), Fate(1000, 1003.0), Fate(1020, 1023.0))
    call = call_of_audio(Trace(fates), None, VOICE)
    lost = [s.packet.sequence for s in call.sent if s.arrival_ms is None]
    assert lost == list(range(1, 9))
    assert call.sent[20].arrival_ms == 407


def test_files_of_opus_packets_are_sent_as_they_are(tmp_path: Path) -> None:
    from opuscule.transcode import encode_file

    path = tmp_path / "a.wav"
    sound = sentence()
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, sound.rate, 0, "NONE", ""))
        file.writeframes(sound.pcm.tobytes())
    encode_file(path, tmp_path / "a.opus", frame_ms=40, preset="music")
    call = played(clean(), tmp_path / "a.opus").call
    assert call.packet_ms == 40
    assert "as they are in the file" in call.notes[0]
    encoded = played(clean(), path).call
    assert encoded.packet_ms == 20
    assert encoded.notes == ("the audio ends after 5.7 s, before the trace",)


def test_audio_without_samples_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    with pytest.raises(FormatError, match=r"a\.wav has no packet"):
        played([0.0, 20.0, 40.0], path)


def test_a_trace_shorter_than_a_packet_is_refused() -> None:
    with pytest.raises(FormatError, match="the sentence has no packet that ends within the 20 ms"):
        played([0.0], frame_ms=60)


def test_one_packet_is_no_call() -> None:
    with pytest.raises(FormatError, match=r"the sentence has 1 packet .* a call has at least 2"):
        played([0.0])
    assert len(played([0.0, 20.0]).call.sent) == 2


def test_nothing_came() -> None:
    packets = spoken()[:10]
    sent = tuple(Sent(p, p.time_samples / 48, None) for p in packets)
    call = Call(StreamFormat(1, 0, 48_000), sent, (), ())
    found = play_call(call, mode="adaptive", with_quality=False)
    assert found.hurt == ("Nothing was heard: no packet came.",)
    assert found.delays is None
    assert "nothing was heard" in to_text(found, 80, is_plain=True).plain
    assert network_of(call).lost_share == 1


@pytest.fixture(scope="module")
def damaged() -> PlayedCall:
    """Losses and a stall."""
    arrivals = clean()
    arrivals[50:60] = [None] * 10
    arrivals[200:225] = [4500.0] * 25
    return played(arrivals)


def test_every_origin_has_its_letter_and_its_colour() -> None:
    assert set(LETTERS) == set(COLOURS) == {*get_args(Origin), "stretched"}
    assert len(set(LETTERS.values())) == len(set(COLOURS.values())) == len(LETTERS)
    assert " " not in LETTERS.values()  # nobody sees it in the legend


def test_the_terminal_shows_where_it_was(damaged: PlayedCall) -> None:
    plain = to_text(damaged, 89, is_plain=True).plain.splitlines()
    band = next(line for line in plain if line.lstrip().startswith("made of"))[9:]
    # 79 columns for 8 s and a little; what is made up at 1.0 s and at 4.1 s.
    assert band[10] == band[41] == "x"
    assert band.count("x") < 12
    assert plain[-1].split() == [".", "received", "x", "plc", "s", "stretched"]
    colourful = to_text(damaged, 89, is_plain=False)
    assert {str(span.style) for span in colourful.spans} >= {"cyan", "#4caf72", "#e2542d"}
    assert max(map(len, colourful.plain.splitlines())) <= 89


def test_the_log_accounts_for_every_sample(damaged: PlayedCall, tmp_path: Path) -> None:
    write_log(damaged, tmp_path / "a.csv")
    write_log(damaged, tmp_path / "a.jsonl")
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert sum(int(row["samples"]) for row in rows) == damaged.stats.played_samples
    assert len(lines) == len(rows)
    assert [line["origin"] for line in lines] == [row["origin"] for row in rows]
    for line in lines:
        assert (line["delay_ms"] is not None) == (line["origin"] in ("received", "fec", "dred"))
        if line["delay_ms"] is not None:
            assert line["played_ms"] - line["time_samples"] / 48 == pytest.approx(
                line["delay_ms"], abs=0.002
            )
    with pytest.raises(InvalidArgumentError, match=r"ends in \.csv or \.jsonl"):
        write_log(damaged, tmp_path / "a.txt")


def test_the_sound_begins_with_the_sending_of_the_first_packet(
    damaged: PlayedCall, tmp_path: Path
) -> None:
    write_sound(damaged, tmp_path / "a.wav")
    with wave.open(str(tmp_path / "a.wav"), "rb") as file:
        assert (file.getframerate(), file.getnchannels()) == (48_000, 1)
        assert file.readframes(file.getnframes()) == damaged.simulated.pcm
    assert len(damaged.simulated.pcm) == 2 * (5 * MS + damaged.stats.played_samples)


def test_the_report_is_plain_data(damaged: PlayedCall) -> None:
    told = json.loads(json.dumps(as_dict(damaged)))
    assert told["network"]["lost"] == 10
    assert sum(told["shares"].values()) == pytest.approx(1)
    assert told["stats"]["played_samples"] == damaged.stats.played_samples
    assert told["hurt"] == list(damaged.hurt)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_is_the_same_for_the_same_call(
    damaged: PlayedCall, tmp_path: Path, ending: str
) -> None:
    pytest.importorskip("matplotlib")
    from opuscule.measure.playout.picture import write_picture

    for name in ("a", "b"):
        write_picture(damaged, tmp_path / f"{name}.{ending}", title="a call")
    first = (tmp_path / f"a.{ending}").read_bytes()
    assert first == (tmp_path / f"b.{ending}").read_bytes()
    assert first.startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    if ending == "svg":
        text = first.decode()
        assert "a packet that was lost" in text
        assert "made up" in text
    with pytest.raises(InvalidArgumentError, match=r"expected a name in \.png or \.svg"):
        write_picture(damaged, tmp_path / "a.gif")


def test_judges_hear_what_was_lost() -> None:
    pytest.importorskip("pesq", reason="pesq is not installed")
    arrivals = clean()
    arrivals[50:60] = [None] * 10
    scores, clean_moses = [], set()
    for of in (clean(), arrivals):
        call = call_of_audio(trace_of(of), None, VOICE)
        found = play_call(call, mode="adaptive", target_delay_ms=30)
        assert found.quality is not None
        assert found.quality.pesq_wb is not None
        scores.append(found.quality.pesq_wb)
        clean_moses.add(found.quality.plcmos_clean)
        if of is not arrivals:  # nothing is between them
            assert found.quality.plcmos == pytest.approx(found.quality.plcmos_clean, abs=0.05)
    assert scores[0] > 4.5
    assert scores[1] < scores[0] - 0.5
    assert len(clean_moses) == 1


@pytest.mark.parametrize("packets", [2, 30, 51])
def test_judges_of_little_or_nothing(packets: int) -> None:
    pytest.importorskip("pesq", reason="pesq is not installed")
    for arrivals in (clean()[:packets], [*clean()[:1], *[None] * packets]):
        call = call_of_audio(trace_of(arrivals), None, VOICE)
        found = play_call(call, mode="adaptive", target_delay_ms=30)
        assert found.quality is not None
        assert bool(found.quality.pieces) == (len(arrivals) > 50)
