//! What one Opus packet is made of (RFC 6716 §3), without decoding it.
//!
//! The first byte, the TOC, names mode, bandwidth, frame duration, channels and one of four codes
//! that say how many frames follow and how their lengths are written. [`parse`] obeys all seven
//! rules of §3.4 and accepts exactly what libopus's `opus_packet_parse` accepts: a frame of no bytes
//! is sound (it asks for concealment), a packet of no bytes is not. [`duration_samples`] looks at
//! the first two bytes at most; a packet that passes it may still fail [`parse`].

use std::fmt;
use std::ops::Range;

/// The longest audio that one packet may hold, in 48 kHz samples: 120 ms (RFC 6716 §3.2.5).
pub const MAX_DURATION_SAMPLES: u32 = 5760;

/// The longest frame in bytes (RFC 6716 §3.2.1).
pub const MAX_FRAME_BYTES: usize = 1275;

/// The longest packet that one stream can need without padding (RFC 7845 §6).
pub const MAX_PACKET_BYTES: usize = 61_298;

/// The coding mode that a TOC names (RFC 6716 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Linear prediction, for speech.
    Silk,
    /// Both at once, for speech at wide bandwidths.
    Hybrid,
    /// Transform coding, for music and low delay.
    Celt,
}

/// The audio bandwidth that a TOC names (RFC 6716 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bandwidth {
    /// 4 kHz.
    Narrow,
    /// 6 kHz.
    Medium,
    /// 8 kHz.
    Wide,
    /// 12 kHz.
    SuperWide,
    /// 20 kHz.
    Full,
}

/// The first byte of a packet (RFC 6716 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Toc(pub u8);

impl Toc {
    /// The five bits that stand for mode, bandwidth and frame duration.
    pub const fn config(self) -> u8 {
        self.0 >> 3
    }

    /// How the frames are packed: 0 to 3.
    pub const fn code(self) -> u8 {
        self.0 & 3
    }

    /// Whether the frames are stereo.
    pub const fn stereo(self) -> bool {
        self.0 & 4 != 0
    }

    /// The coding mode.
    pub const fn mode(self) -> Mode {
        match self.config() {
            0..=11 => Mode::Silk,
            12..=15 => Mode::Hybrid,
            _ => Mode::Celt,
        }
    }

    /// The audio bandwidth.
    pub const fn bandwidth(self) -> Bandwidth {
        match self.config() {
            0..=3 | 16..=19 => Bandwidth::Narrow,
            4..=7 => Bandwidth::Medium,
            8..=11 | 20..=23 => Bandwidth::Wide,
            12..=13 | 24..=27 => Bandwidth::SuperWide,
            _ => Bandwidth::Full,
        }
    }

    /// What one frame decodes to, in 48 kHz samples: 120 to 2880.
    pub const fn frame_samples(self) -> u32 {
        let config = self.config();
        match self.mode() {
            Mode::Silk => [480, 960, 1920, 2880][(config & 3) as usize],
            Mode::Hybrid => [480, 960][(config & 1) as usize],
            Mode::Celt => 120 << (config & 3),
        }
    }
}

/// The rules of RFC 6716 §3.4 that a packet can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A packet has at least one byte.
    R1,
    /// No frame whose length is implied is longer than 1275 bytes.
    R2,
    /// A code 1 packet splits into two equal halves.
    R3,
    /// A code 2 packet holds its first frame's length, and that many bytes.
    R4,
    /// A code 3 packet has one frame at least and 120 ms of audio at most.
    R5,
    /// A code 3 packet has a count byte, its padding, and at constant rate equal frames.
    R6,
    /// A code 3 packet at variable rate holds all its lengths, frames and padding.
    R7,
}

impl Rule {
    const fn text(self) -> &'static str {
        match self {
            Self::R1 => "R1: a packet has at least one byte",
            Self::R2 => "R2: no frame is longer than 1275 bytes",
            Self::R3 => "R3: two frames of equal length need an even number of bytes",
            Self::R4 => "R4: the first frame's length must be there and fit in the packet",
            Self::R5 => "R5: one frame at least and 120 ms of audio at most",
            Self::R6 => "R6: count byte, padding and equal frames must fit in the packet",
            Self::R7 => "R7: all lengths, frames and padding must fit in the packet",
        }
    }
}

/// Bytes that are not an Opus packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketError {
    /// The rule of RFC 6716 §3.4 that they break.
    pub rule: Rule,
    /// The byte at which it shows.
    pub offset: usize,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, offset } = self;
        write!(
            f,
            "not an Opus packet: byte {offset} breaks rule {} (RFC 6716 section 3.4)",
            rule.text()
        )
    }
}

impl std::error::Error for PacketError {}

/// A packet taken apart; the ranges index the bytes that were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketInfo {
    /// The first byte.
    pub toc: Toc,
    /// Where each frame lies: 1 to 48 of them, each 0 to 1275 bytes.
    pub frames: Vec<Range<usize>>,
    /// Where the padding lies, after the last frame; mostly empty.
    pub padding: Range<usize>,
}

