//! How late packets come, and so how long to hold audio back before it is played.
//!
//! Theory of operation. A packet's *lateness* is how much later it came than the fastest of the last
//! seconds would have (its transit time less the least transit time, so that the clocks of both ends
//! need not agree, and may drift apart). The target is the lateness that all but a small share of the
//! packets of the last seconds stayed below.
//!
//! A network that stops and then delivers everything at once is no jitter: holding every word back by
//! half a second for what happens once in ten would be a bad trade, and it cannot be foreseen. Packets
//! that come much later than anything of late are therefore set aside as a *stall*, with all that are
//! held up behind them, unless stalls follow each other soon: then lateness is what the network has.
//! In the first seconds, when nothing is known of the network, only what is very late is one.

use std::collections::VecDeque;

use super::media_us;

/// How long lateness is remembered.
const WINDOW_US: i64 = 40_000_000;

/// How long the least transit time is remembered, in two halves.
const BASE_WINDOW_US: i64 = 10_000_000;

/// A stall is later than the target by more than this; in a network that is not known by more.
const STALL_US: i64 = 150_000;
const FIRST_STALL_US: i64 = 250_000;
const KNOWN_AFTER_US: i64 = 5_000_000;

/// Lateness that grows by more than this is of its own making, and not what is held up by another.
const RISE_US: i64 = 1000;

/// How long after a stall packets that it held up still come.
const STALL_LENGTH_US: i64 = 200_000;

/// Stalls that come within this time of each other are jitter.
const STALL_MEMORY_US: i64 = 3_000_000;

/// Stalls remembered, however they follow each other.
const MAX_STALLS: usize = 8;

/// Packets remembered, whatever the window: 40 s of 20 ms packets.
const MAX_REMEMBERED: usize = 2000;

/// Time for which the late packets to come are guessed, and the guess: as many standard deviations
/// above the mean.
const YOUNG_US: f64 = 10_000_000.0;
const DEVIATIONS: f64 = 3.0;

/// Packets in time for which the target stays.
const AIM_EVERY: usize = 4;

/// Added to what was seen.
const MARGIN_US: f64 = 20_000.0;

/// No network holds packets back for so long, nor hurries them: the clock was set.
const CLOCK_SET_US: u64 = 60_000_000;

/// A packet's lateness.
#[derive(Debug, Clone, Copy)]
struct Seen {
    arrival_us: i64,
    late_us: i64,
    stalled: bool,
}

/// What arrivals say about the network.
#[derive(Debug)]
pub(super) struct Delay {
    /// Share of packets that may come later than the target.
    late_share: f64,
    seen: VecDeque<Seen>,
    /// Least transit time of this half window and of the one before, and when this one began.
    base: Option<(i64, i64, i64)>,
    stalls: VecDeque<i64>,
    stalled: bool,
    late_us: i64,
    /// Packets since the target was found last.
    since_aim: usize,
    target_us: i64,
    transit_us: Option<i64>,
    jitter_us: f64,
    sorted: Vec<i64>,
}

impl Delay {
    pub(super) fn new(late_share: f64) -> Self {
        Self {
            late_share,
            seen: VecDeque::new(),
            base: None,
            stalls: VecDeque::new(),
            stalled: false,
            late_us: 0,
            since_aim: 0,
            target_us: 0,
            transit_us: None,
            jitter_us: 0.0,
            sorted: Vec::new(),
        }
    }

    /// The lateness to be ready for, without what stalls did.
    pub(super) fn target_us(&self) -> i64 {
        self.target_us
    }

    /// Least transit time of the last seconds, by both clocks.
    pub(super) fn base_us(&self) -> Option<i64> {
        self.base.map(|(now, before, _)| now.min(before))
    }

    /// RFC 3550 §6.4.1, in microseconds.
    pub(super) fn jitter_us(&self) -> f64 {
        self.jitter_us
    }

    pub(super) fn observe(&mut self, time: i64, now_us: i64) {
        let transit = now_us.saturating_sub(media_us(time));
        if let Some(base_us) = self.base_us()
            && transit.abs_diff(base_us) > CLOCK_SET_US
        {
            self.set_clock(transit.saturating_sub(base_us));
        }
        if let Some(before) = self.transit_us.replace(transit) {
            let d = transit.abs_diff(before) as f64;
            self.jitter_us += (d - self.jitter_us) / 16.0;
        }
        self.base = Some(match self.base {
            Some((least, before, began)) if now_us.saturating_sub(began) < BASE_WINDOW_US / 2 => {
                (least.min(transit), before, began)
            }
            Some((least, ..)) => (transit, least, now_us),
            None => (transit, transit, now_us),
        });
        let late_us = transit.saturating_sub(self.base_us().unwrap_or(transit));
        self.note_stall(late_us, now_us);
        self.seen.push_back(Seen {
            arrival_us: now_us,
            late_us,
            stalled: self.stalled,
        });
        let old = |seen: &Seen| now_us.saturating_sub(seen.arrival_us) > WINDOW_US;
        while self.seen.len() > MAX_REMEMBERED || self.seen.front().is_some_and(old) {
            self.seen.pop_front();
        }
        // What a packet in time changes may wait: the quantile of thousands is work.
        self.since_aim += 1;
        let young = (self.age_us(now_us) as f64) < YOUNG_US;
        if young || late_us > self.target_us || self.since_aim == AIM_EVERY {
            self.since_aim = 0;
            self.aim(now_us);
        }
    }

