//! Packets in media order, each once, within a bound (R1).

use std::collections::VecDeque;

use super::Incoming;

/// Emptied packets that are kept for the next ones: in the steady state nothing is allocated.
const MAX_SPARE: usize = 64;

/// Memory of packets longer than a datagram is not kept.
const MAX_SPARE_BYTES: usize = 1500;

/// A packet that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) sequence: i64,
    pub(super) duration: i64,
    pub(super) jump: bool,
    pub(super) arrival_us: i64,
    pub(super) data: Vec<u8>,
}

/// Waiting packets by media time.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Nearly all come in order, so that they are put last and taken first.
    packets: VecDeque<(i64, Waiting)>,
    bytes: usize,
    spare: Vec<Vec<u8>>,
}

impl Buffer {
    /// Keeps a copy of a packet; false when one of that media time is there already.
    pub(super) fn insert(&mut self, packet: &Incoming<'_>, duration: i64, arrival_us: i64) -> bool {
        let Err(place) = self
            .packets
            .binary_search_by_key(&packet.time, |(at, _)| *at)
        else {
            return false;
        };
        let mut data = self.spare.pop().unwrap_or_default();
        data.extend_from_slice(packet.data);
        self.bytes += data.len();
        let waiting = Waiting {
            sequence: packet.sequence,
            duration,
            jump: packet.jump,
            arrival_us,
            data,
        };
        self.packets.insert(place, (packet.time, waiting));
        true
    }

    pub(super) fn first(&self) -> Option<(i64, &Waiting)> {
        self.packets.front().map(|(time, p)| (*time, p))
    }

    pub(super) fn last(&self) -> Option<(i64, &Waiting)> {
        self.packets.back().map(|(time, p)| (*time, p))
    }

    /// The first packet; [`Self::recycle`] takes it back.
    pub(super) fn pop_first(&mut self) -> Option<(i64, Waiting)> {
        let first = self.packets.pop_front()?;
        self.bytes -= first.1.data.len();
        Some(first)
    }

    pub(super) fn pop_first_if(
        &mut self,
        wanted: impl FnOnce(i64, &Waiting) -> bool,
    ) -> Option<(i64, Waiting)> {
        let (time, packet) = self.first()?;
        if wanted(time, packet) {
            self.pop_first()
        } else {
            None
        }
    }

    /// Keeps the memory of a packet that was taken out.
    pub(super) fn recycle(&mut self, packet: Waiting) {
        if self.spare.len() < MAX_SPARE && packet.data.capacity() <= MAX_SPARE_BYTES {
            let mut data = packet.data;
            data.clear();
            self.spare.push(data);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Bytes of all waiting packets.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Media time from the first waiting sample to the last, in 48 kHz samples.
    pub(super) fn span(&self) -> i64 {
        match (self.first(), self.last()) {
            (Some((first, _)), Some((last, packet))) => last + packet.duration - first,
            _ => 0,
        }
    }

    /// Media time and arrival of each.
    pub(super) fn arrivals(&self) -> impl Iterator<Item = (i64, i64)> {
        self.packets.iter().map(|(time, p)| (*time, p.arrival_us))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &[u8])> + Clone {
        self.packets
            .iter()
            .map(|(time, p)| (*time, p.data.as_slice()))
    }
}
