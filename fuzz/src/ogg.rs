//! Invariant of the Ogg Opus reader: however the bytes are cut, the same items come out; packets and
//! gaps of a stream follow on one another from media time 0, so that no sample is missing without a word; the end
//! is not beyond them; every packet's duration is what its first bytes say.

use opuscule_core::ogg::reader::{Item, OggError, Reader};
use opuscule_core::packet::duration_samples;

fn read(data: &[u8], piece: usize) -> (Vec<Item>, Result<(), OggError>) {
    let (mut reader, mut items) = (Reader::default(), Vec::new());
    for part in data.chunks(piece) {
        if let Err(error) = reader.feed(part, &mut items) {
            return (items, Err(error));
        }
    }
    let result = reader.finish(&mut items);
    (items, result)
}

/// `data` is a file. Where its last byte is odd its pages get the checksums that they should have:
/// otherwise no change to a page would reach what is behind the checksum.
pub fn check(data: &[u8]) {
    let mut data = data.to_vec();
    if data.last().is_some_and(|last| last & 1 != 0) {
        mend_checksums(&mut data);
    }
    let data = data.as_slice();
    let whole = read(data, usize::MAX);
    let piece = data.last().map_or(1, |&last| usize::from(last) + 1);
    assert_eq!(read(data, piece), whole);
    let mut next = 0;
    for item in &whole.0 {
        match item {
            Item::Packet {
                data,
                time_samples,
                duration_samples: samples,
            } => {
                assert_eq!(*time_samples, next);
                // A packet of several streams begins with a self-delimited one, of the same length.
                assert_eq!(duration_samples(data), Ok(*samples));
                next += i64::from(*samples);
            }
            Item::Gap {
                start_samples,
                duration_samples,
            } => {
                assert_eq!(*start_samples, next);
                assert!(*duration_samples > 0);
                next += duration_samples;
            }
            Item::End { end_samples, .. } => assert!(*end_samples <= next),
            Item::Head(head) => {
                assert_eq!(head.check(), Ok(()));
                next = 0;
            }
            _ => {}
        }
    }
}

fn mend_checksums(data: &mut [u8]) {
    let mut at = 0;
    while let Some(page) = data.get_mut(at..).filter(|rest| rest.len() >= 27) {
        let segments = usize::from(page[26]);
        if !page.starts_with(b"OggS") || page.len() < 27 + segments {
            at += 1;
            continue;
        }
        let body: usize = page[27..27 + segments]
            .iter()
            .map(|&v| usize::from(v))
            .sum();
        let bytes = 27 + segments + body;
        if let Some(page) = page.get_mut(..bytes) {
            page[22..26].fill(0);
            let sum = crc(page).to_le_bytes();
            page[22..26].copy_from_slice(&sum);
        }
        at += bytes;
    }
}

/// The checksum of Ogg pages (RFC 3533 §6), a byte a step: not the core's, which is under test.
fn crc(bytes: &[u8]) -> u32 {
    static TABLE: [u32; 256] = table();
    let step = |crc: u32, &byte: &u8| crc << 8 ^ TABLE[usize::from((crc >> 24) as u8 ^ byte)];
    bytes.iter().fold(0, step)
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 2048 {
        let (byte, bit) = (i / 8, i % 8);
        if bit == 0 {
            table[byte] = (byte as u32) << 24;
        }
        table[byte] = (table[byte] << 1) ^ ((table[byte] >> 31) * 0x04c1_1db7);
        i += 1;
    }
    table
}
