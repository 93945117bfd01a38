//! Encodes and decodes a file of PCM in a loop, without Python: what `benchmarks/codec.py` compares
//! with.
//!
//! `codec_loop PCM RATE FRAME_MS [SETTING=VALUE ...]`: PCM is int16 mono in the machine's byte order.
//! For each line `encode` on standard input it encodes the file and answers with the bytes of all
//! packets; for each line `decode` it decodes those packets and answers with the samples. Whoever
//! asks reads this process's CPU clock before and after.

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

    // Kept from one time to the next, so that nothing but the codec's own work is measured.
    let (mut packets, mut ends) = (Vec::<u8>::new(), Vec::new());
    for line in std::io::stdin().lines() {
        let answer = match line?.as_str() {
            "encode" => {
                packets.clear();
                ends.clear();
                let mut encoder = Encoder::new(rate, 1, 0, settings)?;
                let mut out = vec![0; encoder.max_packet_bytes()];
                for samples in pcm.chunks_exact(frame) {
                    let length = encoder.encode(samples, &mut out)?;
                    packets.extend_from_slice(&out[..length]);
                    ends.push(packets.len());
                }
                packets.len()
            }
            "decode" => {
                let mut decoder = Decoder::new(rate, 1, 5)?;
                let mut decoded = Vec::<i16>::with_capacity(pcm.len());
                let mut start = 0;
                for &end in &ends {
                    decoder.decode(&packets[start..end], &mut decoded)?;
                    start = end;
                }
                decoded.len()
            }
            other => return Err(format!("expected encode or decode, got {other}").into()),
        };
        println!("{answer}");
    }
    Ok(())
}
