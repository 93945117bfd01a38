//! How fast the sender's clock and the sound card's part, and what is done about it.
//!
//! Theory of operation. Packets tell the sender's clock against the host's (arrival less media time),
//! pulls the sound card's (when pulled, less what was pulled so far). Networks and schedulers only
//! ever add to either, so the least of each in two seconds is kept, and their difference is how far
//! the sender has got ahead of the card, whatever the host's clock does. Its slope over two minutes is
//! the *drift*: the median of the slopes between all pairs of points (Theil and Sen), which neither a
//! bad half minute nor a step in the network's delay moves much.
//!
//! A slope is believed when it is well above its error. Then sound is played that much faster or
//! slower ([`super::resample`]), and what had added up before is brought back slowly. As long as
//! nothing is believed, nothing is touched: undamaged sound stays what the decoder made of it.

use std::collections::VecDeque;

/// Time over which the least lateness is taken.
const WINDOW_US: i64 = 2_000_000;

/// Points remembered, and the fewest that make a slope: two minutes, and ten seconds.
const MOST_POINTS: usize = 64;
const LEAST_POINTS: usize = 5;

/// Crystals part less than this; what does is no clock.
const MOST_DRIFT: f64 = 1e-3;

/// A slope is believed when its error is at most this, and when it is so many errors, or this much.
const MOST_ERROR: f64 = 25e-6;
const ERRORS: f64 = 4.0;
const LEAST_DRIFT: f64 = 2e-6;

/// Jitter this much smaller is expected in the points at least (RFC 3550's jitter is a mean).
const JITTER_SHARE: f64 = 1.0 / 16.0;

/// The least error of a point: clocks are read in tens of microseconds.
const POINT_US: f64 = 50.0;

/// What has added up is brought back as if in this time, and at most so fast.
const BRING_BACK_US: f64 = 20e6;
const MOST_BACK: f64 = 150e-6;

/// How much may add up before it is brought back although no slope is believed, and what is let be.
const ADDED_UP_US: f64 = 4_000.0;
const LET_BE_US: f64 = 1_000.0;

/// Where adaptive playout wants the delay above its target: in the middle of what it leaves alone.
const ABOVE_US: f64 = 3_000.0;

/// Two points so far from where they should be are another network, or a card that stopped.
const STEP_US: f64 = 100_000.0;

/// How far the sender has got ahead of the card, at a time; both in microseconds.
type Point = (f64, f64);

/// What arrivals and pulls say about the clocks.
#[derive(Debug)]
pub(super) struct Drift {
    began_us: Option<i64>,
    /// Least lateness of packets and of pulls in this window, in microseconds.
    packets_us: Option<i64>,
    pulls_us: Option<f64>,
    pulled: u64,
    points: VecDeque<Point>,
    strayed: bool,
    slopes: Vec<f32>,
    offsets: Vec<f64>,
    /// What is believed: media time played in a unit of the card's time, less one.
    believed: f64,
    bringing_back: bool,
    /// What fixed playout wants: the sender's lead at the beginning.
    anchor_us: Option<f64>,
    /// Media time played faster than the card's, in microseconds.
    followed_us: f64,
    rate: f64,
}

/// A line through the points.
struct Line {
    slope: f64,
    error: f64,
    /// Where it is at the newest point, and its error.
    now_us: f64,
    now_error_us: f64,
    first_us: f64,
}

impl Drift {
    pub(super) fn new() -> Self {
        Self {
            began_us: None,
            packets_us: None,
            pulls_us: None,
            pulled: 0,
            // Nothing is allocated while sound is played.
            points: VecDeque::with_capacity(MOST_POINTS),
            strayed: false,
            slopes: Vec::with_capacity(MOST_POINTS * (MOST_POINTS - 1) / 2),
            offsets: Vec::with_capacity(MOST_POINTS),
            believed: 0.0,
            bringing_back: false,
            anchor_us: None,
            followed_us: 0.0,
            rate: 0.0,
        }
    }

    /// A packet's transit time by both clocks.
    pub(super) fn observe_packet(&mut self, transit_us: i64) {
        let least = self.packets_us.map_or(transit_us, |us| us.min(transit_us));
        self.packets_us = Some(least);
    }

    /// Media time to be played in a unit of the card's, less one; 0 while the clocks agree.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Notes that sound was played by so much faster.
    pub(super) fn followed(&mut self, samples: f64, rate: u32) {
        self.followed_us += samples * 1e6 / f64::from(rate);
    }

