//! Where a stream begins, and what of it is given up when too much waits.

use super::Position;
use super::engine::Playout;
use super::stretch::Unit;
use super::{Mode, media_us};
use crate::MEDIA_RATE;
use crate::opus::{Decode, Sample};

/// A stream whose first packet lies within this much of its beginning lost what came before; one
/// that begins later was joined under way.
const JOINED_MS: u32 = 1000;

impl<T: Sample + Unit, D: Decode<T>> Playout<T, D> {
    /// Makes room for what has come.
    pub(super) fn give_up_oldest(&mut self) {
        while self.buffer.len() > 1 && !self.config.fits(&self.buffer) {
            let start = self.start();
            let given_up = self.buffer.pop_first();
            let (Some((_, given_up)), Some(start)) = (given_up, start) else {
                return;
            };
            self.counter.stats.packets_overflow += 1;
            // The position follows: concealing what was given up would not make room.
            let position = self.position.get_or_insert(start);
            self.counter.lost(given_up.sequence - position.sequence);
            let after = given_up.sequence + 1;
            self.buffer.recycle(given_up);
            position.sequence = position.sequence.max(after);
            if let Some((time, _)) = self.buffer.first() {
                position.time = position.time.max(time);
            }
        }
    }

    /// Where the stream begins, as far as the packets at hand tell.
    fn start(&self) -> Option<Position> {
        if self.begin.is_some() {
            return self.begin;
        }
        let (time, first) = self.buffer.first()?;
        let joined = time > i64::from(JOINED_MS * (MEDIA_RATE / 1000));
        Some(if joined {
            let sequence = first.sequence;
            Position { time, sequence }
        } else {
            Position {
                time: 0,
                sequence: 0,
            }
        })
    }

    /// Where to begin, once the first packet has been held back long enough.
    pub(super) fn begin(&mut self, now_us: i64) -> Option<Position> {
        // Nothing more of it is awaited.
        if self.end.is_some() || self.strays.believed {
            return self.start();
        }
        // A clock that was set back would have the stream wait for as long.
        let first_us = self.first_arrival_us?.min(now_us);
        self.first_arrival_us = Some(first_us);
        let held_us = now_us.saturating_sub(first_us);
        let span_us = media_us(self.buffer.span());
        let target = self.target_us();
        let whole = self.config.mode == Mode::Whole;
        if held_us < target && (span_us < target || !whole) {
            return None;
        }
        self.start()
    }
}
