//! Extensions in a packet's padding (draft-ietf-mlcodec-opus-extension, as libopus 1.6 reads it).
//!
//! Decoders have always passed over padding, so that is where new things go: DRED is extension 126.
//! Each begins with a byte that has its ID in the upper seven bits and a flag L in the lowest:
//!
//! | ID | is | its payload |
//! |---|---|---|
//! | 0 | padding | L = 1: none; L = 0: all that follows |
//! | 1 | a separator: what follows belongs to a later frame | L = 0: the next; L = 1: a byte says how much later |
//! | 2 | the extensions since the last separator or repeat come again for each later frame | theirs, without their ID bytes; L = 0: nothing but them follows |
//! | 3–31 | short | L bytes |
//! | 32–127 | long | L = 1: its length in front, in bytes that are summed up to one below 255; L = 0: all that follows |
//!
//! Extensions never make a packet invalid: a decoder may leave them unread. So what is wrong with
//! them is a fault beside those that were sound, with its offset.

use std::fmt;
use std::ops::Range;

use super::PacketInfo;

/// The ID of deep redundancy (draft-ietf-mlcodec-opus-dred).
pub const DRED_ID: u8 = 126;

/// As many extensions as are listed: each ID once for each frame. Repeats could name millions.
pub const MAX_EXTENSIONS: usize = 125 * super::MAX_FRAMES;

/// One extension; its payload is a range of the packet's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// What it is: 3 to 127.
    pub id: u8,
    /// The frame to which it belongs, counted from 0.
    pub frame: usize,
    /// Where its content lies.
    pub payload: Range<usize>,
}

/// What can be wrong with extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The payload goes on beyond the padding.
    Cut,
    /// It belongs to a frame that the packet does not have.
    Frame,
    /// More than [`MAX_EXTENSIONS`].
    TooMany,
}

/// Where extensions can no longer be read, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtensionError {
    /// What is wrong.
    pub fault: Fault,
    /// The packet's byte with the ID of the extension (or separator, or repeat).
    pub offset: usize,
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            Fault::Cut => "goes on beyond the padding",
            Fault::Frame => "is for a frame that the packet does not have",
            Fault::TooMany => "is one too many: 6000 are read",
        };
        write!(f, "the extension at byte {} {what}", self.offset)
    }
}

impl std::error::Error for ExtensionError {}

/// The extensions of a packet that was taken apart, in the order of the bytes; those before a fault,
/// and the fault.
pub fn list(packet: &[u8], info: &PacketInfo) -> (Vec<Extension>, Option<ExtensionError>) {
    let mut walk = Walk {
        bytes: &packet[..info.padding.end],
        at: info.padding.start,
        frames: info.frames.len(),
        found: Vec::new(),
    };
    let fault = walk.all().err();
    (walk.found, fault)
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    frames: usize,
    found: Vec<Extension>,
}

/// The extensions that a repeat repeats.
struct Segment {
    start: usize,
    /// Where the last long one among them ends.
    last_long: Option<usize>,
    /// How many bytes the payloads of the short ones after it take.
    short_bytes: usize,
}

impl Segment {
    fn from(start: usize) -> Self {
        Self {
            start,
            last_long: None,
            short_bytes: 0,
        }
    }
}

