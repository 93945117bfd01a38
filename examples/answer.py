"""A voice server of one's own: hears each utterance as PCM, answers with PCM."""

import asyncio
from collections.abc import AsyncIterator

import opuscule


async def answer(utterance: opuscule.Utterance) -> AsyncIterator[bytes]:
    pcm = await utterance.read()  # int16, 16 kHz, mono: your recogniser's input
    print(f"{utterance.device} spoke for {len(pcm) / 32_000:.1f} s")
    yield pcm  # your voice's output


asyncio.run(opuscule.serve(answer, keep="recordings"))
