//! Ogg Opus bytes in, packets with their media time out (RFC 7845): a push parser without I/O.
//!
//! Pages go by their serial number: the first stream that begins with OpusHead is read, others are
//! passed over and counted. A second Opus stream, beside the first or chained after it, is an error,
//! so that nothing is merged or lost in silence. Packets come out when their page is complete. The
//! same bytes give the same items however they are cut into pieces.
//!
//! Memory: one page, one packet (61,298 bytes for each stream in it), or the comments (16 MiB).

use super::assemble::Assembler;
pub use super::item::{Item, OggError, SkipReason};
use super::opus::{HEAD_MAGIC, Head, HeaderError, TAGS_MAGIC, Tags};
use super::page::{Page, PageScanner, Scan};
use super::timeline::Timeline;
use crate::packet::MAX_PACKET_BYTES;

/// Longer comments are passed over.
pub const MAX_TAGS_BYTES: usize = 16 << 20;
/// So much of a file may come before its first Ogg page.
const MAX_LEAD_BYTES: u64 = 1 << 20;
const CHUNK_BYTES: usize = 1 << 16;
/// A page number that is further ahead than this is behind (they wrap).
const FAR: u32 = u32::MAX / 2;

/// The parser; see the module.
#[derive(Debug, Default)]
pub struct Reader {
    scanner: PageScanner,
    stream: Stream,
    any_bytes: bool,
    failed: Option<OggError>,
}

impl Reader {
    /// Take in the next bytes, and add to `out` what they complete.
    ///
    /// # Errors
    /// The stream cannot be read on. `out` has what came before; every later call fails the same.
    pub fn feed(&mut self, data: &[u8], out: &mut Vec<Item>) -> Result<(), OggError> {
        self.any_bytes |= !data.is_empty();
        for chunk in data.chunks(CHUNK_BYTES) {
            self.check()?;
            self.scanner.push(chunk);
            self.drain(out)?;
        }
        self.check()
    }

    /// Nothing more will come.
    ///
    /// # Errors
    /// As for [`Reader::feed`], or the headers were not complete.
    pub fn finish(&mut self, out: &mut Vec<Item>) -> Result<(), OggError> {
        self.check()?;
        if !self.stream.any_pages && self.scanner.is_inside_page() {
            return self.note(Err(OggError::HeadersCut));
        }
        self.scanner.finish();
        self.drain(out)?;
        let result = self.stream.finish(self.any_bytes, out);
        self.note(result)
    }

    fn check(&self) -> Result<(), OggError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn note(&mut self, result: Result<(), OggError>) -> Result<(), OggError> {
        self.failed = result.clone().err();
        result
    }

    fn drain(&mut self, out: &mut Vec<Item>) -> Result<(), OggError> {
        while let Some(scan) = self.scanner.next() {
            let result = match scan {
                Scan::Page(page) => self.stream.page(&page, out),
                Scan::Skipped(bytes) if self.stream.any_pages || bytes <= MAX_LEAD_BYTES => {
                    skip(out, bytes, SkipReason::Damage);
                    Ok(())
                }
                Scan::Skipped(_) => Err(OggError::NotOgg),
            };
            self.note(result)?;
        }
        // The same limit while no page has come at all, so that a large file is not read whole.
        let lost = !self.stream.any_pages && self.scanner.skipped_bytes() > MAX_LEAD_BYTES;
        self.note(if lost { Err(OggError::NotOgg) } else { Ok(()) })
    }
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Begin,
    Tags(Timeline),
    Audio(Timeline),
    Ended,
}

/// The one logical stream that is read.
#[derive(Debug, Default)]
struct Stream {
    stage: Stage,
    serial: u32,
    next_sequence: u32,
    packet_limit_bytes: usize,
    assembler: Assembler,
    any_pages: bool,
    /// A page is missing between OpusHead and the end of the comments.
    headers_damaged: bool,
    /// How the first other stream begins, for the message when there is no Opus.
    other: Option<String>,
}

impl Stream {
    fn page(&mut self, page: &Page<'_>, out: &mut Vec<Item>) -> Result<(), OggError> {
        self.any_pages = true;
        let begun = !matches!(self.stage, Stage::Begin);
        let ours = begun && page.header.serial == self.serial;
        if page.header.first && (ours || page.body.starts_with(HEAD_MAGIC)) {
            if begun {
                return Err(OggError::SecondStream(page.header.serial));
            }
            return self.begin(page, out);
        }
        if !ours {
            skip(out, page.len_bytes() as u64, SkipReason::OtherStream);
            return if begun { Ok(()) } else { self.other_page(page) };
        }
        let ahead = page.header.sequence.wrapping_sub(self.next_sequence);
        if self.is_stray(page, ahead) {
            skip(out, page.len_bytes() as u64, SkipReason::StrayPage);
            return Ok(());
        }
        // A number that went back tells nothing of how many pages are missing.
        let missing_pages = if ahead > FAR { 1 } else { ahead };
        self.next_sequence = page.header.sequence.wrapping_add(1);
        if matches!(self.stage, Stage::Tags(_)) && !self.tags_page(page, ahead > 0, out)? {
            return Ok(());
        }
        self.audio_page(page, missing_pages, out)
    }

