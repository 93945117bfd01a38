//! Ogg Opus bytes in, packets with their media time out (RFC 7845): a push parser without I/O.
//!
//! A file is a chain of groups (RFC 3533 §4): all streams of a group begin, with a page each, before
//! any of them goes on; a first page after that begins the next group, and with it the next link of
//! the chain. Of each group one Opus stream is read; the others are passed over and counted. Two Opus
//! streams in one group are an error unless one was chosen by its serial number, and a stream whose
//! first page is lost is counted by itself, so that nothing is merged or lost in silence.
//!
//! Packets come out when their page is complete. The same bytes give the same items however they are
//! cut into pieces.
//!
//! Memory: one page, one packet (61,298 bytes for each stream in it), or the comments (16 MiB).

use super::item::skip;
pub use super::item::{Item, OggError, Sink, SkipReason};
pub use super::link::MAX_TAGS_BYTES;
use super::link::{Link, Stage};
use super::opus::{HEAD_MAGIC, Head, HeaderError};
use super::page::{Page, PageScanner, Scan};

/// So much of a file may come before its first Ogg page.
const MAX_LEAD_BYTES: u64 = 1 << 20;
const CHUNK_BYTES: usize = 1 << 16;
/// Streams in a group whose serial numbers are kept; the pages of more count as without a head.
const MAX_GROUP: usize = 256;

/// The parser; see the module.
#[derive(Debug, Default)]
pub struct Reader {
    scanner: PageScanner,
    chain: Chain,
    any_bytes: bool,
    failed: Option<OggError>,
}

impl Reader {
    /// A reader of the one stream with this serial number.
    #[must_use]
    pub fn of_stream(serial: u32) -> Self {
        let mut reader = Self::default();
        reader.chain.wanted = Some(serial);
        reader
    }

    /// A reader that goes on after `page`, as one that has read everything before it would.
    ///
    /// `start_granule` is where the link starts, as [`Item::Start`] gave it. `None` if the page is not
    /// sound, or does not tell where it is: it needs a granule position, a packet that ends on it,
    /// and to be neither the first nor the last. Times are the same where no granule position before
    /// it was wrong ([`SkipReason::GranuleBehind`]).
    #[must_use]
    pub fn resume(head: &Head, page: &[u8], start_granule: i64) -> Option<Self> {
        let mut scanner = PageScanner::default();
        scanner.push(page);
        let Some(Scan::Page(page)) = scanner.next() else {
            return None;
        };
        let link = Link::resume(head, &page, start_granule)?;
        let mut reader = Self {
            any_bytes: true,
            ..Self::default()
        };
        reader.chain.wanted = None;
        reader.chain.links = 1;
        reader.chain.any_pages = true;
        reader.chain.group = Group {
            serials: vec![link.serial],
            begun: true,
            unknown: true,
        };
        reader.chain.link = Some(link);
        Some(reader)
    }

    /// Take in the next bytes, and give to `out` what they complete.
    ///
    /// # Errors
    /// The file cannot be read on. `out` has what came before; every later call fails the same.
    pub fn feed(&mut self, data: &[u8], out: &mut impl Sink) -> Result<(), OggError> {
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
    pub fn finish(&mut self, out: &mut impl Sink) -> Result<(), OggError> {
        self.check()?;
        let inside_page = self.scanner.is_inside_page();
        self.scanner.finish();
        self.drain(out)?;
        if !self.chain.any_pages && inside_page {
            return self.note(Err(OggError::HeadersCut));
        }
        let result = self.chain.finish(self.any_bytes, out);
        self.note(result)
    }

    fn check(&self) -> Result<(), OggError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn note(&mut self, result: Result<(), OggError>) -> Result<(), OggError> {
        self.failed = result.clone().err();
        result
    }

    fn drain(&mut self, out: &mut impl Sink) -> Result<(), OggError> {
        while let Some(scan) = self.scanner.next() {
            let result = match scan {
                Scan::Page(page) => self.chain.page(&page, out),
                Scan::Skipped(bytes) if self.chain.any_pages || bytes <= MAX_LEAD_BYTES => {
                    skip(out, bytes, SkipReason::Damage);
                    self.chain.offset_bytes += bytes;
                    self.chain.damaged = true;
                    Ok(())
                }
                Scan::Skipped(_) => Err(OggError::NotOgg),
            };
            self.note(result)?;
        }
        // The same limit while no page has come at all, so that a large file is not read whole.
        let lost = !self.chain.any_pages && self.scanner.skipped_bytes() > MAX_LEAD_BYTES;
        self.note(if lost { Err(OggError::NotOgg) } else { Ok(()) })
    }
}

/// The streams that run side by side.
#[derive(Debug, Default)]
struct Group {
    /// Those whose first page was seen.
    serials: Vec<u32>,
    /// One of them has gone on, so no more of them begin.
    begun: bool,
    /// It was entered in the middle, so there may be others.
    unknown: bool,
}

#[derive(Debug, Default)]
struct Chain {
    wanted: Option<u32>,
    group: Group,
    link: Option<Link>,
    head: Option<Head>,
    /// Links that began.
    links: u64,
    any_pages: bool,
    /// Something of the file is not there, and may have been the beginning of an Opus stream.
    damaged: bool,
    /// Where the next page or damage begins, from the first byte fed.
    offset_bytes: u64,
    /// Where the group begins.
    group_offset_bytes: u64,
    /// How the first stream that is not Opus begins, for the message when there is none.
    other: Option<String>,
}

impl Chain {
    fn page(&mut self, page: &Page<'_>, out: &mut impl Sink) -> Result<(), OggError> {
        self.any_pages = true;
        let (bytes, offset_bytes) = (page.len_bytes() as u64, self.offset_bytes);
        self.offset_bytes += bytes;
        if page.header.first {
            return self.first_page(page, offset_bytes, out);
        }
        let serial = page.header.serial;
        if let Some(link) = self.link.as_mut().filter(|link| link.serial == serial) {
            self.group.begun = true;
            link.page(page, offset_bytes, out);
            return Ok(());
        }
        if !self.group.serials.contains(&serial) && !self.group.unknown {
            skip(out, bytes, SkipReason::LostHead);
            self.damaged = true;
            return Ok(());
        }
        skip(out, bytes, SkipReason::OtherStream);
        self.group.begun = true;
        match (&self.other, self.links, self.wanted) {
            // The first group has no Opus stream: a long file of another kind is not read whole.
            (Some(other), 0, None) if !self.damaged => Err(OggError::NoOpus(other.clone())),
            _ => Ok(()),
        }
    }

