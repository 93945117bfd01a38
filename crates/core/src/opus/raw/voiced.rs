//! Something like a voice, for the tests of this folder.

use crate::opus::{Encoder, EncoderSettings, Error, Value};

/// Pulses through two resonances, in wideband SILK packets of 20 ms.
pub(super) fn packets(count: usize, fec: bool) -> Result<Vec<Vec<u8>>, Error> {
    let mut settings = EncoderSettings::default()
        .with("application", Value::Word("voip"))?
        .with("bitrate", Value::Number(16_000))?;
    if !fec {
        settings = settings.with("fec", Value::Number(0))?;
    }
    let mut encoder = Encoder::new(16_000, 1, 0, settings)?;
    let (mut a, mut b) = (0.0_f32, 0.0_f32);
    let mut packet = |n: usize| {
        let samples: Vec<i16> = (0..320)
            .map(|at| {
                let pulse = f32::from((n * 320 + at).is_multiple_of(130 + n % 7));
                (a, b) = (pulse * 9000.0 + 1.6 * a - 0.9 * b, a);
                a as i16
            })
            .collect();
        let mut out = vec![0; encoder.max_packet_bytes()];
        let length = encoder.encode(&samples, &mut out)?;
        out.truncate(length);
        Ok(out)
    };
    (0..count).map(&mut packet).collect()
}
