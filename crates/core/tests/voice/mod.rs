//! A second of something like a voice, encoded; what the playout and concealment tests share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::sync::OnceLock;

use opuscule_core::opus::{Encoder, EncoderSettings, MAX_ENCODED_BYTES, Value};
use opuscule_core::playout::{Mode, PlayoutConfig};
use proptest::prelude::*;

/// Samples of a packet at 48 kHz.
pub const FRAME: usize = 960;

/// A failing case is printed and not kept in a file beside the test.
pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Mono at 48 kHz, nothing held back.
pub fn config(mode: Mode) -> PlayoutConfig {
    PlayoutConfig {
        rate: 48_000,
        channels: 1,
        complexity: 0,
        least_complexity: None,
        pre_skip: 0,
        gain_q8: 0,
        begin: None,
        mode,
        target_delay_ms: 0,
        max_delay_ms: 1000,
        late_per_mille: 10,
        max_buffer_ms: 10_000,
        restart_ms: 5_000,
    }
}

/// Fifty packets of 20 ms with in-band FEC.
pub fn packets() -> &'static [Vec<u8>] {
    static PACKETS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    PACKETS.get_or_init(|| encode(true, 0))
}

/// Fifty packets of 20 ms with deep redundancy.
pub fn packets_with_dred() -> &'static [Vec<u8>] {
    static PACKETS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    PACKETS.get_or_init(|| encode(false, 500))
}

/// Fifty packets of 20 ms with nothing but themselves.
pub fn packets_without_redundancy() -> &'static [Vec<u8>] {
    static PACKETS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    PACKETS.get_or_init(|| encode(false, 0))
}

fn encode(fec: bool, dred_ms: i32) -> Vec<Vec<u8>> {
    let settings = [
        ("application", Value::from("voip")),
        ("bitrate", 32_000.into()),
        ("complexity", 2.into()),
        ("fec", fec.into()),
        ("loss_percent", 20.into()),
        ("dred_ms", dred_ms.into()),
        ("signal", "voice".into()),
    ]
    .into_iter()
    .try_fold(EncoderSettings::default(), |settings, (name, value)| {
        settings.with(name, value)
    })
    .unwrap();
    let mut encoder = Encoder::new(16_000, 1, 0, settings).unwrap();
    let pcm: Vec<i16> = (0..16_000_i32)
        .map(|n| ((n * (100 + n / 3000)) % 16_000 - 8_000) * (n % 4000) / 4000)
        .map(|value| i16::try_from(value).unwrap())
        .collect();
    let mut out = [0; MAX_ENCODED_BYTES];
    pcm.chunks_exact(320)
        .map(|frame| {
            let length = encoder.encode(frame, &mut out).unwrap();
            out[..length].to_vec()
        })
        .collect()
}
