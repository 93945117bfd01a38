"""The decoder gives libopus's own samples, and ffmpeg's decoder, an independent one, agrees.

This is a share of the matrix that benchmarks/conformance.py runs whole; see docs/conformance.md.
"""

import shutil

import pytest

from _channels import channel_streams, encode
from _quality import opus_quality, own_bins
from _reference import (
    Action,
    Reference,
    ReferenceMissingError,
    carry_out,
    single_frames,
    with_ffmpeg,
)
from _streams import GROUPS, Stream, actions, matrix, subset, variants
from opuscule import Encoder, libopus_version

pytestmark = pytest.mark.row("C1")

MATRIX = matrix()
SHARE = subset(MATRIX)
CHANNELS = channel_streams(len(MATRIX))
CHANNELS_SHARE = subset(CHANNELS, 9)
STEADY = [stream for stream in MATRIX if stream.group == "steady"]


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    try:
        return Reference.build(tmp_path_factory.mktemp("reference"))
    except ReferenceMissingError as error:
        pytest.skip(f"the reference programs cannot be built: {error}")


@pytest.fixture(scope="session")
def share(reference: Reference) -> dict[str, list[bytes]]:
    """The packets of each stream of the share."""
    return {stream.name: packets_of(reference, stream) for stream in SHARE}


def packets_of(reference: Reference, stream: Stream) -> list[bytes]:
    return reference.encode(48_000, stream.channels, stream.application, stream.script())


def test_both_are_the_same_libopus(reference: Reference) -> None:
    assert reference.version == libopus_version()


def test_the_matrix_is_as_large_as_promised() -> None:
    assert len(MATRIX) >= 400
    assert len({stream.name for stream in MATRIX}) == len(MATRIX)
    assert {stream.group for stream in SHARE} == set(GROUPS)


@pytest.mark.parametrize("stream", SHARE, ids=lambda stream: stream.name)
def test_every_sample_is_that_of_libopus(
    reference: Reference, share: dict[str, list[bytes]], stream: Stream
) -> None:
    packets = share[stream.name]
    for way in variants(stream):
        todo = list(actions(stream, packets, way.rate))
        how = (way.rate, way.channels, way.sample_format, way.complexity)
        assert carry_out(todo, *how) == reference.decode(todo, *how), way


@pytest.mark.parametrize("stream", CHANNELS_SHARE, ids=lambda stream: stream.name)
def test_every_sample_of_several_streams_is_that_of_libopus(
    reference: Reference, stream: Stream
) -> None:
    packets, layout = encode(reference, stream)
    assert layout is not None
    assert len(layout.mapping) == stream.channels
    for way in variants(stream):
        todo = list(actions(stream, packets, way.rate, layout))
        how = (way.rate, way.channels, way.sample_format, way.complexity, layout)
        assert carry_out(todo, *how) == reference.decode(todo, *how), way


def test_the_share_of_several_streams_holds_every_kind(reference: Reference) -> None:
    assert {(s.family, s.channels) for s in CHANNELS} >= {(1, n) for n in range(3, 9)} | {
        (255, n) for n in (1, 2, 3, 8, 255)
    }
    assert {stream.family for stream in CHANNELS_SHARE} == {1, 255}
    means = set()
    for stream in CHANNELS_SHARE:
        if stream.group == "channels, fec":
            packets, layout = encode(reference, stream)
            means |= {action.kind for action in actions(stream, packets, 48_000, layout)}
    assert means == {"d", "f", "c"}


def test_the_layout_is_that_of_libopus(reference: Reference) -> None:
    for family, channels in {(s.family, s.channels) for s in CHANNELS}:
        form = Encoder(48_000, channels, mapping_family=family, bitrate="auto").format
        layout, _ = reference.encode_many(48_000, channels, family, "voip", b"")
        ours = (form.streams, form.coupled, bytes(form.mapping))
        assert ours == (layout.streams, layout.coupled, layout.mapping)


def test_the_share_holds_every_mode_bandwidth_and_means(share: dict[str, list[bytes]]) -> None:
    tocs = set()
    means = set()
    for stream in SHARE:
        packets = share[stream.name]
        tocs |= {packet[0] for packet in packets}
        means |= {(stream.group, action.kind) for action in actions(stream, packets, 48_000)}
    configurations = {toc >> 3 for toc in tocs}
    # RFC 6716 §3.1, table 2: SILK NB, MB, WB; hybrid SWB, FB; CELT NB, WB, SWB, FB.
    for first, after in ((0, 4), (4, 8), (8, 12), (12, 14), (14, 16)):
        assert configurations & set(range(first, after))
    for first in range(16, 32, 4):
        assert configurations & set(range(first, first + 4))
    assert {toc >> 2 & 1 for toc in tocs} == {0, 1}
    assert {toc & 3 for toc in tocs} == {0, 1, 2, 3}
    assert means >= {("fec", "f"), ("fec", "c"), ("dred", "r"), ("dtx", "c"), ("dtx", "d")}


def test_frames_decode_the_same_in_packets_of_their_own(share: dict[str, list[bytes]]) -> None:
    tried = set()
    for stream in SHARE:
        packets = share[stream.name]
        if stream.group == "steady" and any(packet[0] & 3 for packet in packets):
            tried |= {packet[0] & 3 for packet in packets}
            frames = [frame for packet in packets for frame in single_frames(packet)]
            assert len(frames) >= len(packets)  # equal where a packet of one frame is padded
            whole, apart = (
                carry_out([Action("d", data) for data in some], 48_000, 1, "int16", 5)
                for some in (packets, frames)
            )
            assert whole == apart, stream.name
    assert tried >= {1, 2, 3}


def test_a_difference_would_be_seen(reference: Reference) -> None:
    stream = next(s for s in STEADY if s.name.startswith("steady: SILK WB, 20 ms"))
    todo = [Action("d", packet) for packet in packets_of(reference, stream)]
    theirs = reference.decode(todo, 48_000, 1, "int16", 5)
    assert carry_out(todo, 48_000, 1, "int16", 5) == theirs
    # From 6 on speech is enhanced.
    assert carry_out(todo, 48_000, 1, "int16", 6) != theirs
    assert carry_out(todo[1:], 48_000, 1, "int16", 5) != theirs[1920:]


@pytest.mark.parametrize(
    "action",
    [Action("f", b"\x08\0\0"), Action("r", b"\x08\0\0", 480, 480), Action("d", b"\xff\xff\xff")],
)
def test_the_reference_refuses_what_is_not_there(reference: Reference, action: Action) -> None:
    with pytest.raises(AssertionError, match="decode: "):
        reference.decode([action], 48_000, 1, "int16", 5)


@pytest.mark.parametrize("stream", STEADY[::24], ids=lambda stream: stream.name)
def test_ffmpegs_decoder_agrees(reference: Reference, stream: Stream) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    packets = packets_of(reference, stream)
    ours, theirs = with_ffmpeg(packets, stream.channels, "opus")
    # As the stream's own bandwidth has it; above lies what a resampler lets through, and ffmpeg's
    # is another than libopus's (docs/conformance.md). CELT is not resampled.
    assert opus_quality(ours, theirs, own_bins(packets[0][0])) >= 0
    if packets[0][0] >> 3 >= 16:
        assert opus_quality(ours, theirs) >= 0
