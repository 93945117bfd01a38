//! The clocks of a stream's sender and of the card that plays it: what is known of them.

use super::drift::Drift;
use super::resample::{CHUNK, HALF, Resampler};
use super::stretch::Unit;
use super::{Mode, media_us};

/// How sound is played against the card's clock: what streams that must stay in step share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Media time in a unit of the card's time, less one.
    pub rate: f64,
    /// Where the next sample lies between two of the stream's, 0 up to 1.
    pub phase: f64,
}

/// The clocks of one stream and its card.
pub(super) struct Clocks<T> {
    /// What is learnt of them, in the modes that follow them.
    pub(super) drift: Option<Drift>,
    pub(super) resampler: Resampler,
    /// The samples that a chunk is made from.
    pub(super) straight: Vec<T>,
    pub(super) after: Vec<T>,
    /// Another stream's, which this one keeps to.
    pub(super) given: Option<f64>,
}

impl<T: Unit> Clocks<T> {
    pub(super) fn new(channels: usize, mode: Mode) -> Self {
        Self {
            drift: (mode != Mode::Whole).then(Drift::new),
            resampler: Resampler::new(channels),
            straight: Vec::with_capacity((CHUNK + 1) * channels),
            after: Vec::with_capacity((HALF + 1) * channels),
            given: None,
        }
    }

    pub(super) fn observe_packet(&mut self, time: i64, now_us: i64) {
        if let Some(drift) = &mut self.drift {
            drift.observe_packet(now_us.saturating_sub(media_us(time)));
        }
    }

    /// Forgets what the packets of another sender said.
    pub(super) fn forget(&mut self) {
        self.drift = self.drift.is_some().then(Drift::new);
    }

    pub(super) fn rate(&self) -> f64 {
        let own = || self.drift.as_ref().map_or(0.0, Drift::rate);
        self.given.unwrap_or_else(own)
    }
}
