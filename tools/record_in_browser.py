"""Has a real Chromium record sounds with MediaRecorder, as web pages do; tests read what it makes.

    .venv/bin/python tools/record_in_browser.py FOLDER [NAME ...]

Each recording of ``RECORDINGS`` (or those that are named) becomes a file in FOLDER. A page served
on 127.0.0.1 records computed sounds, all at the same time, and posts what comes out.
``tests/data/chromium-*`` were made by it, with Chromium 156.
"""

import argparse
import contextlib
import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

__all__ = ["RECORDINGS", "find_browser", "record"]

RECORDINGS: dict[str, dict[str, object]] = {
    "mono.webm": {},
    "stereo.webm": {"channels": 2, "bitrate": 96_000},
    "constant.webm": {"mode": "constant", "bitrate": 32_000},
    "sliced.webm": {"slice": 100},
    "paused.webm": {"pause": 300},
    "mono.mp4": {"type": "audio/mp4;codecs=opus"},
}
"""What is recorded, where it differs from ``_USUAL``; times in ms."""

_USUAL = {"type": "audio/webm;codecs=opus", "mode": "variable", "channels": 1, "bitrate": 24_000}

_PAGE = """<!doctype html><script>
async function record(name, want) {
  const context = new AudioContext();
  await context.resume();
  const sink = context.createMediaStreamDestination();
  sink.channelCount = want.channels;
  const merger = context.createChannelMerger(want.channels);
  for (let channel = 0; channel < want.channels; channel++) {
    const tone = context.createOscillator();
    tone.frequency.setValueAtTime(200 * (channel + 1), 0);
    tone.frequency.linearRampToValueAtTime(2000, 2);
    tone.connect(merger, 0, channel);
    tone.start();
  }
  merger.connect(sink);
  const recorder = new MediaRecorder(sink.stream, {mimeType: want.type,
    audioBitsPerSecond: want.bitrate, audioBitrateMode: want.mode});
  const parts = [];
  recorder.ondataavailable = event => parts.push(event.data);
  const wait = ms => new Promise(done => setTimeout(done, ms));
  const stopped = new Promise(done => recorder.onstop = done);
  want.slice ? recorder.start(want.slice) : recorder.start();
  await wait(500);
  if (want.pause) { recorder.pause(); await wait(want.pause); recorder.resume(); }
  await wait(500);
  recorder.stop();
  await stopped;
  await fetch("/" + name, {method: "POST", body: new Blob(parts)});
}
const wanted = %s;
Promise.all(Object.entries(wanted).map(([name, want]) =>
  record(name, want).catch(error => fetch("/" + name + "?" + error, {method: "POST"}))));
</script>"""


def find_browser() -> str | None:
    """The path of a Chromium, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    return None


def record(browser: str, names: list[str], seconds: float = 30) -> dict[str, bytes]:
    """Record some of ``RECORDINGS``.

    Raises:
        TimeoutError: the browser has not made them all in time; the message has what it said.
        RuntimeError: it cannot make one of them.
    """
    wanted = {name: _USUAL | RECORDINGS[name] for name in names}
    made: dict[str, bytes] = {}
    refused: list[str] = []
    done = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer((_PAGE % json.dumps(wanted)).encode())

        def do_POST(self) -> None:
            name, _, error = self.path[1:].partition("?")
            data = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if error:
                refused.append(f"{name}: {error}")
            made[name] = data
            self._answer(b"")
            if made.keys() >= wanted.keys():
                done.set()

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        profile = stack.enter_context(
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # it may still write there
        )
        log = stack.enter_context(tempfile.TemporaryFile())
        process = subprocess.Popen(
            [
                browser,
                "--headless=new",
                "--no-sandbox",  # it may be root in a container, and shows only our page
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--autoplay-policy=no-user-gesture-required",
                f"--user-data-dir={profile}",
                f"http://127.0.0.1:{server.server_address[1]}/",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            in_time = done.wait(seconds)
        finally:
            process.terminate()
            process.wait()
        if not in_time:
            log.seek(0)
            said = log.read().decode(errors="replace")[-2000:]
            raise TimeoutError(f"{browser} made {sorted(made)} of {names} in {seconds} s: {said}")
    if refused:
        raise RuntimeError("; ".join(refused))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECORDINGS))
    chosen = parser.parse_args()
    browser = find_browser()
    if browser is None:
        sys.exit("no Chromium is installed")
    for name, data in record(browser, chosen.names or list(RECORDINGS)).items():
        (chosen.folder / name).write_bytes(data)
        print(f"{chosen.folder / name}: {len(data)} bytes")


if __name__ == "__main__":
    main()
