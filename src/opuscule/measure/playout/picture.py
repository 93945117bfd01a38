"""A played call as a picture: packets, delay, what the sound was made from, the sound."""

import os
import textwrap
from pathlib import Path
from typing import Any

from opuscule.errors import InvalidArgumentError, MissingExtraError
from opuscule.files import atomic_output
from opuscule.measure.playout.account import DATA, name_of, of_the_stream, timed, track_of
from opuscule.measure.playout.network import lateness_of
from opuscule.measure.playout.report import PlayedCall
from opuscule.measure.playout.terminal import COLOURS

__all__ = ["check_picture", "write_picture"]

_WORDS = {
    "received": "received",
    "fec": "rebuilt from FEC",
    "dred": "rebuilt from DRED",
    "stretched": "stretched or shortened",
    "plc": "made up",
    "comfort_noise": "comfort noise",
    "silence": "silence",
}
_COLUMNS = 2000
_GAP_MS = 30
"""Where nothing from data was played for so long, the line is interrupted."""


def check_picture(path: str | os.PathLike[str]) -> None:
    """Refuse early what cannot be drawn.

    Raises:
        InvalidArgumentError: the name ends neither in .png nor in .svg.
        MissingExtraError: matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in (".png", ".svg"):
        raise InvalidArgumentError(f"the picture is {path}; expected a name in .png or .svg")
    _import()


def write_picture(played: PlayedCall, path: str | os.PathLike[str], *, title: str = "") -> None:
    """Draw a played call.

    Args:
        played: the call.
        path: the PNG or SVG file to write.
        title: what stands above it, before what hurt most.

    Raises:
        InvalidArgumentError, MissingExtraError: see :func:`check_picture`.
        OSError: it cannot be written.
    """
    check_picture(path)
    mpl, pyplot = _import()
    # The same picture from the same call, byte by byte.
    settings = {"svg.hashsalt": "opuscule", "svg.fonttype": "none", "font.size": 9}
    kind = Path(path).suffix.lower()[1:]
    with mpl.rc_context(settings):
        figure, (delay, origin, wave) = pyplot.subplots(
            3,
            1,
            sharex=True,
            figsize=(10, 5.4),
            layout="constrained",
            height_ratios=(6, 0.8, 2.2),
        )
        try:
            _draw_delay(delay, played)
            _draw_origins(origin, played)
            _draw_wave(wave, played)
            figure.suptitle(_title(title, played), fontsize=10, x=0.01, ha="left")
            with atomic_output(path) as file:
                metadata = {"Date": None} if kind == "svg" else {"Software": None}
                figure.savefig(file, format=kind, dpi=110, metadata=metadata)
        finally:
            pyplot.close(figure)


def _import() -> tuple[Any, Any]:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("drawing what happened", "measure") from error
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return mpl, plt


def _title(title: str, played: PlayedCall) -> str:
    said = textwrap.fill(played.hurt[0], 130)
    return f"{title}\n{said}" if title else said


def _draw_delay(axes: Any, played: PlayedCall) -> None:
    late = lateness_of(played.call.sent)
    axes.plot(
        [sent_ms / 1000 for sent_ms, _ in late],
        [late_ms for _, late_ms in late],
        ".",
        markersize=2.5,
        color="0.55",
        label="a packet: how late it came",
    )
    lost = [s.sent_ms / 1000 for s in played.call.sent if s.arrival_ms is None]
    times, delays, before = list[float](), list[float](), 0.0
    for at_ms, delay_ms, samples in track_of(played.simulated.spans):
        if times and at_ms - before > _GAP_MS:
            times.append(before / 1000)
            delays.append(float("nan"))
        before = at_ms + samples / 48
        times += [at_ms / 1000, before / 1000]
        delays += [delay_ms, delay_ms]
    axes.plot(times, delays, color="#1f5fa8", linewidth=1.4, label="the delay of what was heard")
    if targets := list(played.simulated.targets):
        targets.append((_played_s(played) * 1000, targets[-1][1]))
        axes.step(
            [at_ms / 1000 for at_ms, _ in targets],
            [target_ms for _, target_ms in targets],
            "--",
            where="post",
            color="#c77b1e",
            linewidth=1,
            label="the delay that is aimed at",
        )
    axes.set_ylim(bottom=0)
    if lost:
        # Along the top: a lost packet has no lateness.
        axes.plot(
            lost,
            [1.0] * len(lost),
            "|",
            color="#c1272d",
            markersize=9,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            label="a packet that was lost",
        )
    axes.set_ylabel("ms")
    axes.grid(alpha=0.25)
    _legend(axes)


def _legend(axes: Any) -> None:
    """In a line above, where it hides nothing."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=8, fontsize=8, frameon=False, borderpad=0.1
    )


def _draw_origins(axes: Any, played: PlayedCall) -> None:
    spans = played.simulated.spans
    first, stop = of_the_stream(spans)
    bars: dict[str, list[tuple[float, float]]] = {}
    name_before = ""
    for at, span in list(timed(spans))[first:stop]:
        name, of = name_of(span), bars.setdefault(name_of(span), [])
        if name == name_before:
            begin, length = of.pop()
            of.append((begin, length + span.samples / 48_000))
        else:
            of.append((at / 48_000, span.samples / 48_000))
        name_before = name
    for name, words in _WORDS.items():
        share = played.shares.get(name, 0.0)
        if name in bars:
            axes.broken_barh(
                bars[name],
                (0, 1),
                color=COLOURS[name],
                linewidth=0,
                label=f"{words} {share:.1%}" if share >= 0.0005 else None,
            )
    axes.set(yticks=[], ylim=(0, 1))
    axes.set_ylabel("made of", rotation=0, ha="right", va="center")
    _legend(axes)


def _draw_wave(axes: Any, played: PlayedCall) -> None:
    import numpy as np

    channels = played.simulated.channels
    x = np.frombuffer(played.simulated.pcm, np.int16).reshape(-1, channels)[:, 0] / 32768
    step = max(1, len(x) // _COLUMNS)
    columns = x[: len(x) // step * step].reshape(-1, step)
    times = np.arange(len(columns)) * step / 48_000
    axes.fill_between(
        times, columns.min(axis=1), columns.max(axis=1), color="0.35", linewidth=0, step="post"
    )
    spans = played.simulated.spans
    first, stop = of_the_stream(spans)
    for at, span in list(timed(spans))[first:stop]:
        if span.origin not in DATA and span.missing != "unsent" and span.samples >= 480:
            begin = at / 48_000
            axes.axvspan(
                begin, begin + span.samples / 48_000, color=COLOURS["plc"], alpha=0.35, lw=0
            )
    most = float(np.abs(columns).max()) or 1.0
    axes.set(ylim=(-most, most), yticks=[], xlabel="seconds", xlim=(0, _played_s(played)))
    axes.set_ylabel("heard", rotation=0, ha="right", va="center")


def _played_s(played: PlayedCall) -> float:
    """When the last sound from data ended, in seconds."""
    track = track_of(played.simulated.spans)
    return (track[-1][0] + track[-1][2] / 48) / 1000 if track else 1.0
