//! Our packet functions against libopus's own, on packets made at random and then damaged.
//!
//! What is compared is written at the top of each file of `fuzz/src`. Here are 100,000 packets;
//! `cargo test --release --test core packet_reference -- --ignored` has ten million.

use crate::invariants::{delimited, edit, extensions, packet};
use crate::random::Random;
use opuscule_core::packet::{delimit, parse, parse_delimited};

impl Random {
    /// Mostly short, sometimes at an edge of a length's form or beyond what is allowed.
    fn length(&mut self) -> usize {
        const EDGES: [usize; 10] = [0, 1, 251, 252, 253, 255, 256, 1274, 1275, 1276];
        match self.below(16) {
            0..=11 => self.below(24),
            12..=14 => self.below(300),
            _ => EDGES[self.below(EDGES.len())],
        }
    }

    /// A packet by the letter of RFC 6716 §3.2, but for lengths that may be too much.
    fn packet(&mut self) -> Vec<u8> {
        let toc = self.next() as u8;
        let mut out = vec![toc];
        let mut body = 0;
        let write = |out: &mut Vec<u8>, length: usize| match length {
            0..252 => out.push(length as u8),
            _ => out.extend([252 | (length & 3) as u8, ((length - 252) >> 2) as u8]),
        };
        let mut padding = 0;
        match toc & 3 {
            0 => body = self.length(),
            1 => body = 2 * self.length(),
            2 => {
                let first = self.length();
                write(&mut out, first.min(1275));
                body = first + self.length();
            }
            _ => {
                let most = if self.one_in(20) { 64 } else { 7 };
                let count = self.below(most);
                let (variable, padded) = (self.one_in(2), self.one_in(2));
                out.push(u8::from(variable) << 7 | u8::from(padded) << 6 | count as u8);
                if padded {
                    padding = self.length() + if self.one_in(8) { 254 } else { 0 };
                    out.resize(out.len() + padding / 254, 255);
                    out.push((padding % 254) as u8);
                }
                let equal = self.length();
                for i in 0..count {
                    let length = if variable { self.length() } else { equal };
                    body += length;
                    if variable && i + 1 < count {
                        write(&mut out, length.min(1275));
                    }
                }
            }
        }
        let bytes = self.bytes(body);
        out.extend(bytes);
        out.extend(self.padding(padding));
        out
    }

    /// Padding with extensions in it, often.
    fn padding(&mut self, bytes: usize) -> Vec<u8> {
        let mut padding = match self.below(3) {
            0 => vec![0; bytes],
            1 => self.bytes(bytes),
            _ => Vec::new(),
        };
        while padding.len() < bytes {
            const IDS: [u8; 8] = [1, 2, 3, 4, 5, 7, 8, 64 << 1];
            let id = match self.below(4) {
                0 => self.next() as u8,
                _ => IDS[self.below(IDS.len())],
            };
            padding.push(id);
            let payload = self.below(4);
            padding.push(payload as u8);
            let content = self.bytes(payload);
            padding.extend(content);
        }
        padding.truncate(bytes);
        padding
    }

    /// Bits flipped, bytes put in, taken out, cut off.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            // Most of what matters is in front.
            let at = if self.one_in(2) { at.min(3) } else { at };
            match self.below(4) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.insert(at.min(bytes.len()), self.next() as u8),
                _ => bytes.truncate(at),
            }
        }
    }
}

/// Compares so many packets; how many were sound, in either framing.
fn compare(packets: usize, seed: u64) -> (usize, usize) {
    let mut random = Random::new(seed);
    let (mut sound, mut sound_delimited) = (0, 0);
    for i in 0..packets {
        let mut bytes = if i % 8 == 7 {
            let length = random.below(40);
            random.bytes(length)
        } else {
            random.packet()
        };
        let mut framed = delimit(&bytes).unwrap_or_else(|_| bytes.clone());
        if i % 2 == 1 {
            random.damage(&mut bytes);
            random.damage(&mut framed);
        }
        framed.extend_from_slice(&bytes[..bytes.len().min(i % 3)]);
        packet::check(&bytes);
        edit::check(&bytes);
        delimited::check(&framed);
        sound += usize::from(parse(&bytes).is_ok());
        sound_delimited += usize::from(parse_delimited(&framed).is_ok());
        let length = random.below(60);
        let mut padding = random.padding(length);
        padding.insert(0, random.next() as u8 & 7);
        extensions::check(&padding);
    }
    (sound, sound_delimited)
}

#[test]
fn the_same_as_libopus() {
    let packets = 100_000;
    let (sound, sound_delimited) = compare(packets, 0x6f70_7573);
    // Neither side of the question may be rare, or little is compared.
    for count in [sound, sound_delimited] {
        assert!((packets / 8..packets * 7 / 8).contains(&count), "{count}");
    }
}

#[test]
#[ignore = "ten million packets take minutes: run by hand, results in docs/fuzzing.md"]
fn the_same_as_libopus_ten_million_times() {
    let (sound, sound_delimited) = compare(10_000_000, 0x2026);
    println!("sound: {sound} of 10,000,000; self-delimited: {sound_delimited}");
}

#[test]
fn every_short_packet() {
    // All of two bytes, and all first bytes with three that are likely to matter.
    for toc in 0..=255 {
        packet::check(&[toc]);
        delimited::check(&[toc]);
        for second in 0..=255 {
            for tail in [&[][..], &[0], &[1], &[2, 9], &[255, 0], &[252, 0, 7]] {
                let bytes = [&[toc, second], tail].concat();
                packet::check(&bytes);
                delimited::check(&bytes);
                edit::check(&bytes);
            }
        }
    }
}
