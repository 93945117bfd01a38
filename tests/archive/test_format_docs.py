"""The format's description says what the code does."""

import json
import re
from pathlib import Path

from opuscule.archive.layout import GAP_CODES, IndexBuilder
from opuscule.archive.storage import store
from opuscule.archive.storage.documents import checksum
from opuscule.archive.storage.entries import Entry, parse
from opuscule.archive.storage.info import ARCHIVE_FORMAT, VERSION, RecordingInfo, check_attributes

DOCUMENT = (Path(__file__).parents[2] / "docs" / "archive-format.md").read_text()


def test_the_examples_are_valid() -> None:
    root, recording, _ = (
        json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    )
    check_attributes(root, ARCHIVE_FORMAT, "the example")
    info = RecordingInfo.from_attributes(recording, "the example")
    # As if it had no arrays.
    assert recording["opuscule"].pop("checksum") == checksum(info.to_own(), {})
    assert info.to_attributes() == recording


def test_the_line_of_the_catalogue_is_valid() -> None:
    line = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)[2]
    entries: dict[str, Entry] = {}
    parse(line.encode(), entries)
    assert entries["dawn"].attributes == {"plot": "B7"}
    described = re.findall(r"`(\w+)`", DOCUMENT.partition("Members:")[2].partition("the last")[0])
    members = set(Entry.__struct_fields__)
    assert members <= set(described)


def test_every_attribute_is_described() -> None:
    described = set(re.findall(r"^\| `(\w+)` \| [^`]", DOCUMENT.partition("###")[0], re.MULTILINE))
    own = RecordingInfo.from_attributes(
        json.loads(re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)[1]), "the example"
    ).to_attributes()["opuscule"]
    assert isinstance(own, dict)
    assert described == own.keys() - {"format", "version"} | {"checksum"}


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"The archive format, version {VERSION}" in DOCUMENT
    assert f"chunks have at most {store.CHUNK_BYTES >> 10} KiB" in DOCUMENT
    assert f"at most {store.SHARD_BYTES >> 20} MiB" in DOCUMENT
    builder = IndexBuilder()
    builder.add_packets([258, 256, 261], [960] * 3, 0)
    assert f"`258, 256, 261` are the bytes `{builder.stored()[0].hex(' ')}`" in DOCUMENT
    for kind, code in GAP_CODES.items():
        assert f"{code} {kind.value}" in DOCUMENT
