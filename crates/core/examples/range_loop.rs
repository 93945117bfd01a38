//! Decodes stretches of packets that are in memory, without Python: the limit that
//! `benchmarks/archive.py` measures extraction by.
//!
//! `range_loop PACKETS`: mono packets of 20 ms, each behind its length in two bytes, low one first.
//! For each pair `SKIP TAKE` of a line on standard input, in packets, it decodes TAKE packets with a
//! fresh decoder at complexity 5 and 48 kHz, after SKIP packets that it leaves out; it answers a line
//! with the samples of the last. Whoever asks reads this process's CPU clock before and after.

use opuscule_core::opus::Decoder;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let path = std::env::args().nth(1).ok_or("expected PACKETS")?;
    let bytes = std::fs::read(path)?;
    let mut packets = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length));
        packets.push(&after[..length]);
        rest = &after[length..];
    }
    let mut decoded = Vec::<i16>::new();
    for line in std::io::stdin().lines() {
        let numbers: Vec<usize> = line?
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        for pair in numbers.chunks(2) {
            let &[skip, take] = pair else {
                return Err("expected SKIP TAKE".into());
            };
            decoded.clear();
            let mut decoder = Decoder::new(48_000, 1, 5)?;
            for packet in &packets[skip..skip + take] {
                decoder.decode(packet, &mut decoded)?;
            }
        }
        println!("{}", decoded.len());
    }
    Ok(())
}
