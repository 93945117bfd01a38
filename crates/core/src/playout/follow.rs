//! The sound card's clock followed: sound played so much faster or slower that the delay stays.

use super::Mode;
use super::account::Span;
use super::clocks::Pace;
use super::engine::Playout;
use super::resample::{CHUNK, HALF, Step};
use super::stretch::Unit;
use crate::opus::{Decode, Error, Sample};

/// The fastest pace: within a chunk at most one sample is left out or put in.
const MAX_RATE: f64 = 0.002;
const _: () = assert!(MAX_RATE * CHUNK as f64 <= 1.0);

impl<T: Sample + Unit, D: Decode<T>> Playout<T, D> {
    /// How sound is played against the card's clock now.
    #[must_use]
    pub fn pace(&self) -> Pace {
        Pace {
            rate: self.clocks.rate(),
            phase: self.clocks.resampler.phase(),
        }
    }

    /// Keeps to another stream's pace from the next pull on, whatever this one's packets say.
    ///
    /// # Errors
    /// [`Error::Argument`] when its rate is beyond 0.002 or its phase not from 0 up to 1.
    pub fn keep_pace(&mut self, pace: Pace) -> Result<(), Error> {
        if !(pace.rate.abs() <= MAX_RATE && (0.0..1.0).contains(&pace.phase)) {
            return Err(Error::argument(format!(
                "the rate is {} and the phase {}; expected at most {MAX_RATE}, either way, \
                 and 0 up to 1",
                pace.rate, pace.phase
            )));
        }
        self.clocks.given = Some(pace.rate);
        self.clocks.resampler.set_phase(pace.phase);
        Ok(())
    }

    /// Goes back to the pace that this stream's packets tell.
    pub fn own_pace(&mut self) {
        self.clocks.given = None;
    }

    /// Learns from a pull how the clocks go, before it is made.
    pub(super) fn observe_pull(&mut self, samples: usize, now_us: i64) {
        let excess_us = match self.config.mode {
            Mode::Whole | Mode::Fixed => None,
            Mode::Adaptive => Some(self.excess_us(now_us).unwrap_or(0)),
        };
        let jitter_us = self.delay.jitter_us();
        if let Some(drift) = &mut self.clocks.drift {
            drift.observe_pull(samples, self.config.rate, now_us, jitter_us, excess_us);
        }
    }

    /// Hands out what is played next, at the pace of the clocks.
    pub(super) fn play(&mut self, out: &mut [T], now_us: i64) -> Result<(), Error> {
        let channels = self.decoder.channels();
        if self.clocks.rate() == 0.0 && self.clocks.resampler.phase() == 0.0 {
            self.hand_out(out, now_us, Self::record)?;
            self.clocks.resampler.remember(out);
            return Ok(());
        }
        for part in out.chunks_mut(CHUNK * channels) {
            let rate = self.clocks.rate();
            match self.clocks.resampler.plan(rate, part.len() / channels) {
                None => {
                    self.hand_out(part, now_us, Self::record)?;
                    self.clocks.resampler.remember(part);
                }
                Some(step) => self.play_at(step, part, now_us)?,
            }
        }
        Ok(())
    }

    /// Makes as many samples as asked for from one more or one less, or as many.
    fn play_at(&mut self, step: Step, out: &mut [T], now_us: i64) -> Result<(), Error> {
        let channels = self.decoder.channels();
        let samples = out.len() / channels;
        let mut straight = std::mem::take(&mut self.clocks.straight);
        straight.clear();
        straight.resize(step.consumed * channels, T::default());
        let plain = match step.consumed > samples {
            true => samples - 1,
            false => step.consumed,
        };
        let mut last = None;
        self.hand_out(
            &mut straight[..plain * channels],
            now_us,
            |this, span, awaited| {
                last = Some((span, awaited));
                this.record(span, awaited);
            },
        )?;
        if step.consumed > samples {
            // The last two, or one of which is there only once, are played as one.
            let mut joined = None;
            let mut missed = false;
            self.hand_out(
                &mut straight[plain * channels..],
                now_us,
                |this, span, awaited| {
                    joined = Some(this.with(joined, span));
                    missed |= awaited;
                },
            )?;
            if let Some(span) = joined {
                self.record(Span { samples: 1, ..span }, missed);
            }
            self.counter.stats.removed += 1;
        }
        while self.pending.len() <= HALF && self.buffer.len() > 0 {
            if !self.produce(now_us)? {
                break;
            }
        }
        if step.consumed < samples {
            // One between what was played last and what comes next, for which none was used up.
            let (at, awaited) = match last {
                Some((span, awaited)) => {
                    let time = span.time.map(|time| time + self.media_of(&span));
                    (Span { time, ..span }, awaited)
                }
                None => (self.pending.first(), false),
            };
            let again = Span {
                media: at.time.map(|_| 0),
                samples: 1,
                ..at
            };
            self.record(again, awaited);
            self.counter.stats.inserted += 1;
        }
        let mut after = std::mem::take(&mut self.clocks.after);
        self.pending.peek(&mut after, HALF + 1);
        let clocks = &mut self.clocks;
        clocks.resampler.make(step, &straight, &after, out);
        if let Some(drift) = &mut clocks.drift {
            drift.followed(step.faster(samples), self.config.rate);
        }
        (clocks.straight, clocks.after) = (straight, after);
        Ok(())
    }

    /// What a span and the one before it are together.
    fn with(&self, before: Option<Span>, span: Span) -> Span {
        let Some(before) = before else {
            let media = span.time.map(|_| self.media_of(&span));
            return Span { media, ..span };
        };
        let both = |a: i64| a + self.media_of(&span);
        match (before.time, span.time) {
            (Some(_), Some(_)) => Span {
                media: before.media.map(both),
                ..before
            },
            (None, Some(_)) => self.with(None, span),
            (_, None) => before,
        }
    }

    /// The media time that a span stands for.
    fn media_of(&self, span: &Span) -> i64 {
        span.media.unwrap_or(span.samples as i64 * self.scale)
    }
}
