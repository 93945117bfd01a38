//! What decoding may cost: less when whoever pulls falls behind, more when it has long kept up.
//!
//! Theory of operation. Sound is pulled as fast as it is played. A processor with too much to do shows
//! it in one way, whatever it is that takes its time: pulls come later and later, and `now` gets ahead
//! of the samples pulled. So no clock is read, and nothing has to be known of cores, threads and other
//! streams. Falling behind is told from a pause between two pulls, or one that is late, by going on:
//! the least lateness of one window after the other grows.
//!
//! Many streams of one process see the same and do not know of each other. All must not do the same at
//! once: they go up one after the other, each after a wait of its own, and when that is too much, those
//! that went up last go down first. Each time that there was too much the wait is doubled, and it is
//! halved when going up was not too much, so that trying costs little in the long run.

use super::{Mode, PlayoutConfig};
use crate::opus::Error;

/// The complexities below which a decoder of libopus does less: better enhancement (NoLACE) from 7 on,
/// enhancement (LACE) from 6 on, concealment by networks and DRED from 5 on.
const STEPS: [u8; 3] = [6, 5, 0];

/// Lateness is compared from one window to the next: the least of so many pulls, in so much time.
const WINDOW_US: i64 = 250_000;
const WINDOW_PULLS: u32 = 4;

/// Falling behind is by a 300th of the time: clocks that part do by a thousandth at most. By how much
/// it is, in shares of the time, is what one window counts: 1, 2 or 3.
const BEHIND: [i64; 3] = [300, 50, 4];

/// So much of it in a row makes the last that went up go down, and all others; never one window alone.
const SOON: u32 = 4;
const LATER: u32 = 8;

/// How long after having gone up a stream is among the last.
const RECENT_US: i64 = 3_000_000;

/// The wait without falling behind before more is tried, at least and at most; each stream adds up to
/// as much again.
const LEAST_WAIT_US: i64 = 10_000_000;
const MOST_WAIT_US: i64 = 320_000_000;

#[derive(Debug, Clone, Copy)]
struct Window {
    began_us: i64,
    pulls: u32,
    late_us: i64,
}

/// The complexity in force, and how whoever pulls has kept up.
#[derive(Debug)]
pub(super) struct Load {
    least: u8,
    highest: u8,
    complexity: u8,
    pulled: i64,
    window: Option<Window>,
    /// The least lateness of the window before.
    before_us: Option<i64>,
    /// How much windows, one after the other, fell behind.
    behind: u32,
    /// When it began at this complexity, if it went up to it or began with it.
    raised_us: Option<i64>,
    /// Since when nobody fell behind, and how long that has to last.
    calm_us: i64,
    patience_us: i64,
    wait_us: i64,
}

impl Load {
    /// # Errors
    /// [`Error::Argument`] when the least complexity is above the highest, or the mode is one whose
    /// samples must not depend on the load.
    pub(super) fn of(config: &PlayoutConfig) -> Result<Self, Error> {
        let highest = config.complexity;
        let least = config.least_complexity.unwrap_or(highest);
        if least > highest {
            return Err(Error::argument(format!(
                "least_complexity is {least}; expected at most the complexity, {highest}"
            )));
        }
        if config.mode == Mode::Whole && least < highest {
            return Err(Error::argument(format!(
                "least_complexity is {least} and the mode whole, which plays the samples that an \
                 archive gives, at a complexity that stays, here {highest}; leave it out, or use fixed \
                 or adaptive"
            )));
        }
        Ok(Self::new(least, highest))
    }

    fn new(least: u8, highest: u8) -> Self {
        Self {
            least,
            highest,
            complexity: highest,
            pulled: 0,
            window: None,
            before_us: None,
            behind: 0,
            raised_us: None,
            calm_us: 0,
            patience_us: LEAST_WAIT_US,
            wait_us: LEAST_WAIT_US,
        }
    }

    pub(super) fn complexity(&self) -> u8 {
        self.complexity
    }

    /// Notes that `samples` at `rate` are pulled at `now_us`; returns the complexity if it changes.
    /// `chance` is any number that differs between streams.
    pub(super) fn observe(
        &mut self,
        samples: usize,
        rate: u32,
        now_us: i64,
        chance: i64,
    ) -> Option<u8> {
        if self.least == self.highest {
            return None;
        }
        let played_us = self.pulled.saturating_mul(1_000_000) / i64::from(rate);
        self.pulled = self.pulled.saturating_add(samples as i64);
        let late_us = now_us.saturating_sub(played_us);
        let begun = Window {
            began_us: now_us,
            pulls: 1,
            late_us,
        };
        let Some(window) = self.window.filter(|window| window.began_us <= now_us) else {
            // The beginning, or a clock that was set back.
            self.window = Some(begun);
            self.before_us = None;
            self.raised_us = Some(now_us);
            self.rest(now_us, chance);
            return None;
        };
        let elapsed_us = now_us.saturating_sub(window.began_us);
        if elapsed_us < WINDOW_US || window.pulls < WINDOW_PULLS {
            self.window = Some(Window {
                pulls: window.pulls.saturating_add(1),
                late_us: window.late_us.min(late_us),
                ..window
            });
            return None;
        }
        self.window = Some(begun);
        let before_us = self.before_us.replace(window.late_us)?;
        let growth_us = window.late_us.saturating_sub(before_us);
        let before = self.complexity;
        self.judge(growth_us, elapsed_us, now_us, chance);
        (self.complexity != before).then_some(self.complexity)
    }

    fn judge(&mut self, growth_us: i64, elapsed_us: i64, now_us: i64, chance: i64) {
        let [least_us, ..] = BEHIND.map(|share| elapsed_us / share);
        if growth_us <= least_us {
            self.behind = 0;
            if growth_us < -least_us {
                // Still catching up: there is no time left over yet.
                self.rest(now_us, chance);
            } else if now_us.saturating_sub(self.calm_us) >= self.wait_us {
                self.raise(now_us, chance);
            }
            return;
        }
        let before = self.behind;
        let by = BEHIND
            .iter()
            .filter(|share| growth_us > elapsed_us / **share);
        self.behind = before.saturating_add(by.map(|_| 1).sum());
        if before < SOON && self.behind >= SOON {
            self.patience_us = (2 * self.patience_us).min(MOST_WAIT_US);
        }
        self.rest(now_us, chance);
        let recent = self
            .raised_us
            .is_some_and(|since| now_us.saturating_sub(since) < RECENT_US);
        if self.behind >= if recent { SOON } else { LATER } {
            let below = STEPS.into_iter().find(|step| *step < self.complexity);
            self.complexity = below.unwrap_or(0).max(self.least);
            self.raised_us = None;
        }
    }

    fn raise(&mut self, now_us: i64, chance: i64) {
        if self.raised_us.is_some() {
            self.patience_us = (self.patience_us / 2).max(LEAST_WAIT_US);
        }
        if self.complexity < self.highest {
            let above = STEPS.into_iter().rev().find(|step| *step > self.complexity);
            self.complexity = above.unwrap_or(self.highest).min(self.highest);
            self.raised_us = Some(now_us);
        }
        self.rest(now_us, chance);
    }

    /// Begins to wait anew.
    fn rest(&mut self, now_us: i64, chance: i64) {
        // The upper bits of a product with the golden ratio's are as good as drawn by lot.
        let drawn = chance.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let share = drawn as f64 / f64::from(1 << 24);
        self.calm_us = now_us;
        self.wait_us = self.patience_us + (self.patience_us as f64 * share) as i64;
    }
}

#[cfg(test)]
mod tests;