    fn begin(&mut self, page: &Page<'_>, out: &mut Vec<Item>) -> Result<(), OggError> {
        let (packet, complete) = page.pieces().next().unwrap_or_default();
        if !complete || packet.len() != page.body.len() {
            // §3: the first header has a page of its own.
            let what = "OpusHead is not alone on its page".into();
            return Err(OggError::Header(HeaderError::Malformed(what)));
        }
        let head = Head::parse(packet).map_err(OggError::Header)?;
        self.serial = page.header.serial;
        self.next_sequence = page.header.sequence.wrapping_add(1);
        self.packet_limit_bytes = MAX_PACKET_BYTES * usize::from(head.streams);
        self.stage = Stage::Tags(Timeline::new(head.streams, head.pre_skip_samples));
        out.push(Item::Head(head));
        Ok(())
    }

    /// A page that is not Opus before any that is.
    fn other_page(&mut self, page: &Page<'_>) -> Result<(), OggError> {
        if !page.header.first {
            // RFC 3533 §4: all streams begin before any of them goes on.
            let missing = "the file begins after its first page".into();
            return Err(OggError::NoOpus(self.other.take().unwrap_or(missing)));
        }
        let begin = page.body.get(..8).unwrap_or(page.body).escape_ascii();
        let other = format!("it holds a stream that begins with '{begin}'");
        self.other.get_or_insert(other);
        Ok(())
    }

    /// Whether a page of ours has no place: repeated, or after the last.
    fn is_stray(&self, page: &Page<'_>, ahead: u32) -> bool {
        match &self.stage {
            Stage::Audio(timeline) => ahead > FAR && page.header.granule <= timeline.granule(),
            Stage::Tags(_) => ahead > FAR,
            Stage::Begin | Stage::Ended => true,
        }
    }

    /// A page while the comments are awaited; true if it is already audio.
    fn tags_page(
        &mut self,
        page: &Page<'_>,
        hole: bool,
        out: &mut Vec<Item>,
    ) -> Result<bool, OggError> {
        self.headers_damaged |= hole;
        // §4: header pages have granule position 0. Where a page is missing, a higher one is audio:
        // the comments are lost, the audio need not be.
        let damaged = self.headers_damaged;
        let lost = damaged && page.header.granule > 0 && !page.body.starts_with(TAGS_MAGIC);
        let mut packets = Vec::new();
        let items_before = out.len();
        if !lost {
            self.assembler
                .page(page, hole, MAX_TAGS_BYTES, &mut packets, out);
        }
        let unfinished = damaged || out.len() == items_before;
        let mut packets = packets.into_iter();
        let tags = match packets.next() {
            Some(packet) => Tags::parse(&packet).map_err(OggError::Header)?,
            None if unfinished && !lost && !page.header.last => return Ok(false),
            None => {
                skip(out, 0, SkipReason::Tags);
                Tags::default()
            }
        };
        for stray in packets {
            // §3: audio begins on a new page, so this has no time.
            skip(out, stray.len() as u64, SkipReason::StrayPage);
        }
        out.push(Item::Tags(tags));
        if let Stage::Tags(mut timeline) = std::mem::take(&mut self.stage) {
            self.stage = if page.header.last && !lost {
                self.assembler.abandon(out);
                timeline.page(Vec::new(), &page.header, out)?;
                Stage::Ended
            } else {
                Stage::Audio(timeline)
            };
        }
        Ok(lost)
    }

    fn audio_page(
        &mut self,
        page: &Page<'_>,
        missing_pages: u32,
        out: &mut Vec<Item>,
    ) -> Result<(), OggError> {
        let Stage::Audio(timeline) = &mut self.stage else {
            return Ok(());
        };
        timeline.lose_pages(u64::from(missing_pages));
        let mut packets = Vec::new();
        let limit = self.packet_limit_bytes;
        self.assembler
            .page(page, missing_pages > 0, limit, &mut packets, out);
        if page.header.last {
            self.assembler.abandon(out);
        }
        let result = timeline.page(packets, &page.header, out);
        if page.header.last {
            self.stage = Stage::Ended;
        }
        result
    }

    fn finish(&mut self, any_bytes: bool, out: &mut Vec<Item>) -> Result<(), OggError> {
        match std::mem::take(&mut self.stage) {
            Stage::Begin if !any_bytes => Err(OggError::Empty),
            Stage::Begin if !self.any_pages => Err(OggError::NotOgg),
            Stage::Begin => Err(OggError::NoOpus(
                self.other.take().unwrap_or("no stream begins".into()),
            )),
            Stage::Tags(_) => Err(OggError::HeadersCut),
            Stage::Audio(mut timeline) => {
                self.assembler.abandon(out);
                timeline.cut(out);
                self.stage = Stage::Ended;
                Ok(())
            }
            Stage::Ended => {
                self.stage = Stage::Ended;
                Ok(())
            }
        }
    }
}

fn skip(out: &mut Vec<Item>, bytes: u64, reason: SkipReason) {
    out.push(Item::Skipped { bytes, reason });
}
