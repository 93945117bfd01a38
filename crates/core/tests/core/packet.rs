//! RFC 6716 §3 as tables of bytes, and the parser against any bytes.

use crate::bytes::{SHORT, SILK, with};
use opuscule_core::packet::{Bandwidth, Mode, PacketError, Rule, Toc, duration_samples, parse};
use proptest::prelude::*;

/// §3.1, table 2: configurations, mode, bandwidth, frame sizes in units of 2.5 ms.
const CONFIGS: &[(u8, Mode, Bandwidth, &[u32])] = &[
    (0, Mode::Silk, Bandwidth::Narrow, &[4, 8, 16, 24]),
    (4, Mode::Silk, Bandwidth::Medium, &[4, 8, 16, 24]),
    (8, Mode::Silk, Bandwidth::Wide, &[4, 8, 16, 24]),
    (12, Mode::Hybrid, Bandwidth::SuperWide, &[4, 8]),
    (14, Mode::Hybrid, Bandwidth::Full, &[4, 8]),
    (16, Mode::Celt, Bandwidth::Narrow, &[1, 2, 4, 8]),
    (20, Mode::Celt, Bandwidth::Wide, &[1, 2, 4, 8]),
    (24, Mode::Celt, Bandwidth::SuperWide, &[1, 2, 4, 8]),
    (28, Mode::Celt, Bandwidth::Full, &[1, 2, 4, 8]),
];

