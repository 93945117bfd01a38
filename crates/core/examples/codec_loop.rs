//! Encodes and decodes a file of PCM in a loop, without Python: what `benchmarks/codec.py` compares
//! with.
//!
//! `codec_loop PCM RATE FRAME_MS [SETTING=VALUE ...]`: PCM is int16 mono in the machine's byte order.
//! Prints the µs a packet of encoding and of decoding, and the bytes of all packets.

use std::time::Instant;

use opuscule_core::opus::{Decoder, Encoder, EncoderSettings, Value};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, rate, frame_ms, settings @ ..] = arguments.as_slice() else {
        return Err("expected PCM RATE FRAME_MS [SETTING=VALUE ...]".into());
    };
    let rate: u32 = rate.parse()?;
    let frame_ms: f64 = frame_ms.parse()?;
    let frame = (f64::from(rate) * frame_ms / 1000.0) as usize;
    let bytes = std::fs::read(path)?;
    let pcm: Vec<i16> = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| i16::from_ne_bytes(*pair))
        .collect();
    let settings = settings
        .iter()
        .try_fold(EncoderSettings::default(), |settings, text| {
            let (name, value) = text.split_once('=').ok_or("expected SETTING=VALUE")?;
            let value = value.parse().map_or(Value::Word(value), Value::Number);
            Ok::<_, Failure>(settings.with(name, value)?)
        })?;

    let mut encoder = Encoder::new(rate, 1, 0, settings)?;
    let mut out = vec![0; encoder.max_packet_bytes()];
    let mut packets = Vec::new();
    let began = Instant::now();
    for samples in pcm.chunks_exact(frame) {
        let length = encoder.encode(samples, &mut out)?;
        packets.push(out[..length].to_vec());
    }
    let encoding = began.elapsed();

    let mut decoder = Decoder::new(rate, 1, 5)?;
    let mut decoded = Vec::<i16>::with_capacity(pcm.len());
    let began = Instant::now();
    for packet in &packets {
        decoder.decode(packet, &mut decoded)?;
    }
    let decoding = began.elapsed();
    let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / packets.len() as f64;
    let total: usize = packets.iter().map(Vec::len).sum();
    println!("{} {} {total}", each(encoding), each(decoding));
    Ok(())
}
