//! Where the frames of a packet lie, or which rule of RFC 6716 §3.4 the bytes break, and where.
//!
//! One walk reads both framings: the ordinary one, in which the packet's length is known and that of
//! its last frame follows from it, and the self-delimiting one of Appendix B, which writes the last
//! length down, so that the packet's end follows from its beginning.

use std::fmt;
use std::ops::Range;

use super::toc::Toc;
use super::{MAX_DURATION_SAMPLES, MAX_FRAME_BYTES, MAX_FRAMES};

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
    /// Appendix B, for self-delimited packets only: the length of the last frame, or of all equal
    /// ones, is there, and so are the bytes.
    B,
}

impl Rule {
    /// Its name: `R1` to `R7`, or `B`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::R1 => "R1",
            Self::R2 => "R2",
            Self::R3 => "R3",
            Self::R4 => "R4",
            Self::R5 => "R5",
            Self::R6 => "R6",
            Self::R7 => "R7",
            Self::B => "B",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::R1 => "a packet has at least one byte",
            Self::R2 => "no frame is longer than 1275 bytes",
            Self::R3 => "two frames of equal length need an even number of bytes",
            Self::R4 => "the first frame's length must be there and fit in the packet",
            Self::R5 => "one frame at least and 120 ms of audio at most",
            Self::R6 => "count byte, padding and equal frames must fit in the packet",
            Self::R7 => "all lengths, frames and padding must fit in the packet",
            Self::B => "the last frame's length and bytes must be there",
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
        let section = match rule {
            Rule::B => "appendix B",
            _ => "section 3.4",
        };
        write!(
            f,
            "not an Opus packet: byte {offset} breaks rule {}: {} (RFC 6716 {section})",
            rule.name(),
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
    take_apart(packet, Framing::Whole)
}

/// How a packet's end is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// From outside: it is the end of the bytes.
    Whole,
    /// From its own last length (RFC 6716 Appendix B); other bytes may follow.
    Delimited,
}

/// What stands before the frames' lengths.
struct Header {
    toc: Toc,
    count: usize,
    /// Whether each frame has a length of its own.
    variable: bool,
    /// The rule that frames and lengths which do not fit break.
    rule: Rule,
    /// Where the lengths, or else the frames, begin.
    at: usize,
    padding_bytes: usize,
}

/// Takes a packet of either framing apart; with Appendix B's its end is that of the padding.
pub(super) fn take_apart(bytes: &[u8], framing: Framing) -> Result<PacketInfo, PacketError> {
    let header = header(bytes)?;
    let Header {
        toc, count, rule, ..
    } = header;
    let mut at = header.at;
    // §3.2.5: the padding comes off the end before anything else is looked at.
    let limit = bytes
        .len()
        .checked_sub(header.padding_bytes)
        .filter(|&limit| limit >= at)
        .ok_or(err(rule, at))?;
    let mut lengths = [0; MAX_FRAMES];
    if header.variable {
        for length in &mut lengths[..count - 1] {
            *length = read_length(bytes, &mut at, limit).ok_or(err(rule, at))?;
        }
    }
    let last_rule = match framing {
        Framing::Delimited => {
            // Appendix B: one more length, the last frame's or that of all equal ones.
            let last = read_length(bytes, &mut at, limit).ok_or(err(Rule::B, at))?;
            let first = if header.variable { count - 1 } else { 0 };
            lengths[first..count].fill(last);
            Rule::B
        }
        Framing::Whole if header.variable => rule,
        Framing::Whole => {
            let length = (limit - at) / count;
            if length * count != limit - at {
                return Err(err(rule, at));
            }
            if length > MAX_FRAME_BYTES {
                return Err(err(Rule::R2, at));
            }
            lengths[..count].fill(length);
            rule
        }
    };
    let mut frames = Vec::with_capacity(count);
    for (i, &length) in lengths[..count].iter().enumerate() {
        let is_last = i + 1 == count;
        let length = if is_last && header.variable && framing == Framing::Whole {
            limit - at
        } else {
            length
        };
        if length > limit - at {
            let equal = !header.variable;
            return Err(err(if is_last || equal { last_rule } else { rule }, at));
        }
        if length > MAX_FRAME_BYTES {
            return Err(err(Rule::R2, at));
        }
        frames.push(at..at + length);
        at += length;
    }
    Ok(PacketInfo {
        toc,
        frames,
        padding: at..at + header.padding_bytes,
    })
}

/// TOC, count and padding lengths (RFC 6716 §3.2).
fn header(bytes: &[u8]) -> Result<Header, PacketError> {
    let toc = Toc(*bytes.first().ok_or(err(Rule::R1, 0))?);
    let simple = |count, variable, rule| Header {
        toc,
        count,
        variable,
        rule,
        at: 1,
        padding_bytes: 0,
    };
    Ok(match toc.code() {
        0 => simple(1, false, Rule::R2),
        1 => simple(2, false, Rule::R3),
        2 => simple(2, true, Rule::R4),
        _ => {
            let count = (duration_samples(bytes)? / toc.frame_samples()) as usize;
            let variable = bytes[1] & 0x80 != 0;
            let rule = if variable { Rule::R7 } else { Rule::R6 };
            let mut at = 2;
            let mut padding_bytes = 0;
            if bytes[1] & 0x40 != 0 {
                loop {
                    let byte = *bytes.get(at).ok_or(err(rule, at))?;
                    at += 1;
                    // 255 stands for 254 bytes of padding and one more length byte.
                    padding_bytes += usize::from(byte.min(254));
                    if byte != 255 {
                        break;
                    }
                }
            }
            Header {
                at,
                padding_bytes,
                ..simple(count, variable, rule)
            }
        }
    })
}

/// Reads a frame's length at `at`, before `limit` (RFC 6716 §3.2.1); at most 1275 by its form.
fn read_length(bytes: &[u8], at: &mut usize, limit: usize) -> Option<usize> {
    let (length, used) = match bytes[*at..limit] {
        [first @ 0..=251, ..] => (usize::from(first), 1),
        [first, second, ..] => (usize::from(second) * 4 + usize::from(first), 2),
        _ => return None,
    };
    *at += used;
    Some(length)
}

const fn err(rule: Rule, offset: usize) -> PacketError {
    PacketError { rule, offset }
}
