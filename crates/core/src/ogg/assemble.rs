//! Packets from the pieces that pages hold (RFC 3533 §5).

use super::item::{Sink, SkipReason, skip};
use super::page::Page;

/// The packets that end on one page, one behind the other; used again for the next page.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn packets(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(&0).chain(&self.ends);
        let ranges = begins.zip(&self.ends);
        ranges.map(|(&begin, &end)| &self.bytes[begin..end])
    }

    fn push(&mut self, first: &[u8], rest: &[u8]) {
        if !first.is_empty() {
            self.bytes.extend_from_slice(first);
        }
        self.bytes.extend_from_slice(rest);
        self.ends.push(self.bytes.len());
    }
}

/// Joins the pieces of one logical stream; holds at most one packet.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    partial: Vec<u8>,
    /// A packet has begun and not ended.
    open: bool,
    /// Bytes of the open packet that were let go because it grew too long.
    oversize_bytes: u64,
}

impl Assembler {
    /// Put the packets that end on `page` into `batch`; those over `limit_bytes` are skipped.
    ///
    /// `hole` says that a page before this one is missing. True if no piece was passed over.
    pub(super) fn page(
        &mut self,
        page: &Page<'_>,
        hole: bool,
        limit_bytes: usize,
        batch: &mut Batch,
        out: &mut impl Sink,
    ) -> bool {
        batch.clear();
        let mut sound = true;
        if hole || !page.header.continued {
            sound &= self.abandon(out);
        }
        // The rest of a packet whose beginning was on a page that is not there.
        let mut orphan = page.header.continued && !self.open;
        for (piece, complete) in page.pieces() {
            if orphan {
                skip(out, piece.len() as u64, SkipReason::PartialPacket);
                (orphan, sound) = (false, false);
                continue;
            }
            let bytes = self.partial.len() + piece.len();
            if bytes > limit_bytes || self.oversize_bytes > 0 {
                self.oversize_bytes += bytes as u64;
                self.partial.clear();
            } else if complete {
                batch.push(&self.partial, piece);
                self.partial.clear();
            } else {
                self.partial.extend_from_slice(piece);
            }
            self.open = !complete;
            if complete && self.oversize_bytes > 0 {
                sound &= self.abandon(out);
            }
        }
        sound
    }

    /// Give up the open packet, if there is one, and say so; false if there was.
    pub(super) fn abandon(&mut self, out: &mut impl Sink) -> bool {
        let sound = if self.oversize_bytes > 0 {
            skip(out, self.oversize_bytes, SkipReason::OversizePacket);
            false
        } else if self.open {
            let bytes = self.partial.len() as u64;
            skip(out, bytes, SkipReason::PartialPacket);
            false
        } else {
            true
        };
        self.partial.clear();
        (self.open, self.oversize_bytes) = (false, 0);
        sound
    }
}
