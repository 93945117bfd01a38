"""Encode a stream in chunks of any size, lose a packet, and decode with it rebuilt."""

import array
import math

import opuscule

voice = array.array("h", [round(8000 * math.sin(i / 12)) for i in range(16_000)])
encoder = opuscule.StreamEncoder(16_000, 1, bitrate=24_000)
packets = [p for at in range(0, 16_000, 700) for p in encoder.push(voice[at : at + 700])]
packets += encoder.finish()
del packets[10]  # the network's doing

player = opuscule.Playout(encoder.format, rate=16_000)
for packet in packets:
    player.push(packet, now=0.0)
player.finish(encoder.end_samples, encoder.next_sequence)
pcm = player.pull(16_000, now=1.0)
print(f"{len(pcm) // 2} samples, {player.stats.fec_samples} of them rebuilt from FEC")
