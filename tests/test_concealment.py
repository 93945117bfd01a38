"""A gap filled in one call: which means, which samples, and what comes after (row C6)."""

import functools
import shutil
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule.codec import Concealed, Decoder, Encoder, EncoderSettings, packet_duration
from opuscule.errors import InvalidArgumentError, InvalidPacketError
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Mode, Playout

Samples: TypeAlias = Any  # arrays; NumPy's stubs call them buffers only from Python 3.12 on
RATE = 16_000
FRAME = 320
FEC = EncoderSettings(dtx=False, loss_percent=20)
DRED = EncoderSettings(bitrate=32_000, fec=False, loss_percent=20, dtx=False, dred_ms=500)
PLAIN = EncoderSettings(fec=False, loss_percent=0, dtx=False)


@functools.cache
def speech() -> Samples:
    """A sentence at 16 kHz: a recording, or else a speaking machine."""
    recording = Path(__file__).parents[2] / "shared" / "data" / "speech" / "spk1_snt1.wav"
    if recording.exists():
        with wave.open(str(recording)) as file:
            return np.frombuffer(file.readframes(file.getnframes()), np.int16)
    if shutil.which("espeak-ng") is None:
        pytest.skip("no speech: neither ../shared/data nor espeak-ng is there")
    text = "A rainbow is a division of white light into many beautiful colours."
    said = subprocess.run(["espeak-ng", "--stdout", text], capture_output=True, check=True).stdout
    # Its header has no length, as it is written to a pipe; samples follow at byte 44.
    samples = np.frombuffer(said[44 : len(said) // 2 * 2], np.int16)
    return soxr.resample(samples, 22_050, RATE)


@functools.cache
def packets(settings: EncoderSettings, frame_ms: int = 20) -> list[bytes]:
    encoder = Encoder(RATE, preset=settings)
    step = RATE * frame_ms // 1000
    pcm = speech()
    return [encoder.encode(pcm[at : at + step]) for at in range(0, len(pcm) - step, step)]


def fresh(before: list[bytes], rate: int = RATE, complexity: int = 5) -> Decoder:
    """A decoder that has heard some packets."""
    decoder = Decoder(rate, complexity=complexity)
    for packet in before:
        decoder.decode(packet)
    return decoder


def means(filled: Concealed) -> list[tuple[int, str]]:
    """How many samples by which means, after seeing that the spans cover the samples."""
    edges = [0, *(span.end_samples for span in filled.spans)]
    assert [span.start_samples for span in filled.spans] == edges[:-1]
    assert edges[-1] == len(filled.pcm)
    return [(span.end_samples - span.start_samples, span.means) for span in filled.spans]


def with_fec() -> int:
    """A place in the FEC stream whose packet carries FEC."""
    reader = Decoder(RATE)
    return next(n for n in range(40, 200) if reader.fec_samples(packets(FEC)[n]))


@pytest.mark.row("C6")
@pytest.mark.parametrize("missing", [1, 2, 4])
def test_fec_is_for_the_frame_before_the_packet(missing: int) -> None:
    at = with_fec()
    stream = packets(FEC)
    filled = fresh(stream[: at - missing]).conceal(missing * FRAME, following=[stream[at]])
    rest = [((missing - 1) * FRAME, "plc")] if missing > 1 else []
    assert means(filled) == [*rest, (FRAME, "fec")]
    assert filled.carried_samples == 0


def test_it_is_what_one_would_call_by_hand() -> None:
    at = with_fec()
    stream = packets(FEC)
    # Neural concealment is not asked for as `conceal` without `following` asks for it.
    one, by_hand = (fresh(stream[: at - 2], complexity=4) for _ in range(2))
    filled = one.conceal(2 * FRAME, following=stream[at : at + 3])
    assert bytes(filled.pcm) == bytes(by_hand.conceal(FRAME)) + bytes(
        by_hand.decode_fec(stream[at])
    )
    # And both go on alike.
    for packet in stream[at : at + 20]:
        assert one.decode(packet) == by_hand.decode(packet)


def unlike_db(one: Samples, other: Samples) -> float:
    """How far apart the spectra of two pieces are."""
    window = np.hanning(len(one))
    a, b = (np.abs(np.fft.rfft(x * window / 32_768)) ** 2 + 1e-4 for x in (one, other))
    return float(np.sqrt(np.mean((10 * np.log10(a / b)) ** 2)))


def played(mode: Mode, stream: list[bytes], lost: int | None) -> Samples:
    """A stream of which all that came is at hand when it is played, at 16 kHz."""
    playout = Playout(StreamFormat(1, 0, RATE), rate=RATE, mode=mode, target_delay_ms=0)
    for n, packet in enumerate(stream):
        if n != lost:
            playout.push(Packet(n, n * 960, 960, packet), 0.0)
    playout.finish(len(stream) * 960, len(stream))
    pcm = np.frombuffer(playout.pull(len(stream) * FRAME, 0.0), np.int16)
    assert playout.stats.plc_samples == (0 if lost is None else FRAME)
    return pcm


def test_a_gap_between_packets_is_more_like_what_was_lost_for_knowing_both() -> None:
    stream = packets(PLAIN)
    whole = played("whole", stream, None)

    def unlike(mode: Mode) -> float:
        found = []
        for lost in range(20, len(stream) - 2, 3):
            at = slice(lost * FRAME, (lost + 1) * FRAME)
            pcm = played(mode, stream[: lost + 2], lost)
            found.append(unlike_db(pcm[at], whole[at]))
        return float(np.mean(found))

    # Mode `whole` conceals as an archive does: from what came before.
    assert unlike("fixed") == unlike("adaptive") < unlike("whole")


@pytest.mark.row("C6")
def test_dred_is_for_as_far_back_as_it_reaches() -> None:
    stream = packets(DRED)
    reader = Decoder(RATE)
    reaches = [reader.dred_samples(packet) for packet in stream]
    at = max(range(40, len(stream)), key=lambda n: reaches[n])
    assert reaches[at] >= 6 * FRAME
    six = fresh(stream[: at - 6])
    filled = six.conceal(6 * FRAME, following=[stream[at]])
    assert means(filled) == [(6 * FRAME, "dred")]
    by_hand = fresh(stream[: at - 6])
    pieces = [by_hand.decode_dred(stream[at], back * FRAME, FRAME) for back in range(6, 0, -1)]
    assert bytes(filled.pcm) == b"".join(map(bytes, pieces))
    assert six.decode(stream[at]) == by_hand.decode(stream[at])
    # Beyond its reach, concealment; and below complexity 5 nothing else.
    frames = min(at, reaches[at] // FRAME + 3)
    filled = fresh(stream[: at - frames]).conceal(frames * FRAME, following=[stream[at]])
    (beyond, first), (covered, second) = means(filled)
    assert (first, second) == ("plc", "dred")
    assert (covered, beyond) == (reaches[at] // FRAME * FRAME, frames * FRAME - covered)
    filled = fresh(stream[: at - 6], complexity=4).conceal(6 * FRAME, following=[stream[at]])
    assert means(filled) == [(6 * FRAME, "plc")]


def test_a_later_packet_may_have_the_redundancy() -> None:
    with_dred, plain = packets(DRED), packets(PLAIN)
    reader = Decoder(RATE)
    at = max(range(40, len(plain)), key=lambda n: reader.dred_samples(with_dred[n]))
    following = [plain[at - 1], with_dred[at]]
    filled = fresh(plain[: at - 4]).conceal(3 * FRAME, following=following)
    assert means(filled) == [(3 * FRAME, "dred")]
    # A packet that does not adjoin the gap has no FEC for it.
    place = with_fec()
    following = [plain[place - 1], packets(FEC)[place]]
    filled = fresh(plain[: place - 3]).conceal(2 * FRAME, following=following)
    assert means(filled) == [(2 * FRAME, "plc")]


def test_a_second_gap_does_not_take_the_first_ones_packets_for_its_own() -> None:
    stream = packets(DRED)
    reader = Decoder(RATE)
    at = max(range(40, len(stream)), key=lambda n: reader.dred_samples(stream[n]))
    asked, plain = fresh(stream[: at - 4]), fresh(stream[: at - 4])
    # The same gap filled twice without a packet in between: first with redundancy, then without.
    asked.conceal(2 * FRAME, following=[stream[at]])
    plain.conceal(2 * FRAME, following=[stream[at]])
    filled = asked.conceal(2 * FRAME, following=[packets(PLAIN)[at]])
    assert means(filled) == [(2 * FRAME, "plc")]
    filled = plain.conceal(2 * FRAME, following=[stream[at]])
    assert means(filled) == [(2 * FRAME, "dred")]


def test_there_is_no_fec_after_celt() -> None:
    at = with_fec()
    packet = packets(FEC)[at]
    celt = Encoder(RATE, application="lowdelay", fec=False).encode(speech()[6400:6720])
    decoder, twin = fresh([celt]), fresh([celt])
    assert Decoder(RATE).fec_samples(packet) == FRAME
    assert decoder.fec_samples(packet) == 0
    with pytest.raises(InvalidArgumentError, match="conceal instead"):
        decoder.decode_fec(packet)
    filled = decoder.conceal(FRAME, following=[packet])
    assert means(filled) == [(FRAME, "plc")]
    assert filled.pcm == twin.conceal(FRAME)
    # After a packet of speech, and after a reset, there is.
    assert decoder.decode(packet) == twin.decode(packet)
    assert decoder.fec_samples(packet) == FRAME
    decoder.decode(celt)
    decoder.reset()
    assert decoder.fec_samples(packet) == FRAME


def test_concealment_ends_in_silence_and_begins_anew() -> None:
    stream = packets(PLAIN)
    decoder = fresh(stream[:60])
    assert means(decoder.conceal(RATE * 2, [])) == [(RATE // 2, "plc"), (RATE * 3 // 2, "silence")]
    filled = decoder.conceal(FRAME, [])
    assert means(filled) == [(FRAME, "silence")]
    assert not any(bytes(filled.pcm))
    decoder.decode(stream[60])
    assert means(decoder.conceal(FRAME, [])) == [(FRAME, "plc")]


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_no_sample_is_lost_or_made_twice(data: st.DataObject) -> None:
    rate = data.draw(st.sampled_from([8_000, 16_000, 48_000]))
    channels = data.draw(st.sampled_from([1, 2]))
    stream = packets(data.draw(st.sampled_from([FEC, DRED])), data.draw(st.sampled_from([20, 60])))
    decoder = Decoder(
        rate, channels, sample_format=data.draw(st.sampled_from(["int16", "float32"]))
    )
    unit = rate // 400
    at = data.draw(st.integers(0, 10))
    asked = made = 0
    for _ in range(data.draw(st.integers(1, 6))):
        following = stream[at : at + data.draw(st.integers(0, 3))]
        missing = data.draw(st.integers(0, rate // 4) | st.integers(0, 3 * unit))
        filled = decoder.conceal(missing, following)
        asked += missing
        made += len(filled.pcm)
        assert sum(samples for samples, _ in means(filled)) % unit == 0
        assert 0 <= filled.carried_samples < unit
        assert made + filled.carried_samples == asked
        if data.draw(st.booleans()):
            at += 1
            assert len(decoder.decode(stream[at])) * (48_000 // rate) == packet_duration(stream[at])
    decoder.reset()
    assert decoder.conceal(unit, []).carried_samples == 0


def test_a_remainder_does_not_spoil_what_follows() -> None:
    # 25 samples more than two frames: FEC still ends where its packet begins.
    at = with_fec()
    stream = packets(FEC)
    filled = fresh(stream[: at - 2]).conceal(2 * FRAME + 25, following=[stream[at]])
    assert means(filled) == [(FRAME, "plc"), (FRAME, "fec")]
    assert filled.carried_samples == 25


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda d: d.conceal(-1), InvalidArgumentError, "missing_samples is -1"),
        (lambda d: d.conceal(-1, []), InvalidArgumentError, "missing_samples is -1"),
        (lambda d: d.conceal(60 * RATE + 1, []), InvalidArgumentError, "at most 60 s"),
        (lambda d: d.conceal(FRAME, [b""]), InvalidPacketError, "packet 0 after the gap"),
        (lambda d: d.conceal(25, [b"\x48", b"\x4b"]), InvalidPacketError, "packet 1.*R6"),
        (lambda d: d.conceal(25), InvalidArgumentError, "multiple of 40"),
    ],
)
def test_what_is_refused_changes_nothing(
    ask: Callable[[Decoder], object], error: type[Exception], words: str
) -> None:
    stream = packets(FEC)
    decoder, twin = fresh(stream[:50]), fresh(stream[:50])
    decoder.conceal(30, [])
    twin.conceal(30, [])
    with pytest.raises(error, match=words):
        ask(decoder)
    again, expected = (d.conceal(FRAME, [stream[51]]) for d in (decoder, twin))
    assert again == expected
    assert again.carried_samples == 30
    assert decoder.decode(stream[51]) == twin.decode(stream[51])


def test_a_copy_goes_on_with_the_same_gap() -> None:
    decoder = fresh(packets(PLAIN)[:50])
    decoder.conceal(RATE // 2 + 39, following=[])
    copy = decoder.copy()
    for each in (decoder, copy):
        filled = each.conceal(41, following=[])
        # The 39 samples that were owed, and half a second of concealment, are known to both.
        assert means(filled) == [(80, "silence")]
        assert filled.carried_samples == 0
        each.decode_many(packets(PLAIN)[80:82])
        assert means(each.conceal(FRAME, following=[])) == [(FRAME, "plc")]


def test_complexity_may_change_between_gaps() -> None:
    reader = Decoder(RATE)
    at = next(n for n in range(40, 200) if reader.dred_samples(packets(DRED)[n]) >= 2 * FRAME)
    gap = (2 * FRAME, [packets(DRED)[at]])
    decoder = fresh(packets(DRED)[: at - 2], complexity=0)
    assert means(decoder.copy().conceal(*gap)) == [(2 * FRAME, "plc")]
    decoder.conceal(0, following=[])
    decoder.update(complexity=5)
    assert means(decoder.copy().conceal(*gap)) == [(2 * FRAME, "dred")]
    decoder.update(complexity=4)
    assert means(decoder.conceal(*gap)) == [(2 * FRAME, "plc")]