#[test]
fn toc_table() {
    let mut seen = 0;
    for (first, mode, bandwidth, sizes) in CONFIGS {
        for (config, units) in (*first..).zip(*sizes) {
            for stereo in [false, true] {
                let toc = Toc(config << 3 | u8::from(stereo) << 2 | 1);
                assert_eq!(toc.config(), config);
                assert_eq!((toc.mode(), toc.bandwidth()), (*mode, *bandwidth));
                assert_eq!(toc.frame_samples(), units * 120, "config {config}");
                assert_eq!((toc.stereo(), toc.code()), (stereo, 1));
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 32);
}

fn lengths(packet: &[u8]) -> Result<(Vec<usize>, usize), PacketError> {
    let info = parse(packet)?;
    // Frames and padding follow on one another, up to the packet's end.
    let mut at = info.frames[0].start;
    for frame in info.frames.iter().chain([&info.padding]) {
        assert_eq!(frame.start, at);
        at = frame.end;
    }
    assert_eq!(at, packet.len());
    assert_eq!(duration_samples(packet), Ok(info.duration_samples()));
    Ok((
        info.frames.iter().map(ExactSizeIterator::len).collect(),
        info.padding.len(),
    ))
}

#[test]
fn frames_of_every_code() {
    let padded = with(&[SILK | 3, 0x42, 255, 255, 1], 10 + 509);
    let cases: Vec<(Vec<u8>, Vec<usize>, usize)> = vec![
        (vec![SILK], vec![0], 0),
        (with(&[SILK], 1275), vec![1275], 0),
        (vec![SILK | 1], vec![0, 0], 0),
        (with(&[SILK | 1], 2550), vec![1275, 1275], 0),
        (vec![SILK | 2, 0], vec![0, 0], 0),
        (with(&[SILK | 2, 251], 251), vec![251, 0], 0),
        (with(&[SILK | 2, 252, 0], 253), vec![252, 1], 0),
        (with(&[SILK | 2, 255, 255], 1275), vec![1275, 0], 0),
        (vec![SILK | 3, 1], vec![0], 0),
        (with(&[SILK | 3, 3], 9), vec![3, 3, 3], 0),
        // The count has six bits: 48 would be 16 in five.
        (with(&[SHORT | 3, 48], 96), vec![2; 48], 0),
        (with(&[SILK | 3, 0x83, 1, 2], 6), vec![1, 2, 3], 0),
        (with(&[SILK | 3, 0x81], 7), vec![7], 0),
        (with(&[SILK | 3, 0x41, 0], 4), vec![4], 0),
        (with(&[SILK | 3, 0x41, 2], 4), vec![2], 2),
        // Each 255 stands for 254 bytes: 254 + 254 + 1.
        (padded, vec![5, 5], 509),
        (with(&[SILK | 3, 0xc2, 3, 1], 7), vec![1, 3], 3),
    ];
    for (packet, frames, padding) in cases {
        assert_eq!(
            lengths(&packet),
            Ok((frames, padding)),
            "{:?}",
            &packet[..packet.len().min(5)]
        );
    }
}

#[test]
fn every_rule_of_section_3_4() {
    let cases: Vec<(Vec<u8>, Rule, usize)> = vec![
        (vec![], Rule::R1, 0),
        (with(&[SILK], 1276), Rule::R2, 1),
        (with(&[SILK | 1], 2552), Rule::R2, 1),
        (with(&[SILK | 2, 1], 1277), Rule::R2, 3),
        (with(&[SILK | 3, 1], 1276), Rule::R2, 2),
        (with(&[SILK | 3, 0x82, 0], 1276), Rule::R2, 3),
        (with(&[SILK | 1], 3), Rule::R3, 1),
        (vec![SILK | 2], Rule::R4, 1),
        (vec![SILK | 2, 252], Rule::R4, 1),
        (with(&[SILK | 2, 5], 4), Rule::R4, 2),
        (vec![SILK | 3, 0], Rule::R5, 1),
        (vec![SILK | 3, 7], Rule::R5, 1),
        (with(&[SHORT | 3, 49], 49), Rule::R5, 1),
        (with(&[SHORT | 3, 63], 63), Rule::R5, 1),
        (vec![SILK | 3], Rule::R6, 1),
        (with(&[SILK | 3, 2], 3), Rule::R6, 2),
        (vec![SILK | 3, 0x41], Rule::R6, 2),
        (vec![SILK | 3, 0x41, 255], Rule::R6, 3),
        (with(&[SILK | 3, 0x41, 5], 4), Rule::R6, 3),
        (vec![SILK | 3, 0x82], Rule::R7, 2),
        (with(&[SILK | 3, 0x83, 1, 2], 2), Rule::R7, 5),
        (with(&[SILK | 3, 0xc1, 5], 4), Rule::R7, 3),
        (vec![SILK | 3, 0xc1, 255], Rule::R7, 3),
        (with(&[SILK | 3, 0xc2, 1, 5], 5), Rule::R7, 4),
    ];
    for (packet, rule, offset) in cases {
        let error = PacketError { rule, offset };
        assert_eq!(
            parse(&packet),
            Err(error),
            "{:?}",
            &packet[..packet.len().min(5)]
        );
        assert!(error.to_string().contains(&format!("{rule:?}:")));
    }
}

#[test]
fn durations_need_two_bytes() {
    for (packet, samples) in [
        (&[SILK][..], 960),
        (&[SILK | 1], 1920),
        (&[SILK | 2], 1920),
        (&[SILK | 3, 6], 5760),
        (&[SHORT | 3, 48], 5760),
        (&[11 << 3 | 1], 5760),
    ] {
        assert_eq!(duration_samples(packet), Ok(samples));
    }
    assert_eq!(duration_samples(&[]).unwrap_err().rule, Rule::R1);
    assert_eq!(duration_samples(&[SILK | 3]).unwrap_err().rule, Rule::R6);
    assert_eq!(
        duration_samples(&[SILK | 3, 0xc0]).unwrap_err().rule,
        Rule::R5
    );
    assert_eq!(duration_samples(&[SILK | 3, 7]).unwrap_err().rule, Rule::R5);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(packet in proptest::collection::vec(any::<u8>(), 0..400)) {
        match lengths(&packet) {
            Ok((frames, _)) => {
                prop_assert!((1..=48).contains(&frames.len()));
                prop_assert!(frames.iter().all(|&bytes| bytes <= 1275));
            }
            Err(error) => prop_assert!(error.offset <= packet.len()),
        }
    }
}
