"""The yardstick: a recording decoded from its beginning, one packet at a time.

Written for its own sake and not for speed: nothing is shared with the extraction in the core but
libopus itself, so that comparing the two can find a fault in either. What is missing is filled in
by the rules of ``crates/core/src/conceal.rs``, said again here:

- a jump of the source is silence;
- what was lost is rebuilt, oldest first, in pieces of 20 ms: the last frame before a packet from
  that packet's FEC; else from the first packet within 1040 ms whose DRED reaches back so far; else
  by libopus's concealment for 500 ms, and then silence;
- what was not sent is concealed for 500 ms, which is comfort noise, and then silence.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from opuscule import _native
from opuscule.archive.layout import REDUNDANCY_SAMPLES
from opuscule.packets import Gap, GapKind, Packet

__all__ = ["SequentialDecoder"]

_PIECE_SAMPLES = 960
_PLC_SAMPLES = 24_000
_UNIT_SAMPLES = 120
"""libopus conceals multiples of 2.5 ms."""
_DRED_COMPLEXITY = 5


class SequentialDecoder:
    """Decodes packets and gaps in media time order, at 48 kHz."""

    def __init__(self, channels: int, *, complexity: int, float_output: bool, gain_q8: int) -> None:
        self._decoder = _native.Decoder(48_000, channels, complexity, float_output)
        self._decoder.set_gain_q8(gain_q8)
        self._dred = complexity >= _DRED_COMPLEXITY
        self.frame_bytes = channels * (4 if float_output else 2)
        self._ahead: deque[Packet | Gap] = deque()
        self._concealed = 0

    def decode(self, items: Iterable[Packet | Gap]) -> Iterator[bytes]:
        """Decode to blocks of at most 120 ms of interleaved samples.

        Raises:
            InvalidPacketError: a packet is none.
        """
        for item in self._look_ahead(items):
            if isinstance(item, Packet):
                yield self._decoder.decode(item.data)
                self._concealed = 0
            else:
                at = item.start_samples
                while at < item.end_samples:
                    block = self._fill(item, at)
                    yield block
                    at += len(block) // self.frame_bytes

    def _look_ahead(self, items: Iterable[Packet | Gap]) -> Iterator[Packet | Gap]:
        """Yield the items, those of the 1040 ms after them being in ``_ahead`` by then."""
        for item in items:
            self._ahead.append(item)
            while item.end_samples - self._ahead[0].end_samples > REDUNDANCY_SAMPLES:
                yield self._ahead.popleft()
        while self._ahead:
            yield self._ahead.popleft()

    def _fill(self, gap: Gap, at: int) -> bytes:
        """Make the next piece of a gap, at media time ``at``."""
        left = gap.end_samples - at
        samples = min(left, _PIECE_SAMPLES)
        following = self._ahead[0] if self._ahead else None
        if gap.kind is GapKind.LOST and isinstance(following, Packet):
            fec = self._decoder.fec_samples(following.data)
            if 0 < left <= fec:
                return self._decoder.decode_fec(following.data)[-left * self.frame_bytes :]
            samples = min(samples, left - fec)
        if samples >= _UNIT_SAMPLES:
            samples -= samples % _UNIT_SAMPLES
            if gap.kind is GapKind.LOST and self._dred:
                for later in self._ahead:
                    if isinstance(later, Packet):
                        offset = later.time_samples - at
                        if offset > REDUNDANCY_SAMPLES:
                            break
                        if self._decoder.dred_samples(later.data) >= offset:
                            return self._decoder.decode_dred(later.data, offset, samples)
            if gap.kind is not GapKind.DISCONTINUITY and self._concealed < _PLC_SAMPLES:
                self._concealed += samples
                return self._decoder.conceal(samples)
        return bytes(samples * self.frame_bytes)
