"""Comments by name, and pictures in them."""

import base64
import io
import shutil
import struct
import subprocess
import wave
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.containers.ogg import (
    OggReader,
    OggWriter,
    Picture,
    PictureType,
    find_comments,
    find_pictures,
)
from opuscule.errors import FormatError, InvalidArgumentError
from opuscule.packets import StreamFormat

pytestmark = pytest.mark.row("R5")

MONO = StreamFormat(channels=1, pre_skip_samples=312, input_rate=16_000)
PICTURES = st.builds(
    Picture,
    data=st.binary(max_size=300),
    media_type=st.text("abc/-> ", max_size=12),
    type=st.sampled_from(PictureType),
    description=st.text(st.characters(codec="utf-8"), max_size=20),
    width=st.integers(0, 2**32 - 1),
    height=st.integers(0, 2**32 - 1),
    depth_bits=st.integers(0, 2**32 - 1),
    colors=st.integers(0, 2**32 - 1),
)


@given(st.lists(PICTURES, max_size=3))
def test_pictures_come_back(pictures: list[Picture]) -> None:
    file = io.BytesIO()
    comments = [("TITLE", "x"), *(picture.to_comment() for picture in pictures)]
    OggWriter(file, MONO, comments=comments).close()
    reader = OggReader(io.BytesIO(file.getvalue()))
    assert find_pictures(reader.comments) == tuple(pictures)
    assert find_comments(reader.comments, "title") == ("x",)


@given(st.binary(max_size=200), st.integers(0, 30))
def test_any_block_is_a_picture_or_an_error(block: bytes, cut: int) -> None:
    sound = base64.b64decode(Picture(b"data", "image/png", description="d").to_comment()[1])
    for data in (block, sound[:cut], sound + block[:1], block + sound):
        try:
            picture = Picture.from_comment(base64.b64encode(data).decode())
        except FormatError:
            continue
        assert base64.b64decode(picture.to_comment()[1]) == data


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("not base64!", "base64"),
        ("AAAA\n", "base64"),
        ("é", "base64"),
        ("", "ends in its type: expected 4 bytes at 0, got 0"),
        (struct.pack(">I", 21), "type 21; expected 0 to 20"),
        (struct.pack(">II", 3, 2**32 - 1), "ends in its media type: expected 4294967295"),
        (struct.pack(">II", 3, 1) + b"\xff", "no UTF-8"),
        (struct.pack(">II", 3, 1) + b"\x07" + bytes(24), "printable ASCII"),
        (struct.pack(">II", 3, 0) + bytes(24) + b"more", "28 are needed"),
    ],
)
def test_wrong_pictures(value: str | bytes, complaint: str) -> None:
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode()
    if complaint.endswith("28 are needed"):
        complaint = "block has 36 bytes; it says that 32 are needed"
    with pytest.raises(FormatError, match=complaint):
        Picture.from_comment(value)


def test_numbers_out_of_range() -> None:
    for wrong in ({"width": -1}, {"colors": 2**32}, {"media_type": "bild/\n"}):
        with pytest.raises(InvalidArgumentError, match="expected"):
            Picture(b"", **{"media_type": "image/png", **wrong})  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="fit in comments"):
        Picture(bytes(13 << 20), "image/png")


def test_names_are_found_whatever_their_case() -> None:
    comments = (("Title", "a"), ("TITLE", "b"), ("title ", "c"), ("ARTIST", "d"), ("İ", "e"))
    assert find_comments(comments, "tItLe") == ("a", "b")
    assert find_comments(comments, "i") == ()


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    rows = b"".join(b"\0" + bytes(3 * width) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_reads_the_pictures_of_opusenc_and_is_read_by_opusinfo(tmp_path: Path) -> None:
    for tool in ("opusenc", "opusinfo"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    image, source, coded = tmp_path / "a.png", tmp_path / "a.wav", tmp_path / "a.opus"
    image.write_bytes(png(5, 7))
    with wave.open(str(source), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(bytes(9600))
    picture = f"4||behind|5x7x24|{image}"
    subprocess.run(["opusenc", "--quiet", "--picture", picture, source, coded], check=True)
    with coded.open("rb") as file:
        reader = OggReader(file)
        found = find_pictures(reader.comments)
        items = list(reader)
    assert found == (
        Picture(png(5, 7), "image/png", PictureType.BACK_COVER, "behind", 5, 7, 24, 0),
    )
    ours = tmp_path / "ours.opus"
    with ours.open("wb") as output:
        cover = Picture(
            png(5, 7), "image/png", description="vörn", width=5, height=7, depth_bits=24
        )
        writer = OggWriter(output, reader.format, comments=[cover.to_comment()])
        writer.write_all(items)
        writer.close()
    said = subprocess.run(
        ["opusinfo", ours], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert "METADATA_BLOCK_PICTURE=3|image/png|v" in said.stdout
    assert "|5x7x24|" in said.stdout
    assert "WARNING" not in said.stdout + said.stderr
