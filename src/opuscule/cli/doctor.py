"""``opuscule doctor``: what works here, and what to do about what does not (C12)."""

import array
import importlib.util
import math
import platform
from dataclasses import dataclass

import typer

from opuscule import __version__, codec
from opuscule.cli.output import emit, json_option
from opuscule.errors import OpusculeError

__all__ = ["Finding", "doctor", "examine"]

_EXTRAS = {
    "device": ("microphone and loudspeaker", ["sounddevice"]),
    "media": ("FLAC, MP3, other rates", ["av", "soxr"]),
    "archive": ("archives as NumPy arrays, by zarr-python", ["zarr", "numpy"]),
    "remote": ("archives in object stores", ["obstore"]),
    "server": ("a faster event loop", ["uvloop"]),
    "measure": ("pictures of calls", ["matplotlib"]),
    "quality": ("how good a call sounds, by PESQ and PLCMOS", ["pesq", "speechmos"]),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    optional: bool
    """Whether one can do without."""
    detail: str
    """What was found, or what to do."""


def doctor(json: bool = json_option) -> None:
    """Say what works on this machine and what to do about what does not."""
    findings = examine()
    if json:
        emit(findings)
    else:
        for finding in findings:
            mark = "ok  " if finding.ok else "-   " if finding.optional else "FAIL"
            typer.echo(f"{mark} {finding.what}: {finding.detail}")
    if not all(finding.ok or finding.optional for finding in findings):
        raise typer.Exit(1)


def examine() -> list[Finding]:
    """Look at everything."""
    findings = [
        Finding(
            "opuscule",
            True,
            False,
            f"{__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}",
        ),
        Finding("libopus", True, False, codec.libopus_version()),
        *_abilities(),
    ]
    for extra, (purpose, modules) in _EXTRAS.items():
        missing = [m for m in modules if importlib.util.find_spec(m) is None]
        detail = f"missing {', '.join(missing)}; run: pip install 'opuscule[{extra}]'"
        findings.append(
            Finding(
                f"{extra} ({purpose})", not missing, True, "installed" if not missing else detail
            )
        )
    if importlib.util.find_spec("sounddevice"):
        findings.append(_sound_devices())
    return findings


def _abilities() -> list[Finding]:
    """Try FEC and DRED for real: a libopus without them accepts the settings and does nothing."""
    tone = array.array(
        "h", [round(9000 * math.sin(i * 0.09) * math.sin(i / 900)) for i in range(48_000)]
    )
    found = []
    for name, overrides in (
        ("in-band FEC", codec.SettingsOverrides(fec=True, loss_percent=20, bitrate=32_000)),
        (
            "deep redundancy (DRED)",
            codec.SettingsOverrides(fec=False, dred_ms=500, loss_percent=20, bitrate=40_000),
        ),
    ):
        encoder = codec.StreamEncoder(16_000, 1, **overrides)
        decoder = codec.Decoder(16_000, 1)
        packets = encoder.push(tone)
        if name.startswith("in-band"):
            works = any(decoder.fec_samples(packet.data) for packet in packets)
        else:
            works = any(decoder.dred_samples(packet.data) for packet in packets)
        detail = "works" if works else "this build of libopus lacks it; install a wheel of opuscule"
        found.append(Finding(name, works, False, detail))
    return found


def _sound_devices() -> Finding:
    from opuscule.devices import list_devices

    try:
        devices = list_devices()
    except OpusculeError as error:
        return Finding("sound devices", False, True, str(error))
    names = [d.name for d in devices if d.is_default_input or d.is_default_output]
    if not devices:
        return Finding("sound devices", False, True, "none; files and signals work without any")
    return Finding(
        "sound devices", True, True, f"{len(devices)}; default: {', '.join(names) or 'none'}"
    )
