//! One logical Opus stream: its headers, then its audio (RFC 7845 §3).

use super::assemble::{Assembler, Batch};
use super::item::{Item, Sink, SkipReason, skip};
use super::opus::{Head, HeaderError, TAGS_MAGIC, Tags};
use super::page::Page;
use super::timeline::Timeline;
use crate::packet::MAX_PACKET_BYTES;

/// Longer comments are passed over.
pub const MAX_TAGS_BYTES: usize = 16 << 20;
/// A page number that is further ahead than this is behind (they wrap).
const FAR: u32 = u32::MAX / 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Tags,
    Audio,
    Ended,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) serial: u32,
    pub(super) stage: Stage,
    next_sequence: u32,
    packet_limit_bytes: usize,
    assembler: Assembler,
    batch: Batch,
    timeline: Timeline,
    /// A page is missing between OpusHead and the end of the comments.
    headers_damaged: bool,
}

impl Link {
    /// The link that a page begins, and its first header.
    pub(super) fn begin(page: &Page<'_>) -> Result<(Self, Head), HeaderError> {
        let (packet, complete) = page.pieces().next().unwrap_or_default();
        if !complete || packet.len() != page.body.len() {
            // §3: the first header has a page of its own.
            let what = "OpusHead is not alone on its page".into();
            return Err(HeaderError::Malformed(what));
        }
        let head = Head::parse(packet)?;
        let link = Self {
            serial: page.header.serial,
            stage: Stage::Tags,
            next_sequence: page.header.sequence.wrapping_add(1),
            packet_limit_bytes: MAX_PACKET_BYTES * usize::from(head.streams),
            assembler: Assembler::default(),
            batch: Batch::default(),
            timeline: Timeline::new(head.streams, head.pre_skip_samples),
            headers_damaged: false,
        };
        Ok((link, head))
    }

    /// A link whose read goes on after a page of audio; `None` if that page does not tell where it is.
    pub(super) fn resume(head: &Head, page: &Page<'_>, start_granule: i64) -> Option<Self> {
        let mut link = Self {
            serial: page.header.serial,
            stage: Stage::Audio,
            next_sequence: page.header.sequence.wrapping_add(1),
            packet_limit_bytes: MAX_PACKET_BYTES * usize::from(head.streams),
            assembler: Assembler::default(),
            batch: Batch::default(),
            timeline: Timeline::new(head.streams, head.pre_skip_samples),
            headers_damaged: false,
        };
        let limit = link.packet_limit_bytes;
        let mut unheard: Vec<Item> = Vec::new();
        link.assembler
            .page(page, true, limit, &mut link.batch, &mut unheard);
        let granule = page.header.granule;
        let told = link.timeline.resume(&link.batch, granule, start_granule);
        (told && !page.header.last && !page.header.first).then_some(link)
    }

    /// Take in a page of this link that is not its first.
    pub(super) fn page(&mut self, page: &Page<'_>, offset_bytes: u64, out: &mut impl Sink) {
        let ahead = page.header.sequence.wrapping_sub(self.next_sequence);
        if self.is_stray(page, ahead) {
            skip(out, page.len_bytes() as u64, SkipReason::StrayPage);
            return;
        }
        // A number that went back tells nothing of how many pages are missing.
        let missing_pages = if ahead > FAR { 1 } else { ahead };
        self.next_sequence = page.header.sequence.wrapping_add(1);
        if missing_pages > 0 {
            skip(out, 0, SkipReason::MissingPages);
        }
        if self.stage == Stage::Tags && !self.tags_page(page, missing_pages > 0, offset_bytes, out)
        {
            return;
        }
        if self.stage == Stage::Audio {
            self.audio_page(page, missing_pages, offset_bytes, out);
        }
    }

    /// Whether a page has no place: repeated, or after the last.
    fn is_stray(&self, page: &Page<'_>, ahead: u32) -> bool {
        match self.stage {
            Stage::Audio => ahead > FAR && page.header.granule <= self.timeline.granule(),
            Stage::Tags => ahead > FAR,
            Stage::Ended => true,
        }
    }

    /// A page while the comments are awaited; true if it is already audio.
    fn tags_page(
        &mut self,
        page: &Page<'_>,
        hole: bool,
        offset_bytes: u64,
        out: &mut impl Sink,
    ) -> bool {
        self.headers_damaged |= hole;
        // §4: header pages have granule position 0. Where a page is missing, a higher one is audio:
        // the comments are lost, the audio need not be.
        let damaged = self.headers_damaged;
        let lost = damaged && page.header.granule > 0 && !page.body.starts_with(TAGS_MAGIC);
        self.batch.clear();
        let sound = lost
            || self
                .assembler
                .page(page, hole, MAX_TAGS_BYTES, &mut self.batch, out);
        let mut packets = self.batch.packets();
        let tags = match packets.next() {
            Some(packet) => Tags::parse(packet).ok().or_else(|| {
                skip(out, packet.len() as u64, SkipReason::Tags);
                None
            }),
            None if (damaged || sound) && !lost && !page.header.last => return false,
            None => {
                skip(out, 0, SkipReason::Tags);
                None
            }
        };
        for stray in packets {
            // §3: audio begins on a new page, so this has no time.
            skip(out, stray.len() as u64, SkipReason::StrayPage);
        }
        out.item(Item::Tags(tags.unwrap_or_default()));
        self.stage = Stage::Audio;
        if page.header.last && !lost {
            self.assembler.abandon(out);
            self.batch.clear();
            self.timeline
                .page(&self.batch, &page.header, offset_bytes, out);
            self.stage = Stage::Ended;
        }
        lost
    }

    fn audio_page(
        &mut self,
        page: &Page<'_>,
        missing_pages: u32,
        offset_bytes: u64,
        out: &mut impl Sink,
    ) {
        self.timeline.lose_pages(missing_pages.into());
        let limit = self.packet_limit_bytes;
        let mut sound = self
            .assembler
            .page(page, missing_pages > 0, limit, &mut self.batch, out);
        if page.header.last {
            sound &= self.assembler.abandon(out);
            self.stage = Stage::Ended;
        }
        if !sound {
            self.timeline.lose_packets();
        }
        self.timeline
            .page(&self.batch, &page.header, offset_bytes, out);
    }

    /// No page of this link will come any more.
    pub(super) fn cut(&mut self, out: &mut impl Sink) {
        if self.stage == Stage::Tags {
            skip(out, 0, SkipReason::Tags);
            out.item(Item::Tags(Tags::default()));
        }
        if self.stage != Stage::Ended {
            self.assembler.abandon(out);
            self.timeline.cut(out);
            self.stage = Stage::Ended;
        }
    }
}
