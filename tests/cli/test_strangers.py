"""Peers that are none: what answers a device is no server, who calls a server is no device."""

import base64
import contextlib
import hashlib
import json
import re
import signal
import socket
import struct
from collections.abc import Callable
from random import Random
from urllib.parse import urlsplit

import pytest

from .conftest import Shell, write_tone

Peer = Callable[[Callable[[socket.socket], None]], str]


def upgrade(connection: socket.socket) -> None:
    """Answer a WebSocket handshake (RFC 6455 §4.2.2)."""
    asked = connection.recv(8192).decode("latin-1")
    key = re.search(r"Sec-WebSocket-Key: (\S+)", asked, re.IGNORECASE)
    assert key
    digest = hashlib.sha1((key[1] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()  # noqa: S324  # the RFC's
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def after_upgrade(data: bytes) -> Callable[[socket.socket], None]:
    def treat(connection: socket.socket) -> None:
        upgrade(connection)
        connection.sendall(data)
        while connection.recv(4096):
            pass

    return treat


def after_request(data: bytes) -> Callable[[socket.socket], None]:
    def treat(connection: socket.socket) -> None:
        connection.recv(8192)
        connection.sendall(data)

    return treat


def hang_up(connection: socket.socket) -> None:
    """Close without a word."""


def upgrade_and_hang_up(connection: socket.socket) -> None:
    upgrade(connection)


@pytest.mark.parametrize(
    ("treat", "why"),
    [
        (hang_up, "is no opuscule server (it closed at once)"),
        (upgrade_and_hang_up, "the server closed it"),
        (after_request(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), "received 200"),
        (after_request(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "is no opuscule server"),
        (after_request(Random(1).randbytes(40_000)), "is no opuscule server"),
        (after_upgrade(b"\xff" * 500), "no WebSocket frame"),
        (after_upgrade(b"\x81\x05{bad}"), "malformed text message"),
        (after_upgrade(b"\x81\x02[]"), "malformed text message"),
        (after_upgrade(b"\x82\x05\x00\x01\x02\x03\x04"), "got audio"),
        (after_upgrade(b"\x01\x01[\x80\x01]"), "malformed text message"),
        (after_upgrade(b"\x80\x02[]"), "fragment of no message"),
        (after_upgrade(b"\x82\x7f" + b"\x7f" * 8), "no WebSocket frame"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_talk_meets_no_server(
    inside: Shell, peer: Peer, treat: Callable[[socket.socket], None], why: str
) -> None:
    url = peer(treat)
    done = inside.run("talk", "--url", url, "--source", "tone:440:1s", "--sink", "answer.wav")
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith(f"opuscule: what answers at {url}")
    assert why in done.err
    assert done.err.count("\n") == 1
    assert inside.listing() == {}


def call(url: str, *pieces: bytes) -> bytes:
    """Connect to a server, send pieces, and return what it said until it had enough."""
    address = urlsplit(url)
    heard = b""
    with (
        socket.create_connection((address.hostname, address.port), timeout=10) as connection,
        contextlib.suppress(OSError),  # it may have hung up already
    ):
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(4096):
            heard += data
    return heard


def masked(first: int, data: bytes) -> bytes:
    """A client's frame (RFC 6455 §5.2), masked with zeros."""
    length = (
        bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    )
    return bytes([first]) + length + bytes(4) + data


def test_a_server_outlives_strangers(shell: Shell) -> None:
    server, url = shell.serve()
    ask = (
        "GET {} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    hello = ask.format("/opuscule/v1").encode()
    random = Random(7)
    strangers: list[tuple[bytes, ...]] = [
        (),
        (b"\n\n\n",),
        (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",),
        (ask.format("/elsewhere").encode(),),
        (random.randbytes(100_000),),
        (hello[:60],),
        (hello,),
        (hello, random.randbytes(5000)),
        (hello, masked(0x81, b"{bad}")),
        (hello, masked(0x81, b"[" * 3000)),
        (hello, masked(0x82, random.randbytes(100))),
        (hello, masked(0x01, b"{}")),
    ]
    for pieces in strangers:
        call(url, *pieces)
    talk = ("talk", "--url", url, "--source", "tone:440:200ms", "--sink", "null", "--json")
    said = json.loads(shell.call(*talk).out)
    assert said["stored"] is True
    done = shell.end(server, signal.SIGINT)
    assert done.code == 0
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) <= len(strangers)
    kept = json.loads(shell.call("archive", "info", "recordings/archive.zarr", "--json").out)
    assert len(kept) == 1


def test_a_device_without_the_token_stays_out(shell: Shell) -> None:
    server, url = shell.serve("--token", "sesam")
    before = shell.listing()
    for given in ((), ("--token", "simsalabim")):
        done = shell.call("talk", "--url", url, "--source", "tone:1s", "--sink", "a.wav", *given)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"opuscule: the server at {url}")
        assert done.err.endswith("wants another token; set OPUSCULE_TOKEN or --token\n")
        assert shell.listing() == before
    done = shell.end(server, signal.SIGINT)
    assert (done.code, done.err) == (0, "")


def test_a_token_that_no_header_can_carry(shell: Shell) -> None:
    for line in (
        ("talk", "--token", "sésam"),
        ("serve", "--token", "a\r\nb"),
        ("serve", "--token", "a b"),
    ):
        done = shell.call(*line)
        assert (done.code, done.err.count("\n")) == (1, 1)
        assert done.err.startswith("opuscule: the token has a character")
        assert shell.listing() == {}


def test_what_a_device_has_wrong_is_said_when_a_server_is_there(shell: Shell) -> None:
    write_tone(shell.folder / "good.wav")
    (shell.folder / "cut.wav").write_bytes((shell.folder / "good.wav").read_bytes()[:999])
    (shell.folder / "empty.wav").touch()
    (shell.folder / "folder").mkdir()
    server, url = shell.serve("--no-keep")
    before = shell.listing()
    for source, sink, more, words in (
        ("cut.wav", "x.wav", (), "promises 16000"),
        ("empty.wav", "x.wav", (), "empty.wav is empty"),
        ("folder", "x.wav", (), "folder is a folder"),
        ("none.wav", "x.wav", (), "none.wav: there is no such file"),
        ("tone:loud", "x.wav", (), "tone:440:2s"),
        ("good.wav", "x.mp3", (), "name it .wav"),
        ("good.wav", "folder", (), "folder is a folder"),
        ("good.wav", "none/x.wav", (), "create it first"),
        ("good.wav", "x.wav", ("--delay-ms", "-5"), "0 to 10000"),
        ("good.wav", "x.wav", ("--delay-ms", "99999999999"), "0 to 10000"),
    ):
        done = shell.call("talk", "--url", url, "--source", source, "--sink", sink, *more)
        assert done.code == 1
        assert done.err.startswith("opuscule: ")
        assert words in done.err
        assert done.err.count("\n") == 1
        left = shell.listing()
        if more:  # the file of an answer that was to come is whole, and empty
            assert left.pop("x.wav") == 44
            (shell.folder / "x.wav").unlink()
        assert left == before
    assert shell.end(server, signal.SIGINT).err == ""


def test_a_folder_has_one_server(shell: Shell) -> None:
    server, _ = shell.serve("--keep", "kept")
    before = shell.listing()
    done = shell.call("serve", "--port", "0", "--keep", "kept")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("opuscule: kept/journal: another process is using this journal")
    assert "choose another directory" in done.err
    assert done.err.count("\n") == 1
    assert shell.listing() == before
    assert shell.end(server, signal.SIGINT).code == 0