    /// A pull of `samples` at `rate` Hz. `excess_us` is the delay above its target where there is one
    /// to be kept to; without, the delay stays what it was at the beginning.
    pub(super) fn observe_pull(
        &mut self,
        samples: usize,
        rate: u32,
        now_us: i64,
        jitter_us: f64,
        excess_us: Option<i64>,
    ) {
        let late_us = now_us as f64 - self.pulled as f64 * 1e6 / f64::from(rate);
        self.pulled += samples as u64;
        self.pulls_us = Some(self.pulls_us.map_or(late_us, |least| least.min(late_us)));
        // After a clock was set back, the window begins there.
        let began_us = self
            .began_us
            .map_or(now_us, |began_us| began_us.min(now_us));
        self.began_us = Some(began_us);
        if now_us.saturating_sub(began_us) < WINDOW_US {
            return;
        }
        self.began_us = Some(now_us);
        let (packets, pulls) = (self.packets_us.take(), self.pulls_us.take());
        if let (Some(packets), Some(pulls)) = (packets, pulls) {
            self.add((now_us as f64, pulls - packets as f64));
            if let Some(line) = self.line(jitter_us) {
                self.believe(&line, excess_us);
            }
        }
    }

    fn add(&mut self, point: Point) {
        if let Some(last) = self.points.back() {
            let expected = last.1 + self.believed * (point.0 - last.0);
            if (point.1 - expected).abs() > STEP_US {
                if !self.strayed {
                    self.strayed = true;
                    return;
                }
                // The crystals are the same, so what is believed of them stays.
                self.points.clear();
                self.anchor_us = None;
                self.followed_us = 0.0;
            }
        }
        self.strayed = false;
        if self.points.len() == MOST_POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    fn line(&mut self, jitter_us: f64) -> Option<Line> {
        let count = self.points.len();
        if count < LEAST_POINTS {
            return None;
        }
        self.slopes.clear();
        for (n, a) in self.points.iter().enumerate() {
            let later = self.points.range(n + 1..);
            let slope = |b: &Point| ((b.1 - a.1) / (b.0 - a.0)) as f32;
            self.slopes.extend(later.map(slope));
        }
        let slope = f64::from(middle(&mut self.slopes, f32::total_cmp));
        let newest = self.points.back()?.0;
        self.offsets.clear();
        let at_newest = |point: &Point| point.1 + slope * (newest - point.0);
        self.offsets.extend(self.points.iter().map(at_newest));
        let now_us = middle(&mut self.offsets, f64::total_cmp);
        for offset in &mut self.offsets {
            *offset = (*offset - now_us).abs();
        }
        // The median deviation as a standard deviation; few points look better than they are.
        let seen = 1.4826 * middle(&mut self.offsets, f64::total_cmp);
        let few = 1.0 + 8.0 / count as f64;
        let point_us = (seen * few).max(jitter_us * JITTER_SHARE).max(POINT_US);
        let mean = self.points.iter().map(|point| point.0).sum::<f64>() / count as f64;
        let squares = self.points.iter().map(|point| (point.0 - mean).powi(2));
        let oldest = self.points.front()?.0;
        Some(Line {
            slope,
            error: point_us / squares.sum::<f64>().sqrt(),
            now_us,
            now_error_us: 2.0 * point_us / (count as f64).sqrt(),
            first_us: now_us - slope * (newest - oldest),
        })
    }

    fn believe(&mut self, line: &Line, excess_us: Option<i64>) {
        let certain = line.error <= MOST_ERROR && line.slope.abs() <= MOST_DRIFT;
        let drifting = line.slope.abs() > (ERRORS * line.error).max(LEAST_DRIFT);
        if certain && (drifting || self.believed != 0.0) {
            self.believed = if drifting { line.slope } else { 0.0 };
        }
        let added_up_us = match excess_us {
            Some(excess_us) => excess_us as f64 - ABOVE_US,
            None if certain || self.anchor_us.is_some() => {
                let begin_us = if drifting { line.first_us } else { line.now_us };
                line.now_us - *self.anchor_us.get_or_insert(begin_us) - self.followed_us
            }
            None => 0.0,
        };
        let bound_us = match self.bringing_back {
            true => LET_BE_US,
            false => ADDED_UP_US.max(ERRORS * line.now_error_us),
        };
        // Adaptive playout has its joins for what does not come from clocks.
        self.bringing_back = excess_us.is_none() && certain && added_up_us.abs() > bound_us;
        self.rate = match self.believed != 0.0 || self.bringing_back {
            true => self.believed + (added_up_us / BRING_BACK_US).clamp(-MOST_BACK, MOST_BACK),
            false => 0.0,
        };
    }
}

/// The median, the upper of two in the middle.
fn middle<N: Copy>(values: &mut [N], order: fn(&N, &N) -> std::cmp::Ordering) -> N {
    let place = values.len() / 2;
    *values.select_nth_unstable_by(place, order).1
}
