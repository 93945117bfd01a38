//! Packets far from the stream, and where both were: to tell a mistake from a sender that begins anew.

use super::buffer::Buffer;
use super::{Position, SHORTEST_PACKET};
use crate::MEDIA_RATE;

/// Where a sender was, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) time: i64,
    pub(super) sequence: i64,
    pub(super) arrival_us: i64,
}

impl Place {
    /// Whether a packet goes on from here: within `most` 48 kHz samples of where it may be by now.
    pub(super) fn leads_to(&self, packet: &Place, most: i64) -> bool {
        let elapsed_us = packet.arrival_us.saturating_sub(self.arrival_us).max(0);
        let elapsed = (elapsed_us / 1000).saturating_mul(i64::from(MEDIA_RATE / 1000));
        let times = -most..=most.saturating_add(elapsed);
        let ahead = packet.time - self.time;
        let numbers = (most + ahead.max(0)) / SHORTEST_PACKET;
        let ahead_by = packet.sequence - self.sequence;
        times.contains(&ahead) && (-most / SHORTEST_PACKET..=numbers).contains(&ahead_by)
    }

    pub(super) fn further(self, other: Self) -> Self {
        if other.time >= self.time { other } else { self }
    }
}

/// Packets far from the stream.
#[derive(Debug, Default)]
pub(super) struct Strays {
    pub(super) packets: Buffer,
    pub(super) since_us: i64,
    /// The newest of the stream, and of the strays.
    pub(super) newest: Option<Place>,
    pub(super) newest_stray: Option<Place>,
    /// Whether a new stream waits for the old one's end.
    pub(super) believed: bool,
    /// Where the new stream ends, when that was said before the old one has been played.
    pub(super) end: Option<Position>,
}
