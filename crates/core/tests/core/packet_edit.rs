//! Frames from packet to packet: the forms of RFC 6716 as tables of bytes.

use crate::bytes::{SHORT, SILK, with};
use opuscule_core::packet::extensions::{Extension, ExtensionError, Fault, list};
use opuscule_core::packet::{
    EditError, MAX_PACKET_BYTES, PacketError, Rule, delimit, merge, pad, parse, parse_delimited,
    split, undelimit, unpad,
};

#[test]
fn the_shortest_form_of_some_frames() {
    let one = |bytes: usize| with(&[SILK], bytes);
    let cases: Vec<(Vec<Vec<u8>>, Vec<u8>)> = vec![
        (vec![one(7)], with(&[SILK], 7)),
        (vec![one(7), one(7)], with(&[SILK | 1], 14)),
        (vec![one(7), one(0)], with(&[SILK | 2, 7], 7)),
        (vec![one(252), one(1)], with(&[SILK | 2, 252, 0], 253)),
        (vec![one(1275), one(1)], with(&[SILK | 2, 255, 255], 1276)),
        (vec![one(7), one(7), one(7)], with(&[SILK | 3, 3], 21)),
        (
            vec![one(1), one(2), one(3)],
            with(&[SILK | 3, 0x83, 1, 2], 6),
        ),
        (vec![with(&[SHORT], 2); 48], with(&[SHORT | 3, 48], 96)),
    ];
    for (parts, whole) in cases {
        assert_eq!(merge(&parts).as_ref(), Ok(&whole));
        assert_eq!(split(&whole), Ok(parts));
        assert_eq!(unpad(&whole).as_ref(), Ok(&whole));
    }
}

#[test]
fn what_cannot_be_made() {
    let one = with(&[SILK], 5);
    let stereo = with(&[SILK | 4], 5);
    let bad = vec![SILK | 3, 0];
    let no_packet = PacketError {
        rule: Rule::R5,
        offset: 1,
    };
    assert_eq!(merge::<Vec<u8>>(&[]), Err(EditError::Nothing));
    let error = merge(&[&one, &stereo]).unwrap_err();
    assert!(matches!(error, EditError::Kind(1, _, _)));
    let text = error.to_string();
    assert!(text.contains("silk, wideband, 20 ms, stereo"), "{text}");
    assert_eq!(merge(&[&one; 7]), Err(EditError::Long(6720)));
    assert_eq!(merge(&[&one, &bad]), Err(EditError::Packet(1, no_packet)));
    assert_eq!(split(&bad), Err(EditError::Packet(0, no_packet)));
    assert_eq!(unpad(&bad), Err(EditError::Packet(0, no_packet)));
    assert_eq!(pad(&bad, 9), Err(EditError::Packet(0, no_packet)));
    assert_eq!(pad(&one, 5), Err(EditError::Shrink(6, 5)));
    let most = MAX_PACKET_BYTES;
    assert_eq!(pad(&one, most + 1), Err(EditError::Large(most + 1)));
    // An extension of 40,000 bytes in each of two packets is too much for one.
    let large = |id: u8| {
        let mut packet = vec![SILK | 3, 0x41];
        packet.extend([255; 157]);
        packet.push((40_000_usize - 157 * 254) as u8);
        packet.push(id << 1);
        with(&packet, 39_999)
    };
    let error = merge(&[large(40), large(41)]).unwrap_err();
    assert!(matches!(error, EditError::Large(80_000..)), "{error}");
    // Extensions that cannot be read are not dropped without a word.
    let faulty = [SILK | 3, 0x41, 2, 0xaa, 33 << 1 | 1, 9];
    let fault = ExtensionError {
        fault: Fault::Cut,
        offset: 4,
    };
    assert_eq!(
        merge(&[&one[..], &faulty]),
        Err(EditError::Extension(1, fault))
    );
    assert_eq!(split(&faulty), Err(EditError::Extension(0, fault)));
    assert_eq!(unpad(&faulty), Ok(vec![SILK, 0xaa]));
}

