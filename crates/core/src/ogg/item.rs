//! What the reader gives, where it puts it, and why it stops.

use std::fmt;

use super::opus::{Head, HeaderError, Tags};

/// What is in the file, in order. All of it but `Skipped` belongs to the link that began last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An Opus stream begins: the first of the file, or the next one chained to it.
    Link {
        /// Its serial number.
        serial: u32,
        /// Where the first page begins of the streams beside it and its own, in bytes from the first
        /// that was fed.
        offset_bytes: u64,
    },
    /// Its first header, once.
    Head(Head),
    /// Its second header, once.
    Tags(Tags),
    /// Its first audio, once, unless it has none that is placed in time.
    Start {
        /// Granule position of media time 0 (RFC 7845 §4.5); below 0 where the file breaks §4.5.
        granule: i64,
        /// Where the page begins that told it, in bytes from the first that was fed.
        offset_bytes: u64,
    },
    /// An Opus packet.
    Packet {
        /// Its bytes.
        data: Vec<u8>,
        /// Media time of its first sample: 48 kHz samples from the link's start, with pre-skip.
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
    /// Something was passed over, or is wrong.
    Skipped {
        /// How many bytes; 0 where something is missing, or a number was wrong and not the bytes.
        bytes: u64,
        /// Why.
        reason: SkipReason,
    },
    /// The end of the link, once.
    End {
        /// Media time at which the audio ends, end trim done (§4.4).
        end_samples: i64,
        /// Granule position of media time 0 (§4.5).
        start_granule: i64,
        /// Whether no page was marked as the last: the link was cut, or is not finished.
        truncated: bool,
    },
}

/// Takes what the reader gives. A `Vec<Item>` is one.
pub trait Sink {
    /// An Opus packet: see [`Item::Packet`].
    fn packet(&mut self, data: &[u8], time_samples: i64, duration_samples: u32);
    /// Anything else.
    fn item(&mut self, item: Item);
}

impl Sink for Vec<Item> {
    fn packet(&mut self, data: &[u8], time_samples: i64, duration_samples: u32) {
        self.push(Item::Packet {
            data: data.to_vec(),
            time_samples,
            duration_samples,
        });
    }

    fn item(&mut self, item: Item) {
        self.push(item);
    }
}

pub(super) fn skip(out: &mut impl Sink, bytes: u64, reason: SkipReason) {
    out.item(Item::Skipped { bytes, reason });
}

/// What was passed over, or is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// Bytes that are no sound page: damage, or something else in the file.
    Damage,
    /// A page of another logical stream.
    OtherStream,
    /// A page of a stream whose first page is not there, or no sound header.
    LostHead,
    /// A page that was there already, or comes after the last one.
    StrayPage,
    /// Page numbers leave some out; what audio that cost follows as a gap.
    MissingPages,
    /// A piece of a packet whose other pieces are missing.
    PartialPacket,
    /// A packet longer than any that Opus needs.
    OversizePacket,
    /// A packet whose duration cannot be told (RFC 6716 §3.4).
    InvalidPacket,
    /// The comments: lost, not what RFC 7845 §5.2 says, or longer than 16 MiB.
    Tags,
    /// A granule position that no packets lead up to, though no page is missing; a gap
    /// follows, unless it would take media time beyond what can be counted.
    GranuleAhead,
    /// A granule position behind the packets' own durations; the packets were believed.
    GranuleBehind,
    /// A first granule position below what §4.5 allows; the packets were believed.
    BadStart,
}

impl SkipReason {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::OtherStream => "other_stream",
            Self::LostHead => "lost_head",
            Self::StrayPage => "stray_page",
            Self::MissingPages => "missing_pages",
            Self::PartialPacket => "partial_packet",
            Self::OversizePacket => "oversize_packet",
            Self::InvalidPacket => "invalid_packet",
            Self::Tags => "tags",
            Self::GranuleAhead => "granule_ahead",
            Self::GranuleBehind => "granule_behind",
            Self::BadStart => "bad_start",
        }
    }
}

/// Why a file cannot be read, or not on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OggError {
    /// No bytes at all.
    Empty,
    /// No Ogg page in the first megabyte, or in a shorter file.
    NotOgg,
    /// Ogg, but none of its streams begins with OpusHead; what they begin with.
    NoOpus(String),
    /// No Opus stream has the serial number that was asked for.
    NoSuchStream(u32),
    /// The bytes end before the first link's headers do.
    HeadersCut,
    /// The first link's header is wrong, or a header is of a kind that is not read here.
    Header(HeaderError),
    /// Two Opus streams run side by side: their serial numbers.
    Multiplexed(u32, u32),
}

impl fmt::Display for OggError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the file is empty; expected an Ogg Opus stream"),
            Self::NotOgg => f.write_str("no Ogg page found; this is not an Ogg file"),
            Self::NoOpus(what) => write!(f, "Ogg, but no Opus stream begins in it: {what}"),
            Self::NoSuchStream(serial) => write!(
                f,
                "no Opus stream with the serial number {serial} begins in the file; list its \
                 streams and choose one"
            ),
            Self::HeadersCut => f.write_str("the file ends inside the Ogg Opus headers"),
            Self::Header(error) => error.fmt(f),
            Self::Multiplexed(first, second) => write!(
                f,
                "a second Opus stream runs beside the first; choose one by its serial number: \
                 {first} or {second}"
            ),
        }
    }
}

impl std::error::Error for OggError {}