impl PacketInfo {
    /// What the packet decodes to, in 48 kHz samples: 120 to 5760.
    pub fn duration_samples(&self) -> u32 {
        self.toc.frame_samples() * self.frames.len() as u32
    }
}

/// What a packet decodes to, in 48 kHz samples (120 to 5760), from its first two bytes.
///
/// # Errors
/// R1 for no bytes, R6 for a code 3 packet without a count, R5 for a count that is 0 or too high.
pub fn duration_samples(packet: &[u8]) -> Result<u32, PacketError> {
    let toc = Toc(*packet.first().ok_or(err(Rule::R1, 0))?);
    let frames = match toc.code() {
        0 => 1,
        1 | 2 => 2,
        // §3.2.5: the count M is six bits; the two above are flags.
        _ => u32::from(packet.get(1).ok_or(err(Rule::R6, 1))? & 0x3f),
    };
    let samples = toc.frame_samples() * frames;
    if samples == 0 || samples > MAX_DURATION_SAMPLES {
        return Err(err(Rule::R5, 1));
    }
    Ok(samples)
}

/// Take a packet apart.
///
/// # Errors
/// The first rule of RFC 6716 §3.4 that the bytes break, and where.
pub fn parse(packet: &[u8]) -> Result<PacketInfo, PacketError> {
    let toc = Toc(*packet.first().ok_or(err(Rule::R1, 0))?);
    let end = packet.len();
    match toc.code() {
        0 => equal_frames(toc, 1, 1, end, end, Rule::R2),
        1 => equal_frames(toc, 2, 1, end, end, Rule::R3),
        2 => listed_frames(packet, toc, 2, 1, end, Rule::R4),
        _ => parse_counted(packet, toc),
    }
}

/// Code 3: a count, perhaps padding, perhaps lengths (RFC 6716 §3.2.5).
fn parse_counted(packet: &[u8], toc: Toc) -> Result<PacketInfo, PacketError> {
    let samples = duration_samples(packet)?;
    let count = (samples / toc.frame_samples()) as usize;
    let variable = packet[1] & 0x80 != 0;
    let rule = if variable { Rule::R7 } else { Rule::R6 };
    let mut at = 2;
    let mut padding = 0;
    if packet[1] & 0x40 != 0 {
        loop {
            let byte = *packet.get(at).ok_or(err(rule, at))?;
            at += 1;
            // 255 stands for 254 bytes of padding and one more length byte.
            padding += if byte == 255 { 254 } else { usize::from(byte) };
            if byte != 255 {
                break;
            }
        }
    }
    let end = packet
        .len()
        .checked_sub(padding)
        .filter(|&end| end >= at)
        .ok_or(err(rule, at))?;
    if variable {
        listed_frames(packet, toc, count, at, end, Rule::R7)
    } else {
        equal_frames(toc, count, at, end, packet.len(), Rule::R6)
    }
}

/// `count` frames of one length fill the bytes from `at` to `end`; padding goes on to `padded_end`.
fn equal_frames(
    toc: Toc,
    count: usize,
    at: usize,
    end: usize,
    padded_end: usize,
    rule: Rule,
) -> Result<PacketInfo, PacketError> {
    let bytes = (end - at) / count;
    if bytes * count != end - at {
        return Err(err(rule, at));
    }
    if bytes > MAX_FRAME_BYTES {
        return Err(err(Rule::R2, at));
    }
    let frames = (0..count).map(|i| at + i * bytes..at + (i + 1) * bytes);
    Ok(PacketInfo {
        toc,
        frames: frames.collect(),
        padding: end..padded_end,
    })
}

/// All frames but the last have their lengths in front, from `at`; the last goes up to `end`.
fn listed_frames(
    packet: &[u8],
    toc: Toc,
    count: usize,
    mut at: usize,
    end: usize,
    rule: Rule,
) -> Result<PacketInfo, PacketError> {
    let mut lengths = [0; 48];
    for length in &mut lengths[..count - 1] {
        let (value, used) = frame_length(&packet[at..end]).ok_or(err(rule, at))?;
        *length = value;
        at += used;
    }
    let mut frames = Vec::with_capacity(count);
    for length in &lengths[..count - 1] {
        if *length > end - at {
            return Err(err(rule, at));
        }
        frames.push(at..at + length);
        at += length;
    }
    if end - at > MAX_FRAME_BYTES {
        return Err(err(Rule::R2, at));
    }
    frames.push(at..end);
    Ok(PacketInfo {
        toc,
        frames,
        padding: end..packet.len(),
    })
}

/// A frame's length and the bytes that it took (RFC 6716 §3.2.1); at most 1275 by its form.
fn frame_length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [first @ 0..=251, ..] => Some((usize::from(first), 1)),
        [first, second, ..] => Some((usize::from(second) * 4 + usize::from(first), 2)),
        _ => None,
    }
}

const fn err(rule: Rule, offset: usize) -> PacketError {
    PacketError { rule, offset }
}