#[test]
fn padding_to_every_length() {
    let zeros = with(&[SILK | 3, 0x83, 4, 252, 1], 4 + 256 + 9);
    let held = [&[SILK | 3, 0x41, 3, 0xaa][..], &[33 << 1, 7, 8]].concat();
    for packet in [with(&[SILK], 7), with(&[SILK | 1], 8), zeros, held] {
        let info = parse(&packet).unwrap();
        for bytes in packet.len()..packet.len() + 600 {
            let padded = pad(&packet, bytes).unwrap();
            assert_eq!(padded.len(), bytes);
            assert_eq!(unpad(&padded), unpad(&packet));
            let now = parse(&padded).unwrap();
            let found = list(&padded, &now);
            let content = |e: &Extension| padded[e.payload.clone()].to_vec();
            if info.padding.is_empty() {
                // RFC 6716 §3.2.5: an encoder writes zeros.
                assert!(padded[now.padding].iter().all(|&byte| byte == 0));
                assert_eq!(found.0, []);
            } else {
                assert_eq!(found.0.iter().map(content).collect::<Vec<_>>(), [[7, 8]]);
            }
        }
    }
}

#[test]
fn self_delimiting_framing() {
    // RFC 6716 Appendix B, figures 25 to 30: the last length in front of the first frame.
    let cases: [(Vec<u8>, Vec<u8>); 6] = [
        (with(&[SILK], 3), with(&[SILK, 3], 3)),
        (with(&[SILK], 253), with(&[SILK, 253, 0], 253)),
        (with(&[SILK | 1], 6), with(&[SILK | 1, 3], 6)),
        (with(&[SILK | 2, 1], 3), with(&[SILK | 2, 1, 2], 3)),
        (
            with(&[SILK | 3, 0x43, 2], 8),
            with(&[SILK | 3, 0x43, 2, 2], 8),
        ),
        (
            with(&[SILK | 3, 0xc2, 2, 1], 6),
            with(&[SILK | 3, 0xc2, 2, 1, 3], 6),
        ),
    ];
    let mut stream = Vec::new();
    for (packet, framed) in &cases {
        assert_eq!(delimit(packet).as_ref(), Ok(framed));
        stream.extend_from_slice(framed);
    }
    let mut rest = &stream[..];
    for (packet, framed) in &cases {
        let (found, used) = undelimit(rest).unwrap();
        assert_eq!((&found, used), (packet, framed.len()));
        rest = &rest[used..];
    }
    assert!(rest.is_empty());
    for (bytes, rule, offset) in [
        (vec![], Rule::R1, 0),
        (vec![SILK], Rule::B, 1),
        (with(&[SILK, 4], 3), Rule::B, 2),
        (with(&[SILK, 252], 0), Rule::B, 1),
        (with(&[SILK | 1, 2], 3), Rule::B, 4),
        (vec![SILK | 2], Rule::R4, 1),
        (vec![SILK | 2, 1], Rule::B, 2),
        (with(&[SILK | 2, 3, 0], 2), Rule::R4, 3),
        (with(&[SILK | 2, 1, 2], 2), Rule::B, 4),
        (vec![SILK | 3, 0], Rule::R5, 1),
        (with(&[SILK | 3, 0x42, 9], 8), Rule::R6, 3),
        (with(&[SILK | 3, 0x82, 5, 1], 5), Rule::B, 9),
        (with(&[SILK | 3, 0x83, 1], 0), Rule::R7, 3),
    ] {
        let error = parse_delimited(&bytes).unwrap_err();
        assert_eq!((error.rule, error.offset), (rule, offset), "{bytes:?}");
        assert!(error.to_string().contains(&format!("{rule:?}:")));
    }
}

/// ID, frame, content.
type Found = Vec<(u8, usize, Vec<u8>)>;