impl Walk<'_> {
    fn all(&mut self) -> Result<(), ExtensionError> {
        let (mut frame, mut segment) = (0, Segment::from(self.at));
        while let Some(&first) = self.bytes.get(self.at) {
            let (offset, long_flag) = (self.at, first & 1);
            self.at += 1;
            let payload = self.payload(first, 0, offset)?;
            match first >> 1 {
                0 => {}
                1 => {
                    let further = if long_flag == 0 {
                        1
                    } else {
                        usize::from(self.bytes[payload.start])
                    };
                    if further == 0 {
                        continue;
                    }
                    frame += further;
                    if frame >= self.frames {
                        return Err(error(Fault::Frame, offset));
                    }
                    segment = Segment::from(self.at);
                }
                2 => {
                    self.repeat(&segment, frame, long_flag == 0, offset)?;
                    segment = Segment::from(self.at);
                    if long_flag == 0 {
                        frame += 1;
                        if frame >= self.frames {
                            // Nothing belongs to what follows: it is padding.
                            return Ok(());
                        }
                    }
                }
                id => {
                    if id >= 32 {
                        segment.last_long = Some(self.at);
                        segment.short_bytes = 0;
                    } else {
                        segment.short_bytes += payload.len();
                    }
                    self.found(id, frame, payload, offset)?;
                }
            }
        }
        Ok(())
    }

    /// The payload of the extension whose first byte is `first`, from here on; goes behind it. A
    /// long one without a length leaves `reserved` bytes at the end.
    fn payload(
        &mut self,
        first: u8,
        reserved: usize,
        offset: usize,
    ) -> Result<Range<usize>, ExtensionError> {
        let cut = error(Fault::Cut, offset);
        let length = match (first >> 1, first & 1) {
            (0, 1) | (2, _) => 0,
            (1..=31, bytes) => usize::from(bytes),
            (_, 0) => (self.bytes.len() - self.at)
                .checked_sub(reserved)
                .ok_or(cut)?,
            _ => {
                let mut length = 0;
                loop {
                    let byte = *self.bytes.get(self.at).ok_or(cut)?;
                    self.at += 1;
                    length += usize::from(byte);
                    if byte != 255 {
                        break length;
                    }
                }
            }
        };
        if length > self.bytes.len() - self.at {
            return Err(cut);
        }
        self.at += length;
        Ok(self.at - length..self.at)
    }

    /// Reads the payloads that a repeat at `offset` brings for each frame after `frame`.
    fn repeat(
        &mut self,
        segment: &Segment,
        frame: usize,
        to_the_end: bool,
        offset: usize,
    ) -> Result<(), ExtensionError> {
        let mut source = Walk {
            bytes: &self.bytes[..offset],
            at: segment.start,
            frames: self.frames,
            found: Vec::new(),
        };
        for frame in frame + 1..self.frames {
            source.at = segment.start;
            while let Some(&first) = source.bytes.get(source.at) {
                let from = source.at;
                source.at += 1;
                source.payload(first, 0, from)?;
                if first >> 1 < 3 {
                    // Padding and separators of no effect are not repeated.
                    continue;
                }
                // The last long one of the last frame needs no length when nothing else follows.
                let unmeasured =
                    to_the_end && frame + 1 == self.frames && segment.last_long == Some(source.at);
                let first = if unmeasured { first & !1 } else { first };
                let payload = self.payload(first, segment.short_bytes, offset)?;
                self.found(first >> 1, frame, payload, offset)?;
            }
        }
        Ok(())
    }

    fn found(
        &mut self,
        id: u8,
        frame: usize,
        payload: Range<usize>,
        offset: usize,
    ) -> Result<(), ExtensionError> {
        if self.found.len() == MAX_EXTENSIONS {
            return Err(error(Fault::TooMany, offset));
        }
        self.found.push(Extension { id, frame, payload });
        Ok(())
    }
}

/// An extension that is to be written: ID, frame, content.
pub(super) type Part<'a> = (u8, usize, &'a [u8]);

/// Padding that holds these extensions and nothing else; empty for none.
pub(super) fn write(mut parts: Vec<Part<'_>>) -> Vec<u8> {
    // Stable: of one frame's the order is kept.
    parts.sort_by_key(|&(_, frame, _)| frame);
    let mut out = Vec::new();
    let mut at_frame = 0;
    for (i, &(id, frame, payload)) in parts.iter().enumerate() {
        match frame - at_frame {
            0 => {}
            1 => out.push(1 << 1),
            further => out.extend([1 << 1 | 1, further as u8]),
        }
        at_frame = frame;
        if id < 32 {
            out.push(id << 1 | payload.len() as u8);
        } else if i + 1 == parts.len() {
            // The last one's length is what is left.
            out.push(id << 1);
        } else {
            out.push(id << 1 | 1);
            out.resize(out.len() + payload.len() / 255, 255);
            out.push((payload.len() % 255) as u8);
        }
        out.extend_from_slice(payload);
    }
    out
}

const fn error(fault: Fault, offset: usize) -> ExtensionError {
    ExtensionError { fault, offset }
}
