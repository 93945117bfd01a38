//! What the encoder makes, taken apart and joined, as a decoder hears it.

use opuscule_core::opus::{Decoder, Encoder, EncoderSettings, MAX_ENCODED_BYTES, Setting, Value};
use opuscule_core::packet::extensions::DRED_ID;
use opuscule_core::packet::{Mode, describe, merge, pad, split, unpad};

/// Twenty-five packets of 20 ms after a second of something like a voice.
fn voice(config: &Config) -> Vec<Vec<u8>> {
    let channels = usize::from(config.channels);
    let frame = config.rate as usize / 50;
    let rate = f64::from(config.rate);
    let mut encoder = config.encoder();
    let mut packets = Vec::new();
    for n in 0..75 {
        let pcm: Vec<i16> = (0..frame * channels)
            .map(|i| {
                let t = (n * frame + i / channels) as f64 / rate;
                let pitch = (t * 130.0 + (t * 4.0).sin()).fract() - 0.5;
                let syllable = (t * 9.0).sin().max(0.0);
                let noise = (t * 1e5).sin() * 0.1;
                ((pitch + noise) * syllable * (1.0 + 0.2 * (i % channels) as f64) * 9000.0) as i16
            })
            .collect();
        let mut out = vec![0; MAX_ENCODED_BYTES];
        let bytes = encoder.encode(&pcm, &mut out).unwrap();
        out.truncate(bytes);
        packets.push(out);
    }
    packets.split_off(50)
}

struct Config {
    rate: u32,
    channels: u8,
    settings: EncoderSettings,
}

impl Config {
    fn with<'a>(mut self, name: &str, value: impl Into<Value<'a>>) -> Self {
        self.settings = self.settings.with(name, value).unwrap();
        self
    }

    fn encoder(&self) -> Encoder {
        Encoder::new(self.rate, self.channels, 0, self.settings).unwrap()
    }
}

fn config(rate: u32, channels: u8, bitrate: i32) -> Config {
    let settings = EncoderSettings::default();
    Config {
        rate,
        channels,
        settings,
    }
    .with("application", "voip")
    .with("bitrate", bitrate)
    .with("complexity", 5)
    .with("loss_percent", 20)
    .with("signal", "voice")
}

fn decode<T: AsRef<[u8]>>(packets: &[T], channels: u8) -> Vec<i16> {
    let mut decoder = Decoder::new(48_000, channels, 5).unwrap();
    let mut pcm = Vec::new();
    for packet in packets {
        decoder.decode(packet.as_ref(), &mut pcm).unwrap();
    }
    pcm
}

#[test]
fn a_merged_packet_decodes_to_the_same_samples() {
    let music = config(48_000, 2, 96_000)
        .with("application", "audio")
        .with("signal", "music");
    let fec = config(16_000, 1, 24_000).with("fec", true);
    let dred = config(16_000, 1, 40_000).with("dred_ms", 500);
    let modes = [
        (config(16_000, 1, 14_000), Mode::Silk),
        (config(48_000, 1, 32_000), Mode::Hybrid),
        (music, Mode::Celt),
        (fec, Mode::Silk),
        (dred, Mode::Silk),
    ];
    for (config, mode) in modes {
        let (channels, fec, dred) = (
            config.channels,
            config.settings.get(Setting::Fec) != 0,
            config.settings.get(Setting::DredMs) != 0,
        );
        let packets = voice(&config);
        let packets = &packets[..24];
        for packet in packets {
            let known = describe(packet).unwrap();
            assert_eq!(known.info.toc.mode(), mode);
            assert_eq!(known.extension_fault, None);
        }
        let some = |test: &dyn Fn(&Vec<u8>) -> bool| packets.iter().any(test);
        assert_eq!(some(&|p| describe(p).unwrap().fec), fec);
        assert_eq!(some(&|p| describe(p).unwrap().dred.is_some()), dred);
        for size in [2, 3, 6] {
            let merged: Vec<_> = packets.chunks(size).map(|p| merge(p).unwrap()).collect();
            assert_eq!(decode(&merged, channels), decode(packets, channels));
            for (whole, parts) in merged.iter().zip(packets.chunks(size)) {
                let described = describe(whole).unwrap();
                assert_eq!(described.info.duration_samples(), 960 * size as u32);
                assert_eq!(split(whole).as_deref(), Ok(parts));
                // Both are those of the first frame, for it is what a gap before adjoins.
                let first = describe(&parts[0]).unwrap();
                assert_eq!(described.fec, first.fec);
                if first.dred.is_some() {
                    assert_eq!(described.dred, first.dred);
                }
            }
        }
    }
}

#[test]
fn dred_is_an_extension_and_unpad_drops_it() {
    let dred = config(16_000, 1, 40_000).with("dred_ms", 500);
    let packets = voice(&dred);
    let with_dred: Vec<_> = packets
        .iter()
        .filter(|p| describe(p).unwrap().dred.is_some())
        .collect();
    assert!(with_dred.len() > 10);
    for packet in with_dred {
        let known = describe(packet).unwrap();
        let found: Vec<_> = known.extensions.iter().map(|e| (e.id, e.frame)).collect();
        assert_eq!(found, [(DRED_ID, 0)]);
        let reach = known.dred.unwrap();
        assert!(reach.start < reach.end && reach.start >= -48 * 1040 && reach.end <= 0);
        let padded = describe(&pad(packet, packet.len() + 300).unwrap()).unwrap();
        assert_eq!(padded.dred, Some(reach));
        let bare = describe(&unpad(packet).unwrap()).unwrap();
        assert_eq!((bare.dred, bare.extensions), (None, vec![]));
    }
}

#[test]
fn silence_that_is_not_sent() {
    let mut encoder = config(16_000, 1, 24_000).with("dtx", true).encoder();
    let mut out = vec![0; MAX_ENCODED_BYTES];
    let mut silent = 0;
    for _ in 0..100 {
        let bytes = encoder.encode(&[0_i16; 320], &mut out).unwrap();
        let known = describe(&out[..bytes]).unwrap();
        assert_eq!(known.dtx, bytes <= 2, "{bytes} bytes");
        silent += usize::from(known.dtx);
    }
    assert!(silent > 50, "{silent}");
}
