//! Packets in, pages out (RFC 3533 §5); what granule positions mean is for the caller to know.

use super::page::{MAX_SEGMENTS, NO_GRANULE, PageHeader, write_page};

/// The page that is being filled.
#[derive(Debug)]
pub(super) struct Pages {
    serial: u32,
    pub(super) sequence: u32,
    lacing: Vec<u8>,
    body: Vec<u8>,
    continued: bool,
    pub(super) granule: i64,
    pub(super) flushed_granule: i64,
}

impl Pages {
    pub(super) fn new(serial: u32) -> Self {
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

    pub(super) fn has_room(&self, packet: &[u8]) -> bool {
        self.lacing.is_empty() || self.lacing.len() + packet.len() / 255 < MAX_SEGMENTS
    }

    /// Add a packet. It begins a new page rather than span two, so that damage to one page costs no
    /// packet of another; only one that no page can hold spans pages.
    pub(super) fn lace(&mut self, packet: &[u8], granule: i64, out: &mut Vec<u8>) {
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

    pub(super) fn flush(&mut self, last: bool, out: &mut Vec<u8>) {
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
