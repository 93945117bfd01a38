//! Pages of an Ogg stream (RFC 3533 §6): find them in any bytes, and build them.
//!
//! A page is 27 bytes of header, up to 255 lacing values and up to 65,025 bytes of body. A packet is
//! laced as values of 255 and a last one below 255, so a page tells where packets end, and its last
//! packet goes on in the next page when its last value is 255. A page whose checksum is wrong is not
//! trusted in anything, its length included: the search goes on one byte after its capture pattern.

use super::crc;

const CAPTURE: &[u8; 4] = b"OggS";
const HEADER_BYTES: usize = 27;
/// Most lacing values that a page has.
pub const MAX_SEGMENTS: usize = 255;
/// The longest page: header, 255 lacing values, 255 × 255 bytes of body.
pub const MAX_PAGE_BYTES: usize = HEADER_BYTES + MAX_SEGMENTS + MAX_SEGMENTS * 255;
/// The granule position of a page on which no packet ends.
pub const NO_GRANULE: i64 = -1;

/// What a page says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    /// Whether its first packet began on an earlier page.
    pub continued: bool,
    /// Whether it is the first of its logical stream.
    pub first: bool,
    /// Whether it is the last of its logical stream.
    pub last: bool,
    /// Position after the last packet that ends on it, or [`NO_GRANULE`].
    pub granule: i64,
    /// The logical stream that it belongs to.
    pub serial: u32,
    /// Its number in that stream, from 0, wrapping.
    pub sequence: u32,
}

/// A page whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<'a> {
    /// What it says of itself.
    pub header: PageHeader,
    /// 0 to 255 lacing values.
    pub lacing: &'a [u8],
    /// As many bytes as the lacing values add up to.
    pub body: &'a [u8],
}

impl<'a> Page<'a> {
    /// The pieces of packets on the page, and whether each ends here.
    pub fn pieces(&self) -> impl Iterator<Item = (&'a [u8], bool)> + use<'a> {
        let (mut lacing, mut body) = (self.lacing.iter(), self.body);
        std::iter::from_fn(move || {
            let mut value = *lacing.next()?;
            let mut bytes = usize::from(value);
            while value == 255 {
                match lacing.next() {
                    Some(&next) => value = next,
                    None => return Some((std::mem::take(&mut body), false)),
                }
                bytes += usize::from(value);
            }
            let (piece, rest) = body.split_at(bytes);
            body = rest;
            Some((piece, true))
        })
    }

    /// The page without the beginning of a packet that ends on a later one, and not marked as the
    /// last; `None` if no packet ends on it.
    pub fn with_whole_packets(&self) -> Option<Vec<u8>> {
        let segments = 1 + self.lacing.iter().rposition(|&value| value < 255)?;
        let lacing = &self.lacing[..segments];
        let bytes: usize = lacing.iter().map(|&value| usize::from(value)).sum();
        let header = PageHeader {
            last: false,
            ..self.header
        };
        let mut out = Vec::new();
        write_page(&mut out, &header, lacing, &self.body[..bytes]);
        Some(out)
    }

    /// The page's length in the file, in bytes.
    pub fn len_bytes(&self) -> usize {
        HEADER_BYTES + self.lacing.len() + self.body.len()
    }
}

/// Append a page to `out`. The lacing values must add up to the body.
pub fn write_page(out: &mut Vec<u8>, header: &PageHeader, lacing: &[u8], body: &[u8]) {
    debug_assert!(lacing.len() <= MAX_SEGMENTS);
    let start = out.len();
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.extend_from_slice(CAPTURE);
    out.push(0); // the version of the format
    out.push(flag(header.continued, 1) | flag(header.first, 2) | flag(header.last, 4));
    out.extend_from_slice(&header.granule.to_le_bytes());
    out.extend_from_slice(&header.serial.to_le_bytes());
    out.extend_from_slice(&header.sequence.to_le_bytes());
    out.extend_from_slice(&[0; 4]); // the checksum is taken with its own field as zeros
    out.push(lacing.len() as u8);
    out.extend_from_slice(lacing);
    out.extend_from_slice(body);
    let checksum = crc::update(0, &out[start..]);
    out[start + 22..start + 26].copy_from_slice(&checksum.to_le_bytes());
}

/// What [`PageScanner::next`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan<'a> {
    /// A sound page.
    Page(Page<'a>),
    /// So many bytes since the last page were not a sound page.
    Skipped(u64),
}

/// Finds pages in bytes that come in pieces of any size.
///
/// It holds at most one page and what was pushed last, so push bounded pieces.
#[derive(Debug, Default)]
pub struct PageScanner {
    buffer: Vec<u8>,
    at: usize,
    skipped: u64,
    finished: bool,
}

enum Look {
    /// A sound page of so many bytes is here.
    Sound(usize),
    /// So many bytes are not the start of a sound page.
    Bad(usize),
    /// What is here may become a page.
    Short,
}

impl PageScanner {
    /// Take in the next bytes.
    pub fn push(&mut self, data: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(data);
    }

