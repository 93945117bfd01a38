//! How long to hold audio back before it is played.
//!
//! The engine tells every arrival and asks for the target; today the target is the one it was
//! given. What arrivals teach is kept as RFC 3550's interarrival jitter.

use crate::MEDIA_RATE;

/// The delay to aim at, and what arrivals say about the network.
#[derive(Debug)]
pub(super) struct Delay {
    target_us: i64,
    transit_us: Option<i64>,
    jitter_us: f64,
}

impl Delay {
    pub(super) fn fixed(target_ms: u32) -> Self {
        Self {
            target_us: i64::from(target_ms) * 1000,
            transit_us: None,
            jitter_us: 0.0,
        }
    }

    pub(super) fn target_us(&self) -> i64 {
        self.target_us
    }

    /// RFC 3550 §6.4.1, in microseconds.
    pub(super) fn jitter_us(&self) -> f64 {
        self.jitter_us
    }

    pub(super) fn observe(&mut self, time: i64, now_us: i64) {
        let transit = now_us.saturating_sub(time * 1000 / i64::from(MEDIA_RATE / 1000));
        if let Some(before) = self.transit_us.replace(transit) {
            let d = transit.abs_diff(before) as f64;
            self.jitter_us += (d - self.jitter_us) / 16.0;
        }
    }
}
