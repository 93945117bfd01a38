//! Opus packets with their media time in, Ogg pages out (RFC 7845).
//!
//! Pages are complete at the latest when they hold a second of audio, so that a recorder that is
//! killed leaves a file that plays up to then. One packet is always held back: the last page must
//! hold a packet, and only [`Writer::finish`] knows that it is the last. Missing audio becomes
//! packets that ask for concealment (§4.1; see `filler`), which exist in steps of 2.5 ms. What is left
//! of a gap below that is carried on: the packets after it lie up to 119 samples too early in the
//! file, until a later gap takes it up. A granule position that jumps would be exact, but §4.1 forbids
//! it, and players do not honour it.

use std::fmt;

use super::filler::{self, UNIT_SAMPLES};
use super::opus::{Head, HeaderError, Tags};
use super::page::{MAX_SEGMENTS, NO_GRANULE, PageHeader, write_page};
use crate::packet::{MAX_PACKET_BYTES, PacketError, Toc, duration_samples};

/// A page is complete when the audio not yet given out would exceed this: 1 s of 48 kHz samples.
const PAGE_SAMPLES: i64 = 48_000;

/// The longest gap that is filled, in 48 kHz samples: a day, some 5 MB of file.
pub const MAX_GAP_SAMPLES: i64 = 24 * 3600 * 48_000;

/// Why a packet or an end was not taken; the writer is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteError {
    /// Its duration cannot be told.
    InvalidPacket(PacketError),
    /// It is longer than any that Opus needs: bytes, and the limit.
    OversizePacket(usize, usize),
    /// It begins before the one before it ends: its time, and the earliest.
    OutOfOrder(i64, i64),
    /// It begins too long after the one before it: the gap in samples.
    GapTooLong(i64),
    /// The end lies before pages that are written: the end, and the earliest.
    EndTooEarly(i64, i64),
    /// The stream has been finished.
    Finished,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::InvalidPacket(error) => error.fmt(f),
            Self::OversizePacket(bytes, limit) => write!(
                f,
                "the packet has {bytes} bytes; at most {limit} are needed without padding"
            ),
            Self::OutOfOrder(time, earliest) => write!(
                f,
                "the packet begins at sample {time}, before the end of the one before it; expected \
                 {earliest} or later: sort packets by time and leave out duplicates"
            ),
            Self::GapTooLong(gap) => write!(
                f,
                "{gap} samples are missing; at most {MAX_GAP_SAMPLES} (a day) are filled: count \
                 time from the recording's start, or begin a new file"
            ),
            Self::EndTooEarly(end, earliest) => write!(
                f,
                "the end at sample {end} lies in audio that is written; expected {earliest} or later"
            ),
            Self::Finished => f.write_str("the stream is finished; begin a new file"),
        }
    }
}

impl std::error::Error for WriteError {}

/// Writes one logical stream; the same calls give the same bytes.
#[derive(Debug)]
pub struct Writer {
    streams: u8,
    channels: u8,
    pre_skip_samples: i64,
    pages: Pages,
    /// The last packet, its end, and nothing given out of it.
    held: Option<(Vec<u8>, i64)>,
    /// Granule position after the held packet.
    next: i64,
    /// How much earlier packets lie in the file than they were said to: 0 to 119 samples.
    lag: i64,
    last_toc: Option<Toc>,
    finished: bool,
}

impl Writer {
    /// A stream that begins with these headers, and its first pages.
    ///
    /// # Errors
    /// `head` contradicts itself.
    pub fn new(serial: u32, head: &Head, tags: &Tags) -> Result<(Self, Vec<u8>), HeaderError> {
        head.check()?;
        let mut out = Vec::new();
        let mut pages = Pages::new(serial);
        // §3: each header begins a page, and audio begins another.
        pages.lace(&head.build(), 0, &mut out);
        pages.flush(false, &mut out);
        pages.lace(&tags.build(), 0, &mut out);
        pages.flush(false, &mut out);
        let writer = Self {
            streams: head.streams,
            channels: head.channels,
            pre_skip_samples: i64::from(head.pre_skip_samples),
            pages,
            held: None,
            next: 0,
            lag: 0,
            last_toc: None,
            finished: false,
        };
        Ok((writer, out))
    }

    /// Add a packet whose first sample is at media time `time_samples`, pre-skip included; what is
    /// missing before it is filled. Pages that are complete are appended to `out`.
    ///
    /// # Errors
    /// Any [`WriteError`] but `EndTooEarly`.
    pub fn write(
        &mut self,
        packet: &[u8],
        time_samples: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), WriteError> {
        if self.finished {
            return Err(WriteError::Finished);
        }
        let duration = duration_samples(packet).map_err(WriteError::InvalidPacket)?;
        let limit = MAX_PACKET_BYTES * usize::from(self.streams);
        if packet.len() > limit {
            return Err(WriteError::OversizePacket(packet.len(), limit));
        }
        let earliest = self.next + self.lag;
        if time_samples < earliest {
            return Err(WriteError::OutOfOrder(time_samples, earliest));
        }
        let gap = time_samples - self.next;
        if gap > MAX_GAP_SAMPLES {
            return Err(WriteError::GapTooLong(gap));
        }
        let toc = Toc(packet[0]);
        self.lag = self.fill(gap, self.last_toc.unwrap_or(toc), out);
        self.push(packet.to_vec(), i64::from(duration), out);
        self.last_toc = Some(toc);
        Ok(())
    }