    /// Nothing more will come: an unfinished page is searched for whole ones inside it.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Bytes since the last sound page that are known not to begin one, and not yet reported.
    pub fn skipped_bytes(&self) -> u64 {
        self.skipped
    }

    /// Whether a page has begun here, straight after the last one, and not ended.
    pub fn is_inside_page(&self) -> bool {
        self.skipped == 0 && self.buffer[self.at..].starts_with(CAPTURE)
    }

    /// The next page or stretch of damage; `None` when more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "an item borrows the scanner")]
    pub fn next(&mut self) -> Option<Scan<'_>> {
        let length = loop {
            let rest = &self.buffer[self.at..];
            match look(rest) {
                Look::Sound(length) => break length,
                Look::Short if !self.finished => return None,
                Look::Short if rest.is_empty() => {
                    return match std::mem::take(&mut self.skipped) {
                        0 => None,
                        bytes => Some(Scan::Skipped(bytes)),
                    };
                }
                Look::Short => self.skip(1),
                Look::Bad(bytes) => self.skip(bytes),
            }
        };
        if self.skipped > 0 {
            return Some(Scan::Skipped(std::mem::take(&mut self.skipped)));
        }
        let page = &self.buffer[self.at..self.at + length];
        self.at += length;
        Some(Scan::Page(read_page(page)))
    }

    fn skip(&mut self, bytes: usize) {
        self.skipped += bytes as u64;
        self.at += bytes;
    }
}

fn look(bytes: &[u8]) -> Look {
    if !bytes.starts_with(&CAPTURE[..bytes.len().min(4)]) {
        // A capture pattern may be cut by the end of the bytes, hence the prefix test.
        let could_start = |at: &usize| {
            let rest = &bytes[*at..];
            rest.starts_with(&CAPTURE[..rest.len().min(4)])
        };
        return Look::Bad((1..bytes.len()).find(could_start).unwrap_or(bytes.len()));
    }
    if bytes.len() < HEADER_BYTES {
        return Look::Short;
    }
    if bytes[4] != 0 {
        return Look::Bad(1);
    }
    let segments = usize::from(bytes[26]);
    let Some(lacing) = bytes.get(HEADER_BYTES..HEADER_BYTES + segments) else {
        return Look::Short;
    };
    let body: usize = lacing.iter().map(|&value| usize::from(value)).sum();
    let Some(page) = bytes.get(..HEADER_BYTES + segments + body) else {
        return Look::Short;
    };
    let mut checksum = crc::update(0, &page[..22]);
    checksum = crc::update(checksum, &[0; 4]);
    checksum = crc::update(checksum, &page[26..]);
    if checksum != u32::from_le_bytes([page[22], page[23], page[24], page[25]]) {
        return Look::Bad(1);
    }
    Look::Sound(page.len())
}

/// A page that [`look`] has found sound.
fn read_page(page: &[u8]) -> Page<'_> {
    let word = |at: usize| u32::from_le_bytes([page[at], page[at + 1], page[at + 2], page[at + 3]]);
    let (lacing, body) = page[HEADER_BYTES..].split_at(usize::from(page[26]));
    Page {
        header: PageHeader {
            continued: page[5] & 1 != 0,
            first: page[5] & 2 != 0,
            last: page[5] & 4 != 0,
            granule: (u64::from(word(10)) << 32 | u64::from(word(6))) as i64,
            serial: word(14),
            sequence: word(18),
        },
        lacing,
        body,
    }
}
