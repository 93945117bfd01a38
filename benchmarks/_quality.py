"""How near one decoder's output comes to another's, as opus_compare measures it.

RFC 6716 §6 lets a decoder differ from the reference's samples and asks instead for a quality of 0
or more by this measure; RFC 8251 made it slightly more lenient (neighbouring frames are averaged).
Written anew from what it computes:

Both signals become power spectra, by a Hann window of 10 ms every 2.5 ms. What the ear would not
hear is added to both: a tenth of the reference's energy in the band (21 bands after the Bark
scale), spread to bands above and below, to what follows, and across the two channels. Then the
spectra are compared bin by bin by ``r - ln r - 1``, which is 0 where they are equal; the mean
square of the bands, raised to the fourth power, weighs a few bad frames more than many that are
slightly worse.
100 % means equal; the error that gives 0 % was fixed by the authors of the RFC.

opus_compare may be told a lower rate. Then only what that rate can hold is compared, without the
last 300 Hz, to allow for resamplers. :func:`own_bins` says the same of a stream's own bandwidth:
what SILK decodes at 8, 12 or 16 kHz has to be resampled, RFC 6716 §4.2.9 leaves open how, and just
above that bandwidth there is nothing but what the resampler lets through.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["opus_quality", "own_bins"]

Spectra: TypeAlias = npt.NDArray[np.float64]  # (frames, bins or bands, channels)
Bins: TypeAlias = npt.NDArray[np.bool_]

_WINDOW_SAMPLES, _STEP_SAMPLES = 480, 120  # at 48 kHz
_BANDS = np.array(
    [0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 68, 80, 96, 120, 156, 200]
)
_BAND_BINS = np.diff(_BANDS)
_BINS = int(_BANDS[-1])  # 20 kHz, where Opus ends
_FLOOR = 100_000.0  # keeps what is as good as silent from being compared
_ZERO_QUALITY = np.log(1.13)


def _power(pcm: npt.NDArray[np.int16]) -> Spectra:
    frames = np.lib.stride_tricks.sliding_window_view(pcm, _WINDOW_SAMPLES, axis=0)
    windowed = frames[::_STEP_SAMPLES] * np.hanning(_WINDOW_SAMPLES)  # (frames, channels, window)
    spectrum = np.fft.rfft(windowed, axis=2)[:, :, :_BINS]
    power: Spectra = (np.abs(spectrum) ** 2 + _FLOOR).transpose(0, 2, 1)
    return power


def _masking(power: Spectra) -> Spectra:
    """The energy in each band and what it hides around it."""
    bands: Spectra = np.add.reduceat(power, _BANDS[:-1], axis=1) / _BAND_BINS[:, None]
    for band in range(1, len(_BAND_BINS)):  # 10 dB a band upwards
        bands[:, band] += 0.1 * bands[:, band - 1]
    for band in range(len(_BAND_BINS) - 2, -1, -1):  # 15 dB a band downwards
        bands[:, band] += 0.03 * bands[:, band + 1]
    for frame in range(len(bands)):
        if frame:  # 3 dB a frame into what follows
            bands[frame] += 0.5 * bands[frame - 1]
        if bands.shape[2] == 2:  # from one ear to the other
            bands[frame] += 0.01 * bands[frame, :, ::-1].copy()
    return bands


def own_bins(toc: int) -> Bins:
    """The bins of 100 Hz that do not depend on a resampler, for packets with this TOC byte.

    For SILK as opus_compare has it at 8, 12 and 16 kHz; hybrid lacks the band from 7.7 to 9.6 kHz,
    where SILK's images lie over CELT; CELT, which is not resampled, has all.
    """
    configuration, bins = toc >> 3, np.arange(_BINS)  # RFC 6716 §3.1, table 2
    if configuration < 12:
        return np.asarray(bins < (37, 56, 77)[configuration // 4])
    if configuration < 16:
        return (bins < 77) | (bins >= 96)
    return bins >= 0


def opus_quality(
    reference: npt.NDArray[np.int16], other: npt.NDArray[np.int16], bins: Bins | None = None
) -> float:
    """The quality of ``other`` in percent: 100 when equal to ``reference``, below 0 a failure.

    Both are of shape ``(samples, channels)``, at 48 kHz, equally long, of 10 ms or more. Only the
    given bins are compared, or all 200 up to 20 kHz.
    """
    assert reference.shape == other.shape, f"{reference.shape} against {other.shape}"
    assert len(reference) >= _WINDOW_SAMPLES, f"{len(reference)} samples are less than 10 ms"
    x, y = _power(reference), _power(other)
    hidden = 0.1 * np.repeat(_masking(x), _BAND_BINS, axis=1)
    x += hidden
    y += hidden
    x[1:] += x[:-1].copy()
    y[1:] += y[:-1].copy()
    ratio = y / x
    error = ratio - np.log(ratio) - 1
    error[:, 79:82] *= 0.1  # 8 kHz, where SILK hands over to CELT: the filters are free there
    error[:, 80] *= 0.1
    if bins is not None:
        error[:, ~bins] = 0
    in_bands = np.add.reduceat(error.mean(axis=2), _BANDS[:-1], axis=1) / _BAND_BINS
    in_frames = (in_bands**2).mean(axis=1) ** 4
    total = in_frames.mean() ** (1 / 16)
    return float(100 * (1 - 0.5 * np.log1p(total) / _ZERO_QUALITY))
