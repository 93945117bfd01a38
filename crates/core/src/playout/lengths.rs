//! What waits made shorter or longer, as the delay wants it.

use super::engine::Playout;
use super::stretch::{MAX_JOIN_MS, Unit, find_join};
use super::{Mode, media_us};
use crate::MEDIA_RATE;
use crate::opus::{Decode, Error, Sample};
use crate::packet::MAX_DURATION_SAMPLES;

/// Sound decoded ahead of its time, so that there is a choice of joins.
const AHEAD_MS: usize = MAX_JOIN_MS + 10;

const LONGEST_PACKET_MS: u32 = MAX_DURATION_SAMPLES / (MEDIA_RATE / 1000);

impl<T: Sample + Unit, D: Decode<T>> Playout<T, D> {
    /// The delay aimed at, in microseconds.
    pub(super) fn target_us(&self) -> i64 {
        let own_us = self.bounded_us(self.delay.target_us());
        let kept = self.kept_lag_us.zip(self.delay.base_us());
        match (self.config.mode, kept) {
            (Mode::Whole | Mode::Fixed, _) => i64::from(self.config.target_delay_ms) * 1000,
            (Mode::Adaptive, None) => own_us,
            (Mode::Adaptive, Some((lag_us, base_us))) => {
                // What waits has to fit, with the packet that comes.
                let fits_ms = self.config.max_buffer_ms.saturating_sub(LONGEST_PACKET_MS);
                let shared_us = self.bounded_us(lag_us.saturating_sub(base_us));
                own_us.max(shared_us.min(i64::from(fits_ms) * 1000))
            }
        }
    }

    /// A delay from the least to the largest that was asked for.
    fn bounded_us(&self, delay_us: i64) -> i64 {
        let least = i64::from(self.config.target_delay_ms) * 1000;
        let most = i64::from(self.config.max_delay_ms) * 1000;
        delay_us.clamp(least, most.max(least))
    }

    /// How long after its media time, by the clock of `now`, this stream wants its sound to be played,
    /// by its own packets: in microseconds. In `adaptive`, once a packet has come.
    #[must_use]
    pub fn lag_us(&self) -> Option<i64> {
        let base_us = self
            .delay
            .base_us()
            .filter(|_| self.config.mode == Mode::Adaptive)?;
        Some(base_us.saturating_add(self.bounded_us(self.delay.target_us())))
    }

    /// Plays sound no sooner after its media time than another stream of the same sender's clock
    /// wants, as long as that is within the largest delay and what may wait; `None` goes back to
    /// what its own packets say. Returns the lag that is aimed at then, where there is one.
    pub fn keep_lag(&mut self, lag_us: Option<i64>) -> Option<i64> {
        self.kept_lag_us = lag_us;
        let own_us = self.lag_us()?;
        let more_us = self.target_us() - self.bounded_us(self.delay.target_us());
        Some(own_us.saturating_add(more_us))
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
