//! Faster or slower: how the delay is brought to its target.
//!
//! Theory of operation. The *delay* is how long after the earliest moment it could have come a sample
//! is played. A change of delay is best not heard: in pauses it costs nothing, and so a small excess
//! waits for one. A delay that is too small is mended in very periodic sound as well, because the next
//! late packet would cost more. What a stall left behind, a large excess, is gone within two seconds
//! whatever it takes: periods are left out of everything that is like itself.

use super::engine::Playout;
use super::stretch::{Join, MAX_JOIN_MS, Unit, find_join};
use super::{Mode, media_us};
use crate::opus::{Error, Sample};

/// Delay above and below the target that is left alone.
const ABOVE_US: i64 = 20_000;
const BELOW_US: i64 = 4_000;

/// Excess from which it counts as what a stall left behind.
const LARGE_US: i64 = 120_000;

/// A large excess is gone after this time.
const RECOVERY_US: i64 = 1_700_000;

/// The most of the sound that is left out, in all that is played.
const MOST: f64 = 0.6;

/// The most that is saved up of it, in milliseconds.
const SAVED_MS: f64 = 30.0;

/// What joins want: in pauses only; very like itself; like itself at all.
const NEVER_ALIKE: f32 = 2.0;
const VERY_ALIKE: f32 = 0.9;
const ALIKE: f32 = 0.6;

/// Sound decoded ahead of its time, so that there is a choice of joins.
const AHEAD_MS: usize = MAX_JOIN_MS + 10;

/// The state of stretching.
#[derive(Debug, Default)]
pub(super) struct Adapter {
    /// Samples that may be left out, saved up from what was played.
    credit: f64,
    /// When a large excess has to be gone.
    recover_by_us: Option<i64>,
    /// Samples to be played before the next join: none is joined twice.
    rest: usize,
    mix: Vec<f32>,
}

/// What would bring the delay nearer to its target.
enum Wish {
    Nothing,
    /// Leave out this share of what is played, where it is at least so like itself.
    Shorter {
        share: f64,
        likeness: f32,
    },
    Longer,
}

impl<T: Sample + Unit> Playout<T> {
    /// The delay aimed at, in microseconds.
    pub(super) fn target_us(&self) -> i64 {
        let least = i64::from(self.config.target_delay_ms) * 1000;
        match self.config.mode {
            Mode::Whole | Mode::Fixed => least,
            Mode::Adaptive => {
                let most = i64::from(self.config.max_delay_ms) * 1000;
                self.delay.target_us().clamp(least, most.max(least))
            }
        }
    }

    /// How long after the earliest possible moment the next sample is played.
    fn delay_us(&self, now_us: i64) -> Option<i64> {
        let position = self.position.as_ref().map(|position| position.time);
        let next = self.pending.time().or(position)?;
        Some(
            now_us
                .saturating_sub(self.delay.base_us()?)
                .saturating_sub(media_us(next)),
        )
    }

    /// Shortens or lengthens what waits, before `wanted` samples are pulled.
    pub(super) fn adapt(&mut self, wanted: usize, now_us: i64) -> Result<(), Error> {
        self.resume()?;
        self.adapter.rest = self.adapter.rest.saturating_sub(wanted);
        if self.config.mode != Mode::Adaptive {
            return Ok(());
        }
        match self.wish(now_us) {
            Wish::Nothing => self.adapter.credit = 0.0,
            Wish::Longer => {
                self.adapter.credit = 0.0;
                if let Some(join) = self.find_join(VERY_ALIKE)? {
                    self.join(join, true);
                }
            }
            Wish::Shorter { share, likeness } => {
                let most = f64::from(self.config.rate) / 1000.0 * SAVED_MS;
                self.adapter.credit = (self.adapter.credit + wanted as f64 * share).min(most);
                if let Some(join) = self.find_join(likeness)?
                    && (join.quiet || self.adapter.credit >= join.period as f64)
                {
                    self.join(join, false);
                }
            }
        }
        Ok(())
    }

    fn wish(&mut self, now_us: i64) -> Wish {
        let Some(delay) = self.delay_us(now_us) else {
            return Wish::Nothing;
        };
        let excess = delay.saturating_sub(self.target_us());
        if excess <= ABOVE_US {
            self.adapter.recover_by_us = None;
            return if excess < -BELOW_US {
                Wish::Longer
            } else {
                Wish::Nothing
            };
        }
        if excess > LARGE_US {
            let by = now_us.saturating_add(RECOVERY_US);
            self.adapter.recover_by_us.get_or_insert(by);
        }
        match self.adapter.recover_by_us {
            Some(by) => {
                let left = by.saturating_sub(now_us).max(200_000) as f64;
                let share = (excess as f64 / (left + excess as f64)).min(MOST);
                Wish::Shorter {
                    share,
                    likeness: ALIKE,
                }
            }
            None => Wish::Shorter {
                share: 0.0,
                likeness: NEVER_ALIKE,
            },
        }
    }

    /// The best join of what is at hand, decoded ahead as far as there are packets.
    fn find_join(&mut self, likeness: f32) -> Result<Option<Join>, Error> {
        if self.adapter.rest > 0 || self.position.is_none() {
            return Ok(None);
        }
        let per_ms = self.config.rate as usize / 1000;
        while self.pending.len() < per_ms * AHEAD_MS && self.buffer.len() > 0 {
            if !self.produce(i64::MAX)? {
                break;
            }
        }
        self.pending
            .mix(&mut self.adapter.mix, per_ms * 2 * AHEAD_MS);
        let join = find_join(&self.adapter.mix, self.config.rate);
        Ok(join.filter(|join| join.quiet || join.likeness >= likeness))
    }

    fn join(&mut self, join: Join, longer: bool) {
        if !self.pending.join(join, longer) {
            return;
        }
        let period = join.period as u64;
        let played = if longer { 3 * join.period } else { join.period };
        self.adapter.rest = join.at + played;
        if longer {
            self.stats.inserted += period;
        } else {
            self.stats.removed += period;
            self.adapter.credit = (self.adapter.credit - join.period as f64).max(0.0);
        }
    }
}