    /// Time since the first packet that is remembered.
    fn age_us(&self, now_us: i64) -> i64 {
        let first_us = self.seen.front().map_or(now_us, |seen| seen.arrival_us);
        now_us.saturating_sub(first_us)
    }

    /// Takes what was seen for as much later as the clock was set forward.
    fn set_clock(&mut self, by_us: i64) {
        (self.base, self.transit_us) = (None, None);
        for seen in &mut self.seen {
            seen.arrival_us = seen.arrival_us.saturating_add(by_us);
        }
        for at in &mut self.stalls {
            *at = at.saturating_add(by_us);
        }
    }

    fn note_stall(&mut self, late_us: i64, now_us: i64) {
        let before_us = std::mem::replace(&mut self.late_us, late_us);
        self.stalled &= late_us <= before_us.saturating_add(RISE_US);
        let stall_us = match self.age_us(now_us) < KNOWN_AFTER_US {
            true => FIRST_STALL_US,
            false => STALL_US,
        };
        if !self.stalled && late_us > self.target_us.saturating_add(stall_us) {
            self.stalls.push_back(now_us);
            self.stalled = true;
        } else {
            // What was held up comes all at once; what is late afterwards is late by itself.
            let over = self
                .stalls
                .back()
                .is_none_or(|at| now_us.saturating_sub(*at) > STALL_LENGTH_US);
            self.stalled &= !over && late_us > self.target_us;
        }
        while self.stalls.len() > MAX_STALLS
            || self
                .stalls
                .front()
                .is_some_and(|at| now_us.saturating_sub(*at) > STALL_MEMORY_US)
        {
            self.stalls.pop_front();
        }
    }

    fn aim(&mut self, now_us: i64) {
        let jitter = self.stalls.len() > 1;
        self.sorted.clear();
        let counts = self.seen.iter().filter(|seen| jitter || !seen.stalled);
        self.sorted.extend(counts.map(|seen| seen.late_us));
        if self.sorted.is_empty() {
            return;
        }
        // The first of the late ones is waited for: a few packets show few of them.
        let last = self.sorted.len() - 1;
        let late = (self.late_share * last as f64) as usize;
        let place = last - late.saturating_sub(1);
        let quantile = *self.sorted.select_nth_unstable(place).1 as f64;
        // Few packets do not show the rare late ones: for a while these are guessed.
        let count = self.sorted.len() as f64;
        let mean = self.sorted.iter().map(|late| *late as f64).sum::<f64>() / count;
        let squares = |sum: f64, late: &i64| sum + (*late as f64 - mean).powi(2);
        let deviation = (self.sorted.iter().fold(0.0, squares) / count).sqrt();
        let guess = mean + DEVIATIONS * deviation;
        let youth = (1.0 - self.age_us(now_us) as f64 / YOUNG_US).max(0.0);
        let aim = quantile + youth * (guess - quantile).max(0.0);
        self.target_us = (aim + MARGIN_US.min(aim)) as i64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 20 ms, each so many milliseconds late; the target at the end, in milliseconds.
    fn target_ms(late_ms: impl IntoIterator<Item = i64>) -> i64 {
        let mut delay = Delay::new(0.01);
        for (number, late) in (0..).zip(late_ms) {
            delay.observe(number * 960, (number * 20 + 1000 + late) * 1000);
        }
        delay.target_us() / 1000
    }

    #[test]
    fn a_network_without_jitter_needs_no_delay() {
        assert_eq!(target_ms([0; 500]), 0);
    }

    #[test]
    fn the_target_is_what_all_but_few_stay_below() {
        // Every twentieth packet is 60 ms late.
        let late = |n: i64| if n % 20 == 19 { 60 } else { n % 3 };
        assert_eq!(target_ms((0..1000).map(late)), 60 + 20);
        // Of 1,500, five is less than one in a hundred.
        let late = |n: i64| if n % 300 == 299 { 60 } else { n % 3 };
        assert_eq!(target_ms((0..1500).map(late)), 2 + 2);
        // One of ten thousand is, but of a hundred it is waited for.
        let late = |n: i64| if n == 90 { 60 } else { n % 3 };
        assert!(target_ms((0..100).map(late)) >= 60);
    }

    #[test]
    fn a_stall_is_no_jitter_and_stalls_that_follow_each_other_are() {
        // Everything is held up for half a second, and comes at once.
        let stall = |n: i64, at: i64| (500 - 20 * (n - at)).clamp(0, 500) * i64::from(n >= at);
        assert_eq!(target_ms((0..600).map(|n| stall(n, 500))), 0);
        let often = |n: i64| stall(n % 60, 10);
        assert!(target_ms((0..600).map(often)) > 400);
    }

    #[test]
    fn what_was_is_forgotten() {
        let late = |n: i64| if n < 1000 { n % 2 * 80 } else { 0 };
        assert_eq!(target_ms((0..3100).map(late)), 0);
    }

    #[test]
    fn clocks_that_drift_apart_are_no_lateness() {
        // 300 parts in a million: 18 ms a minute, for ten minutes.
        let mut delay = Delay::new(0.01);
        for number in 0..30_000_i64 {
            let now_us = number * 20_006;
            delay.observe(number * 960, now_us);
        }
        assert!(delay.target_us() < 8_000, "{}", delay.target_us());
    }
}
