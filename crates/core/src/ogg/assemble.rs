//! Packets from the pieces that pages hold (RFC 3533 §5).

use super::item::{Item, SkipReason};
use super::page::Page;

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
    /// Add the packets that end on `page` to `packets`; those over `limit_bytes` are skipped.
    ///
    /// `hole` says that a page before this one is missing.
    pub(super) fn page(
        &mut self,
        page: &Page<'_>,
        hole: bool,
        limit_bytes: usize,
        packets: &mut Vec<Vec<u8>>,
        out: &mut Vec<Item>,
    ) {
        if hole || !page.header.continued {
            self.abandon(out);
        }
        // The rest of a packet whose beginning was on a page that is not there.
        let mut orphan = page.header.continued && !self.open;
        for (piece, complete) in page.pieces() {
            if orphan {
                skip(out, piece.len() as u64, SkipReason::PartialPacket);
                orphan = false;
                continue;
            }
            self.open = true;
            if self.partial.len() + piece.len() > limit_bytes || self.oversize_bytes > 0 {
                self.oversize_bytes += (self.partial.len() + piece.len()) as u64;
                self.partial.clear();
            } else {
                self.partial.extend_from_slice(piece);
            }
            if complete && self.oversize_bytes == 0 {
                self.open = false;
                packets.push(std::mem::take(&mut self.partial));
            } else if complete {
                self.abandon(out);
            }
        }
    }

    /// Give up the open packet, if there is one, and say so.
    pub(super) fn abandon(&mut self, out: &mut Vec<Item>) {
        if self.oversize_bytes > 0 {
            skip(out, self.oversize_bytes, SkipReason::OversizePacket);
        } else if self.open {
            let bytes = self.partial.len() as u64;
            skip(out, bytes, SkipReason::PartialPacket);
        }
        *self = Self::default();
    }
}

fn skip(out: &mut Vec<Item>, bytes: u64, reason: SkipReason) {
    out.push(Item::Skipped { bytes, reason });
}
