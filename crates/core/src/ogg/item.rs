//! What the reader gives, and why it stops.

use std::fmt;

use super::opus::{Head, HeaderError, Tags};

/// What is in the stream, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The first header, once.
    Head(Head),
    /// The second header, once.
    Tags(Tags),
    /// An Opus packet.
    Packet {
        /// Its bytes.
        data: Vec<u8>,
        /// Media time of its first sample: 48 kHz samples from the stream's start, with pre-skip.
        time_samples: i64,
        /// What it decodes to: 120 to 5760.
        duration_samples: u32,
    },
    /// Audio that is missing: pages are lost, or the stream says that packets were.
    Gap {
        /// Media time at which it begins.
        start_samples: i64,
        /// How long it is; positive.
        duration_samples: i64,
    },
    /// Bytes that were passed over.
    Skipped {
        /// How many; 0 where a number was wrong and not the bytes.
        bytes: u64,
        /// Why.
        reason: SkipReason,
    },
    /// The end of the stream, once.
    End {
        /// Media time at which the audio ends, end trim done (§4.4).
        end_samples: i64,
        /// Granule position of media time 0 (§4.3).
        start_granule: i64,
        /// Whether no page was marked as the last: the file was cut, or is not finished.
        truncated: bool,
    },
}

/// Why bytes were passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// They are no sound page: damage, or something else in the file.
    Damage,
    /// A page of another logical stream.
    OtherStream,
    /// A page that was there already, or comes after the last one.
    StrayPage,
    /// A piece of a packet whose other pieces are missing.
    PartialPacket,
    /// A packet longer than any that Opus needs.
    OversizePacket,
    /// A packet whose duration cannot be told (RFC 6716 §3.4).
    InvalidPacket,
    /// The comments, lost or longer than 16 MiB.
    Tags,
    /// A granule position behind the packets' own durations; the packets were believed.
    GranuleBehind,
}

/// Why a stream cannot be read, or not on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OggError {
    /// No bytes at all.
    Empty,
    /// No Ogg page in the first megabyte, or in a shorter file.
    NotOgg,
    /// Ogg, but none of its streams begins with OpusHead; what they begin with.
    NoOpus(String),
    /// The bytes end before the headers do.
    HeadersCut,
    /// A header is wrong, or not read here.
    Header(HeaderError),
    /// A second Opus stream begins: its serial number.
    SecondStream(u32),
    /// The first audio page's granule position is below what §4.3 allows.
    BadGranule {
        /// The granule position.
        granule: i64,
        /// The lowest that it may be.
        least: i64,
    },
}

impl fmt::Display for OggError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the file is empty; expected an Ogg Opus stream"),
            Self::NotOgg => f.write_str("no Ogg page found; this is not an Ogg file"),
            Self::NoOpus(what) => write!(f, "Ogg, but no Opus stream begins in it: {what}"),
            Self::HeadersCut => f.write_str("the file ends inside the Ogg Opus headers"),
            Self::Header(error) => error.fmt(f),
            Self::SecondStream(serial) => write!(
                f,
                "a second Opus stream begins (serial number {serial:#010x}); a file with one \
                 stream is read here: split it first"
            ),
            Self::BadGranule { granule, least } => write!(
                f,
                "the first audio page's granule position is {granule}; RFC 7845 section 4.3 \
                 allows {least} or more"
            ),
        }
    }
}

impl std::error::Error for OggError {}
