# The native module: crates/python. Its callers are the typed rooms above it; see their docs.
from collections.abc import Sequence
from typing import Literal, final

from typing_extensions import Buffer

__version__: str

def libopus_version() -> str: ...
def packet_duration(data: bytes) -> int: ...

@final
class Encoder:
    def __new__(
        cls,
        rate: int,
        channels: int,
        application: str,
        *,
        bitrate: int,
        complexity: int,
        vbr: bool,
        fec: bool,
        loss_percent: int,
        dtx: bool,
        dred_ms: int,
        signal: str,
    ) -> Encoder: ...
    @property
    def lookahead_samples(self) -> int: ...
    def encode(self, pcm: Buffer) -> bytes: ...

@final
class Decoder:
    def __new__(cls, rate: int, channels: int, complexity: int, float_output: bool) -> Decoder: ...
    def decode(self, packet: bytes) -> bytes: ...
    def decode_fec(self, packet: bytes) -> bytes: ...
    def conceal(self, samples: int) -> bytes: ...
    def decode_dred(self, packet: bytes, offset: int, samples: int) -> bytes: ...
    def fec_samples(self, packet: bytes) -> int: ...
    def dred_samples(self, packet: bytes) -> int: ...
    def set_gain_q8(self, gain: int) -> None: ...
    def reset(self) -> None: ...

@final
class Playout:
    def __new__(
        cls,
        rate: int,
        channels: int,
        *,
        complexity: int,
        pre_skip_samples: int,
        target_delay_ms: int,
        max_buffer_ms: int,
    ) -> Playout: ...
    def push(
        self, sequence: int, time_samples: int, data: bytes, now_us: int, *, jump: bool = False
    ) -> Literal["kept", "duplicate", "late"]: ...
    def pull(self, samples: int, now_us: int) -> bytes: ...
    def finish(self, end_samples: int, end_sequence: int) -> None: ...
    @property
    def finished(self) -> bool: ...
    @property
    def buffered_ms(self) -> int: ...
    def stats(self) -> dict[str, float]: ...
    def take_log(self) -> list[tuple[str, int | None, int]]: ...

def decode_run(
    payload: bytes,
    lengths: Sequence[int] | Buffer,
    gaps: Sequence[tuple[int, int, str]],
    *,
    channels: int,
    skip_samples: int,
    take_samples: int,
    float_output: bool,
    complexity: int,
    gain_q8: int = 0,
) -> bytes: ...
