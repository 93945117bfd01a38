//! Packets in media order, each once, within a bound (R1).

use std::collections::BTreeMap;

/// A packet that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) sequence: i64,
    pub(super) duration: i64,
    pub(super) jump: bool,
    pub(super) data: Vec<u8>,
}

/// Waiting packets by media time.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    packets: BTreeMap<i64, Waiting>,
}

impl Buffer {
    /// Keeps a packet; false when one of that media time is there already.
    pub(super) fn insert(&mut self, time: i64, packet: Waiting) -> bool {
        match self.packets.entry(time) {
            std::collections::btree_map::Entry::Occupied(_) => false,
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(packet);
                true
            }
        }
    }

    pub(super) fn first(&self) -> Option<(i64, &Waiting)> {
        self.packets.first_key_value().map(|(time, p)| (*time, p))
    }

    pub(super) fn pop_first(&mut self) -> Option<(i64, Waiting)> {
        self.packets.pop_first()
    }

    pub(super) fn pop_first_if(
        &mut self,
        wanted: impl FnOnce(i64, &Waiting) -> bool,
    ) -> Option<(i64, Waiting)> {
        let entry = self.packets.first_entry()?;
        wanted(*entry.key(), entry.get()).then(|| entry.remove_entry())
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Media time from the first waiting sample to the last, in 48 kHz samples.
    pub(super) fn span(&self) -> i64 {
        match (
            self.packets.first_key_value(),
            self.packets.last_key_value(),
        ) {
            (Some((first, _)), Some((last, packet))) => last + packet.duration - first,
            _ => 0,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &[u8])> + Clone {
        self.packets
            .iter()
            .map(|(time, p)| (*time, p.data.as_slice()))
    }
}
