//! Where in a decoder's memory CELT's band energies are: exact extraction compares them.

use opuscule_core::opus::{Decoder, Encoder, EncoderSettings, MAX_ENCODED_BYTES, Value};

const BANDS: usize = 21;

/// Packets of noise that does not change, which is never a transient, by CELT alone.
fn noise(channels: u8) -> Vec<Vec<u8>> {
    let settings = EncoderSettings::default()
        .with("application", Value::from("lowdelay"))
        .and_then(|settings| settings.with("bitrate", Value::from(96_000)))
        .unwrap();
    let mut encoder = Encoder::new(48_000, channels, 0, settings).unwrap();
    let mut state = 1_u32;
    let mut sample = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u16 as i16 / 8
    };
    let mut packet = [0; MAX_ENCODED_BYTES];
    (0..30)
        .map(|_| {
            let pcm: Vec<i16> = (0..960 * usize::from(channels)).map(|_| sample()).collect();
            let bytes = encoder.encode(&pcm, &mut packet).unwrap();
            packet[..bytes].to_vec()
        })
        .collect()
}

#[test]
fn the_energies_are_those_of_the_last_frames() {
    for channels in [1, 2] {
        let mut decoder = Decoder::new(48_000, channels, 5).unwrap();
        let mut last = vec![0; 2 * BANDS];
        for (number, packet) in noise(channels).iter().enumerate() {
            decoder.decode(packet, &mut Vec::<f32>::new()).unwrap();
            let found = decoder.band_energies();
            assert_eq!(found.len(), 6 * BANDS);
            let (now, before) = found.split_at(2 * BANDS);
            // oldBandE, the same again as oldLogE, and what it was a frame before as oldLogE2.
            if number > 5 {
                assert_eq!(
                    now,
                    &before[..2 * BANDS],
                    "{channels} channels, packet {number}"
                );
                assert_eq!(
                    last,
                    before[2 * BANDS..],
                    "{channels} channels, packet {number}"
                );
                assert_ne!(now, last);
                let level = |bits: &u32| f32::from_bits(*bits);
                assert!(
                    now[..BANDS]
                        .iter()
                        .map(level)
                        .all(|e| (-28.0..30.0).contains(&e))
                );
            }
            last = now.to_vec();
        }
    }
}