    /// End the stream at media time `end_samples`: what is missing is filled, what is beyond is
    /// trimmed (§4.4). An end before the pre-skip becomes the pre-skip, for §4.3 wants that.
    ///
    /// # Errors
    /// `EndTooEarly`, `GapTooLong`, `Finished`.
    pub fn finish(&mut self, end_samples: i64, out: &mut Vec<u8>) -> Result<(), WriteError> {
        if self.finished {
            return Err(WriteError::Finished);
        }
        let earliest = self.earliest_end();
        if end_samples < earliest + self.lag {
            return Err(WriteError::EndTooEarly(end_samples, earliest + self.lag));
        }
        let end = (end_samples - self.lag).max(self.pre_skip_samples);
        // Players refuse a stream without any packet, so an empty recording has one that is trimmed.
        let least = if self.held.is_none() { UNIT_SAMPLES } else { 0 };
        let gap = (end - self.next).max(least);
        if gap > MAX_GAP_SAMPLES {
            return Err(WriteError::GapTooLong(gap));
        }
        if gap > 0 {
            let stereo = if self.channels == 2 { 4 } else { 0 };
            let like = self.last_toc.unwrap_or(Toc(31 << 3 | stereo));
            let whole = (gap as u64).next_multiple_of(UNIT_SAMPLES as u64) as i64;
            self.fill(whole, like, out);
        }
        if let Some((packet, granule)) = self.held.take() {
            self.pages.lace(&packet, granule, out);
        }
        self.pages.granule = end;
        self.pages.flush(true, out);
        self.finished = true;
        Ok(())
    }

    /// Where the last page will begin, with the held packet on it.
    fn earliest_end(&self) -> i64 {
        match &self.held {
            Some((packet, granule)) if !self.pages.has_room(packet) => {
                // Its own page, after the one that is full.
                granule - duration_samples(packet).map_or(0, i64::from)
            }
            _ => self.pages.flushed_granule,
        }
    }

    /// Fill whole units of a gap; what is left over is returned.
    fn fill(&mut self, mut gap: i64, like: Toc, out: &mut Vec<u8>) -> i64 {
        while gap >= UNIT_SAMPLES {
            let (packet, duration) = filler::filler(like, gap, self.streams);
            self.push(packet, i64::from(duration), out);
            gap -= i64::from(duration);
        }
        gap
    }

    fn push(&mut self, packet: Vec<u8>, duration: i64, out: &mut Vec<u8>) {
        self.next += duration;
        if let Some((held, granule)) = self.held.replace((packet, self.next)) {
            self.pages.lace(&held, granule, out);
            if self.next - self.pages.flushed_granule >= PAGE_SAMPLES {
                self.pages.flush(false, out);
            }
        }
    }
}

/// The page that is being filled.
#[derive(Debug)]
struct Pages {
    serial: u32,
    sequence: u32,
    lacing: Vec<u8>,
    body: Vec<u8>,
    continued: bool,
    granule: i64,
    flushed_granule: i64,
}

impl Pages {
    fn new(serial: u32) -> Self {
        Self {
            serial,
            sequence: 0,
            lacing: Vec::with_capacity(MAX_SEGMENTS),
            body: Vec::new(),
            continued: false,
            granule: NO_GRANULE,
            flushed_granule: 0,
        }
    }

    fn has_room(&self, packet: &[u8]) -> bool {
        self.lacing.is_empty() || self.lacing.len() + packet.len() / 255 < MAX_SEGMENTS
    }

    /// Add a packet. It begins a new page rather than span two, so that damage to one page costs no
    /// packet of another; only one that no page can hold spans pages.
    fn lace(&mut self, packet: &[u8], granule: i64, out: &mut Vec<u8>) {
        if !self.has_room(packet) {
            self.flush(false, out);
        }
        // A last value below 255 ends the packet, 0 if need be (RFC 3533 §5).
        for at in (0..=packet.len()).step_by(255) {
            if self.lacing.len() == MAX_SEGMENTS {
                self.flush(false, out);
                self.continued = true;
            }
            let piece = &packet[at..packet.len().min(at + 255)];
            self.lacing.push(piece.len() as u8);
            self.body.extend_from_slice(piece);
        }
        self.granule = granule;
    }

    fn flush(&mut self, last: bool, out: &mut Vec<u8>) {
        if self.lacing.is_empty() && !last {
            return;
        }
        let header = PageHeader {
            continued: self.continued,
            first: self.sequence == 0,
            last,
            granule: self.granule,
            serial: self.serial,
            sequence: self.sequence,
        };
        write_page(out, &header, &self.lacing, &self.body);
        self.sequence = self.sequence.wrapping_add(1);
        self.flushed_granule = self.flushed_granule.max(self.granule);
        self.granule = NO_GRANULE;
        self.continued = false;
        self.lacing.clear();
        self.body.clear();
    }
}
