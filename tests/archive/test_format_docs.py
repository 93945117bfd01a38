"""The format's description says what the code does."""

import json
import re
from pathlib import Path

from opuscule.archive.info import ARCHIVE_FORMAT, VERSION, RecordingInfo, check_attributes
from opuscule.archive.layout import ANCHOR_PACKETS, GAP_CODES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "archive-format.md").read_text()


def test_the_examples_are_valid() -> None:
    root, recording = (
        json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    )
    check_attributes(root, ARCHIVE_FORMAT, "the example")
    info = RecordingInfo.from_attributes(recording, "the example")
    assert info.to_attributes() == recording


def test_every_attribute_is_described() -> None:
    described = set(re.findall(r"^\| `(\w+)` \| [^`]", DOCUMENT, re.MULTILINE))
    own = RecordingInfo.from_attributes(
        json.loads(re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)[1]), "the example"
    ).to_attributes()["opuscule"]
    assert isinstance(own, dict)
    assert described == own.keys() - {"format", "version"}


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"The archive format, version {VERSION}" in DOCUMENT
    assert f"every {ANCHOR_PACKETS}th packet" in DOCUMENT
    for kind, code in GAP_CODES.items():
        assert f"{code} {kind.value}" in DOCUMENT