    /// A page that says it is the first of its stream.
    fn first_page(
        &mut self,
        page: &Page<'_>,
        offset_bytes: u64,
        out: &mut impl Sink,
    ) -> Result<(), OggError> {
        let (bytes, serial) = (page.len_bytes() as u64, page.header.serial);
        let known = self.group.serials.contains(&serial);
        let ours = self.link.as_ref().is_some_and(|link| link.serial == serial);
        if known && !self.group.begun && (!ours || self.repeats_head(page)) {
            skip(out, bytes, SkipReason::StrayPage);
            return Ok(());
        }
        if self.group.begun || ours {
            if let Some(mut link) = self.link.take() {
                link.cut(out);
            }
            self.group = Group::default();
        }
        if self.group.serials.is_empty() {
            self.group_offset_bytes = offset_bytes;
        }
        if self.group.serials.len() < MAX_GROUP {
            self.group.serials.push(serial);
        }
        let is_opus = page.body.starts_with(HEAD_MAGIC);
        if !is_opus || self.wanted.is_some_and(|wanted| wanted != serial) {
            skip(out, bytes, SkipReason::OtherStream);
            let begin = page.body.get(..8).unwrap_or(page.body).escape_ascii();
            let other = format!("it holds a stream that begins with '{begin}'");
            self.other.get_or_insert(other);
            return Ok(());
        }
        if let Some(link) = &self.link {
            return Err(OggError::Multiplexed(link.serial, serial));
        }
        self.begin(page, out)
    }

    fn repeats_head(&self, page: &Page<'_>) -> bool {
        let head = Head::parse(page.body).ok();
        head.is_some() && head == self.head
    }

    fn begin(&mut self, page: &Page<'_>, out: &mut impl Sink) -> Result<(), OggError> {
        match Link::begin(page) {
            Ok((link, head)) => {
                self.links += 1;
                out.item(Item::Link {
                    serial: link.serial,
                    offset_bytes: self.group_offset_bytes,
                });
                out.item(Item::Head(head.clone()));
                (self.link, self.head) = (Some(link), Some(head));
                Ok(())
            }
            Err(HeaderError::Malformed(_)) if self.links > 0 => {
                // What was read so far, and what is chained after it, is worth having.
                self.group
                    .serials
                    .retain(|&serial| serial != page.header.serial);
                skip(out, page.len_bytes() as u64, SkipReason::LostHead);
                Ok(())
            }
            Err(error) => Err(OggError::Header(error)),
        }
    }

    fn finish(&mut self, any_bytes: bool, out: &mut impl Sink) -> Result<(), OggError> {
        if let Some(link) = &mut self.link {
            if self.links == 1 && link.stage == Stage::Tags {
                return Err(OggError::HeadersCut);
            }
            link.cut(out);
        }
        match (self.links, self.wanted) {
            (1.., _) => Ok(()),
            _ if !any_bytes => Err(OggError::Empty),
            _ if !self.any_pages => Err(OggError::NotOgg),
            (_, Some(serial)) => Err(OggError::NoSuchStream(serial)),
            _ => {
                let missing = "the file begins after its first page".into();
                Err(OggError::NoOpus(self.other.take().unwrap_or(missing)))
            }
        }
    }
}
