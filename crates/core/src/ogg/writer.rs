//! Opus packets with their media time in, Ogg pages out (RFC 7845).
//!
//! Pages are complete at the latest when they hold a second of audio (or what was asked for), so that
//! a recorder that is killed leaves a file that plays up to then. One packet is always held back: the last page must
//! hold a packet, and only [`Writer::finish`] knows that it is the last. Missing audio becomes
//! packets that ask for concealment (§4.1; see `filler`), which exist in steps of 2.5 ms. What is left
//! of a gap below that is carried on: the packets after it lie up to 119 samples too early in the
//! file, until a later gap takes it up. A granule position that jumps would be exact, but §4.1 forbids
//! it, and players do not honour it.

use std::fmt;

use super::filler::{self, UNIT_SAMPLES};
use super::opus::{Head, HeaderError, Tags};
use super::paginate::Pages;
use super::timeline::MAX_GRANULE;
use crate::packet::{MAX_PACKET_BYTES, PacketError, Toc, duration_samples};

/// A page is complete when the audio not yet given out would exceed this: 1 s of 48 kHz samples.
pub const PAGE_SAMPLES: i64 = 48_000;

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

/// Where a stream that was cut goes on: see [`Writer::resume`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// The stream's serial number.
    pub serial: u32,
    /// The number of the next page.
    pub sequence: u32,
    /// Granule position of media time 0.
    pub start_granule: i64,
    /// Media time at which the last page ends.
    pub next_samples: i64,
    /// How the last packet began, for what fills a gap after it.
    pub last_toc: Option<Toc>,
}

/// Writes one logical stream; the same calls give the same bytes.
#[derive(Debug)]
pub struct Writer {
    streams: u8,
    channels: u8,
    pre_skip_samples: i64,
    pages: Pages,
    /// The last packet, its end, and nothing given out of it.
    held: Option<(Vec<u8>, i64)>,
    /// Media time after the held packet.
    next: i64,
    /// Granule position of media time 0 (§4.5).
    start_granule: i64,
    page_samples: i64,
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
        let mut writer = Self::bare(serial, head);
        let mut out = Vec::new();
        // §3: each header begins a page, and audio begins another.
        writer.pages.lace(&head.build(), 0, &mut out);
        writer.pages.flush(false, &mut out);
        writer.pages.lace(&tags.build(), 0, &mut out);
        writer.pages.flush(false, &mut out);
        Ok((writer, out))
    }

    /// A writer that goes on after the last page of a stream that was cut.
    ///
    /// # Errors
    /// `head` contradicts itself.
    pub fn resume(head: &Head, at: &Resume) -> Result<Self, HeaderError> {
        head.check()?;
        let mut writer = Self::bare(at.serial, head);
        writer.start_granule = at.start_granule;
        writer.next = at.next_samples;
        writer.last_toc = at.last_toc;
        writer.pages.sequence = at.sequence;
        writer.pages.flushed_granule = at.start_granule.saturating_add(at.next_samples);
        Ok(writer)
    }

    /// The same with media time 0 at this granule position (§4.5); for a stream without audio yet.
    #[must_use]
    pub fn starting_at(mut self, granule: i64) -> Self {
        self.start_granule = granule.clamp(0, MAX_GRANULE);
        self
    }

    /// The same with pages of at most so many 48 kHz samples, or one packet.
    #[must_use]
    pub fn with_pages_of(mut self, page_samples: i64) -> Self {
        self.page_samples = page_samples;
        self
    }

    fn bare(serial: u32, head: &Head) -> Self {
        Self {
            streams: head.streams,
            channels: head.channels,
            pre_skip_samples: i64::from(head.pre_skip_samples),
            pages: Pages::new(serial),
            held: None,
            next: 0,
            start_granule: 0,
            page_samples: PAGE_SAMPLES,
            lag: 0,
            last_toc: None,
            finished: false,
        }
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
            self.lace(&packet, granule, out);
        }
        self.pages.granule = end + self.start_granule;
        self.pages.flush(true, out);
        self.finished = true;
        Ok(())
    }

    /// Where the last page will begin, with the held packet on it.
    fn earliest_end(&self) -> i64 {
        match &self.held {
            Some((packet, stop)) if !self.pages.has_room(packet) => {
                // Its own page, after the one that is full.
                stop - duration_samples(packet).map_or(0, i64::from)
            }
            _ => self.flushed_samples(),
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
        if let Some((held, stop)) = self.held.replace((packet, self.next)) {
            self.lace(&held, stop, out);
            if self.next - self.flushed_samples() >= self.page_samples {
                self.pages.flush(false, out);
            }
        }
    }

    fn lace(&mut self, packet: &[u8], stop: i64, out: &mut Vec<u8>) {
        self.pages.lace(packet, stop + self.start_granule, out);
    }

    /// Media time up to which pages are given out.
    fn flushed_samples(&self) -> i64 {
        (self.pages.flushed_granule - self.start_granule).max(0)
    }
}
