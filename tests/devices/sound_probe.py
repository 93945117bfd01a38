"""Runs in a subprocess of its own, because PortAudio reads its environment when it starts.

Prints one line of JSON with what happened.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from opuscule.devices import (
    Block,
    MicrophoneSource,
    Signal,
    SignalSource,
    SpeakerSink,
    find_device,
    list_devices,
)
from opuscule.errors import DeviceError, InvalidArgumentError


def refusal(error: Exception) -> dict[str, str]:
    return {"error": type(error).__name__, "message": str(error)}


async def devices() -> Any:
    found: dict[str, Any] = {"names": [d.name for d in list_devices()]}
    found["input"] = find_device(None, "input").name
    found["default_output"] = find_device(None, "output").is_default_output
    found["by_part"] = find_device("EFAUL", "output").name
    found["by_number"] = find_device(found["names"].index("default"), "output").name
    try:
        find_device("no such thing", "input")
    except LookupError as error:
        found["unknown"] = refusal(error)
    return found


async def refused() -> Any:
    try:
        MicrophoneSource(rate=16_000, channels=99)
    except DeviceError as error:
        return refusal(error)
    return {}


async def hear(milliseconds: str, out: str) -> Any:
    recorded, captured = bytearray(), list[float]()
    async with MicrophoneSource(rate=16_000, channels=1) as source:
        async for block in source.blocks():
            recorded += block.pcm
            captured.append(block.captured)
            if len(captured) * 20 >= int(milliseconds):
                break
    await asyncio.to_thread(Path(out).write_bytes, recorded)
    return {"overruns": source.overruns, "captured": captured}


async def pick(out: str) -> Any:
    recorded = bytearray()
    source = MicrophoneSource(rate=16_000, channels=1, captured_channels=2, outputs=[[1]])
    async with source:
        async for block in source.blocks():
            recorded += block.pcm
            if len(recorded) >= 16_000:
                break
    await asyncio.to_thread(Path(out).write_bytes, recorded)
    return {}


async def hear_slowly() -> Any:
    captured = []
    async with MicrophoneSource(rate=16_000, queue_ms=100) as source:
        async for block in source.blocks():
            captured.append(block.captured)
            if len(captured) == 5:
                await asyncio.sleep(0.6)
            if len(captured) == 15:
                break
        again = {}
        try:
            async for _ in source.blocks():
                break
        except InvalidArgumentError as error:
            again = refusal(error)
    await source.close()
    return {"overruns": source.overruns, "captured": captured, "again": again}


async def close_while_reading() -> Any:
    source = MicrophoneSource(rate=16_000)
    blocks = source.blocks()
    await anext(blocks)
    reader = asyncio.create_task(count(blocks))
    await asyncio.sleep(0)
    await source.close()
    return {"blocks": await reader}


async def count(blocks: AsyncIterator[Block]) -> int:
    return len([block async for block in blocks])


async def say(milliseconds: str) -> Any:
    tone = Signal("tone", 1000.0, 1000.0, duration_ms=float(milliseconds))
    pcm = b"".join([b.pcm async for b in SignalSource(tone, rate=48_000, paced=False).blocks()])
    async with SpeakerSink(rate=48_000, buffer_ms=200) as sink:
        start, sizes, latency = 0, [960, 2, 30_000, 5762, 160, 1920], list[float]()
        while start < len(pcm):  # pieces of all sizes, larger than the buffer too
            size = sizes[len(latency) % len(sizes)]
            await sink.write(pcm[start : start + size])
            start += size
            latency.append(sink.latency_ms)
        await sink.drain()
        drained = sink.latency_ms
    return {"underruns": sink.underruns, "most_ms": max(latency), "drained_ms": drained}


async def say_haltingly() -> Any:
    async with SpeakerSink(rate=48_000, buffer_ms=100) as sink:
        counts = []
        for _ in range(2):
            await sink.write(bytes(48_000 // 5 * 2))
            await asyncio.sleep(0.6)
            counts.append(sink.underruns)
        await sink.write(bytes(9600))
        await sink.drain()
        await asyncio.sleep(0.3)
        counts.append(sink.underruns)
    refused: dict[str, str] = {}
    try:
        await sink.write(bytes(2))
    except InvalidArgumentError as error:
        refused = refusal(error)
    return {"underruns": counts, "closed": refused}


async def interrupt() -> Any:
    tone = Signal("tone", 1000.0, 1000.0, duration_ms=2000)
    pcm = b"".join([b.pcm async for b in SignalSource(tone, rate=48_000, paced=False).blocks()])
    async with SpeakerSink(rate=48_000, buffer_ms=1000) as sink:
        await sink.write(pcm[: 48_000 * 2])
        await asyncio.sleep(0.3)
        await sink.discard()
        await sink.drain()
        return {"underruns": sink.underruns, "latency_ms": sink.latency_ms}


if __name__ == "__main__":
    task = globals()[sys.argv[1]]
    print(json.dumps(asyncio.run(task(*sys.argv[2:]))))
