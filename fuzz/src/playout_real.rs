//! Invariant of playout, as in `playout.rs`, with libopus: packets of a real encoder, of all kinds in one
//! stream, and bytes that are none. What samples are is not checked.

use std::sync::OnceLock;

use opuscule_core::opus::{Decoder, Encoder, EncoderSettings, MAX_ENCODED_BYTES, Value};

use super::playout::{Bytes, Run, settings};

/// Kinds of packets: rate, channels, samples, application, FEC, DRED in ms.
const KINDS: [(u32, u8, usize, &str, bool, i32); 6] = [
    (16_000, 1, 320, "voip", true, 0),
    (16_000, 1, 320, "voip", false, 500),
    (48_000, 2, 120, "lowdelay", false, 0),
    (48_000, 2, 2880, "voip", true, 0),
    (8_000, 1, 80, "voip", false, 0),
    (24_000, 1, 480, "audio", false, 0),
];

/// Packets of each kind.
const EACH: usize = 20;

fn packets() -> &'static [Vec<u8>] {
    static PACKETS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    PACKETS.get_or_init(|| {
        let encode = |(rate, channels, samples, application, fec, dred_ms)| {
            let settings = [
                ("application", Value::from(application)),
                ("bitrate", 32_000.into()),
                ("complexity", 2.into()),
                ("fec", Value::from(fec)),
                ("loss_percent", 20.into()),
                ("dred_ms", Value::from(dred_ms)),
            ]
            .into_iter()
            .try_fold(EncoderSettings::default(), |all, (name, value)| {
                all.with(name, value)
            })
            .expect("sound settings");
            let mut encoder = Encoder::new(rate, channels, 0, settings).expect("an encoder");
            let mut out = [0; MAX_ENCODED_BYTES];
            let mut frame = vec![0_i16; samples * usize::from(channels)];
            let mut encode = |n: usize| {
                for (k, value) in frame.iter_mut().enumerate() {
                    *value = ((n * samples + k) * 150 % 16_000) as i16 - 8_000;
                }
                let length = encoder.encode(&frame, &mut out).expect("a packet");
                out[..length].to_vec()
            };
            (0..EACH).map(&mut encode).collect::<Vec<_>>()
        };
        KINDS.into_iter().flat_map(encode).collect()
    })
}

/// `data` is settings and what is done.
pub fn check(data: &[u8]) {
    let mut bytes = Bytes(data);
    let config = settings(&mut bytes);
    let decoder = Decoder::new(config.rate, config.channels, config.complexity)
        .expect("a decoder of sound settings");
    Run::new(config, decoder, false).all(&mut bytes, |bytes, _| {
        let kind = usize::from(bytes.next());
        match packets().get(kind) {
            Some(packet) => packet.clone(),
            None if kind == 255 => {
                let length = usize::from(bytes.next());
                (0..length).map(|_| bytes.next()).collect()
            }
            None => {
                // One that is damaged.
                let mut packet = packets()[kind % packets().len()].clone();
                let at = usize::from(bytes.next()) % packet.len();
                packet[at] ^= bytes.next();
                packet
            }
        }
    });
}
