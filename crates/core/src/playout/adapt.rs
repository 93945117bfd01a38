//! Faster or slower: how the delay is brought to its target.
//!
//! Theory of operation. The *delay* is how long after the earliest moment it could have come a sample
//! is played. A change of delay is best not heard: in pauses it costs nothing, and so an excess waits
//! for one; a small one, which may be gone again, is left alone: each change costs. A delay that is too
//! small is mended in very periodic sound as well, because the next late packet would cost more. What a
//! stall left behind, a large excess, is gone within a second or two whatever it takes, and the sooner
//! the better: periods are left out of everything that is at all like itself.

use super::stretch::Join;

/// Delay around the target that is left alone.
const NEAR_US: i64 = 10_000;
const BELOW_US: i64 = 4_000;

/// Excess from which on it is brought down in pauses, to what is left alone.
const ABOVE_US: i64 = 40_000;

/// Excess from which it counts as what a stall left behind.
const LARGE_US: i64 = 120_000;

/// A large excess is to be gone after this time.
const RECOVERY_US: i64 = 1_000_000;

/// The most of the sound that is left out, in all that is played.
const MOST: f64 = 0.9;

/// The most that is saved up of it, in milliseconds.
const SAVED_MS: f64 = 200.0;

/// What joins want: in pauses only; very like itself; a little.
const NEVER_ALIKE: f32 = 2.0;
const VERY_ALIKE: f32 = 0.9;
const ALIKE: f32 = 0.2;

/// The state of stretching.
#[derive(Debug, Default)]
pub(super) struct Adapter {
    /// Samples that may be left out, saved up from what was played.
    credit: f64,
    /// When a large excess has to be gone.
    recover_by_us: Option<i64>,
    /// Whether the delay is being brought down.
    coming_down: bool,
    /// Samples to be played before the next join: none is joined twice.
    rest: usize,
}

/// What would bring the delay nearer to its target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// Whether to put sound in, and not to leave it out.
    pub(super) longer: bool,
    /// Whether much is to be joined soon.
    pub(super) hurry: bool,
    /// How like itself sound has to be that is no pause.
    pub(super) likeness: f32,
    /// Which share of what is played is left out.
    share: f64,
}

impl Adapter {
    /// Says that so many samples are about to be played.
    pub(super) fn pass(&mut self, samples: usize) {
        self.rest = self.rest.saturating_sub(samples);
    }

    /// What is wished, with the delay so much above its target, before samples at `rate` are played.
    pub(super) fn wish(
        &mut self,
        excess_us: i64,
        now_us: i64,
        samples: usize,
        rate: u32,
    ) -> Option<Wish> {
        let wish = self.choose(excess_us, now_us);
        let share = wish.map_or(0.0, |wish| wish.share);
        let most = f64::from(rate) / 1000.0 * SAVED_MS;
        self.credit = match share > 0.0 {
            true => (self.credit + samples as f64 * share).min(most),
            false => 0.0,
        };
        wish.filter(|_| self.rest == 0)
    }

    fn choose(&mut self, excess_us: i64, now_us: i64) -> Option<Wish> {
        if excess_us <= NEAR_US {
            self.recover_by_us = None;
            self.coming_down = false;
            return (excess_us < -BELOW_US).then_some(Wish {
                longer: true,
                hurry: false,
                likeness: VERY_ALIKE,
                share: 0.0,
            });
        }
        self.coming_down |= excess_us > ABOVE_US;
        if excess_us > LARGE_US {
            let by = now_us.saturating_add(RECOVERY_US);
            self.recover_by_us.get_or_insert(by);
        }
        let (likeness, share) = match self.recover_by_us {
            Some(by) => {
                let left = by.saturating_sub(now_us).max(200_000) as f64;
                let share = excess_us as f64 / (left + excess_us as f64);
                (ALIKE, share.min(MOST))
            }
            None if self.coming_down => (NEVER_ALIKE, 0.0),
            None => return None,
        };
        Some(Wish {
            longer: false,
            hurry: self.recover_by_us.is_some(),
            likeness,
            share,
        })
    }

    /// Whether a join is what was wished. Pauses may be left out as they come; speech has to be saved
    /// up for.
    pub(super) fn allows(&self, wish: Wish, join: &Join) -> bool {
        let paid = wish.longer || self.credit >= join.period as f64;
        join.quiet || (join.likeness >= wish.likeness && paid)
    }

    /// Notes that a join was made.
    pub(super) fn joined(&mut self, wish: Wish, join: &Join) {
        let played = if wish.longer { 3 } else { 1 } * join.period;
        self.rest = join.at + played;
        if !wish.longer {
            self.credit = (self.credit - join.period as f64).max(0.0);
        }
    }
}