/// Extensions of a packet with so many empty frames and this padding: ID, frame, content; the fault.
fn extensions(frames: u8, padding: &[u8]) -> (Found, Option<(Fault, usize)>) {
    let front = [SHORT | 3, 0x40 | frames, padding.len() as u8];
    let packet = [&front[..], padding].concat();
    let info = parse(&packet).unwrap();
    let (found, fault) = list(&packet, &info);
    let content = |e: Extension| (e.id, e.frame, packet[e.payload].to_vec());
    let fault = fault.map(|e| (e.fault, e.offset - front.len()));
    (found.into_iter().map(content).collect(), fault)
}

#[test]
fn extensions_of_every_form() {
    let long = [&[40 << 1 | 1, 255, 1][..], &[9; 256], &[41 << 1, 1]].concat();
    let cases: Vec<(u8, Vec<u8>, Found)> = vec![
        (1, vec![0, 0, 0], vec![]),
        (
            1,
            vec![1, 1, 3 << 1, 5 << 1 | 1, 7],
            vec![(3, 0, vec![]), (5, 0, vec![7])],
        ),
        (1, vec![40 << 1, 1, 2, 3], vec![(40, 0, vec![1, 2, 3])]),
        (1, vec![40 << 1 | 1, 1, 9, 0, 80], vec![(40, 0, vec![9])]),
        (3, vec![2, 6, 2, 8], vec![(3, 1, vec![]), (4, 2, vec![])]),
        (9, vec![3, 8, 7, 1], vec![(3, 8, vec![1])]),
        (2, vec![3, 0, 6], vec![(3, 0, vec![])]),
        // Repeated for the two later frames, whose payloads follow.
        (
            3,
            vec![7, 1, 5, 2, 3],
            vec![(3, 0, vec![1]), (3, 1, vec![2]), (3, 2, vec![3])],
        ),
        // The last long one of the last frame has no length when nothing else follows.
        (
            2,
            vec![40 << 1 | 1, 1, 1, 9, 2, 4, 7, 7, 7, 3],
            vec![
                (40, 0, vec![1]),
                (4, 0, vec![2]),
                (40, 1, vec![7, 7, 7]),
                (4, 1, vec![3]),
            ],
        ),
        // After a repeat with L = 1 the same frame goes on.
        (
            2,
            vec![6, 5, 8],
            vec![(3, 0, vec![]), (3, 1, vec![]), (4, 0, vec![])],
        ),
        (1, vec![6, 4, 9, 9], vec![(3, 0, vec![])]),
    ];
    for (frames, padding, found) in cases {
        assert_eq!(extensions(frames, &padding), (found, None), "{padding:?}");
    }
    let packet = [&[SILK | 3, 0x41, 255, 7][..], &long].concat();
    let info = parse(&packet).unwrap();
    let (found, fault) = list(&packet, &info);
    let lengths: Vec<_> = found.iter().map(|e| (e.id, e.payload.len())).collect();
    assert_eq!((lengths, fault), (vec![(40, 256), (41, 1)], None));
}

#[test]
fn extensions_that_cannot_be_read() {
    for (frames, padding, sound, fault) in [
        (1, vec![6, 9], 1, (Fault::Cut, 1)),
        (1, vec![6, 40 << 1 | 1], 1, (Fault::Cut, 1)),
        (1, vec![40 << 1 | 1, 255], 0, (Fault::Cut, 0)),
        (1, vec![40 << 1 | 1, 2, 1], 0, (Fault::Cut, 0)),
        (1, vec![6, 2], 1, (Fault::Frame, 1)),
        (3, vec![6, 3, 3, 6], 1, (Fault::Frame, 1)),
        (1, vec![3], 0, (Fault::Cut, 0)),
        (3, vec![7, 1, 4, 2], 2, (Fault::Cut, 2)),
        (
            48,
            [vec![6; 129], vec![4]].concat(),
            6000,
            (Fault::TooMany, 129),
        ),
    ] {
        let (found, error) = extensions(frames, &padding);
        assert_eq!((found.len(), error), (sound, Some(fault)), "{padding:?}");
    }
}
