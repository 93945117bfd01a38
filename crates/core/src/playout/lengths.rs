//! What waits made shorter or longer, as the delay wants it.

use super::engine::Playout;
use super::stretch::{MAX_JOIN_MS, Unit, find_join};
use super::{Mode, media_us};
use crate::opus::{Decode, Error, Sample};

/// Sound decoded ahead of its time, so that there is a choice of joins.
const AHEAD_MS: usize = MAX_JOIN_MS + 10;

impl<T: Sample + Unit, D: Decode<T>> Playout<T, D> {
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

    /// Shortens or lengthens what waits, before `wanted` samples are pulled.
    pub(super) fn adapt(&mut self, wanted: usize, now_us: i64) -> Result<(), Error> {
        self.resume(now_us)?;
        self.adapter.pass(wanted);
        // Of what is late the delay is known when it has come.
        if self.config.mode != Mode::Adaptive || self.put_in > 0 {
            return Ok(());
        }
        let Some(excess_us) = self.excess_us(now_us) else {
            return Ok(());
        };
        let rate = self.config.rate;
        let Some(wish) = self.adapter.wish(excess_us, now_us, wanted, rate) else {
            return Ok(());
        };
        self.decode_ahead()?;
        let most = rate as usize / 1000 * 2 * AHEAD_MS;
        self.pending.mix(&mut self.mix, most);
        let join =
            find_join(&self.mix, rate, wish.hurry).filter(|join| self.adapter.allows(wish, join));
        if let Some(join) = join
            && self.pending.join(join, wish.longer)
        {
            self.adapter.joined(wish, &join);
            let joined = match wish.longer {
                true => &mut self.counter.stats.inserted,
                false => &mut self.counter.stats.removed,
            };
            *joined += join.period as u64;
        }
        Ok(())
    }

    /// How much longer after the earliest possible moment the next sample is played than is aimed at.
    pub(super) fn excess_us(&self, now_us: i64) -> Option<i64> {
        let position = self.position.as_ref()?.time;
        // Made-up sound stands for what comes after the position, until it is known to be late.
        let made_up = self.put_in - self.pending.len() as i64 * self.scale;
        let next = self.pending.time().unwrap_or(position + made_up.max(0));
        let delay_us = self.delay_us_of(next, now_us)?;
        Some(delay_us.saturating_sub(self.target_us()))
    }

    /// How long after the earliest possible moment the sound of a media time is played, if next.
    pub(super) fn delay_us_of(&self, time: i64, now_us: i64) -> Option<i64> {
        let base_us = self.delay.base_us()?;
        Some(
            now_us
                .saturating_sub(base_us)
                .saturating_sub(media_us(time)),
        )
    }

    fn decode_ahead(&mut self) -> Result<(), Error> {
        let wanted = self.config.rate as usize / 1000 * AHEAD_MS;
        while self.pending.len() < wanted && self.buffer.len() > 0 {
            if !self.produce(i64::MAX)? {
                break;
            }
        }
        Ok(())
    }
}
