//! Sound made shorter or longer by one period of itself, where it is most like itself.
//!
//! Pitch-synchronous overlap-add in the manner of WSOLA (Verhelst and Roelands, 1993): two stretches
//! that follow each other and are alike are faded into one, which leaves a period out, or the first
//! is put in once more. Where to join is searched on a copy of one channel at 8 kHz and then refined
//! at full rate.

/// Lags that are tried, in units of 1/8000 s: 2.5 ms (400 Hz) to 20 ms (50 Hz, or two periods).
const MIN_LAG: usize = 20;
const MAX_LAG: usize = 160;
const COARSE_RATE: usize = 8000;

/// How far apart the places are that are tried: 2 ms.
const STEP: usize = if cfg!(fuzzing) { 160 } else { 16 };

/// Lags that are tried: each. In fuzzing few, and few places: a join anywhere is as good to the logic,
/// and the search is nearly all of the time.
const LAG_STEP: usize = if cfg!(fuzzing) { 25 } else { 1 };

/// What a long period and an early place are worth in a hurry, against likeness.
const HURRY: f32 = 0.3;

/// Root mean square below which sound counts as quiet: -50 dB of full scale.
const QUIET: f32 = 0.003;

/// The samples that a join takes from its place on, in milliseconds.
pub(super) const MAX_JOIN_MS: usize = 2 * 1000 * MAX_LAG / COARSE_RATE;

/// A sample as a number of full scale 1, and back.
pub trait Unit: Copy {
    /// As a number of full scale 1.
    fn to_unit(self) -> f32;
    /// From one; what is beyond full scale is cut off where the type ends.
    fn from_unit(value: f32) -> Self;
}

impl Unit for i16 {
    fn to_unit(self) -> f32 {
        f32::from(self) / 32_768.0
    }

    fn from_unit(value: f32) -> Self {
        (value * 32_768.0).round_ties_even() as Self
    }
}

impl Unit for f32 {
    fn to_unit(self) -> f32 {
        self
    }

    fn from_unit(value: f32) -> Self {
        value
    }
}

/// Where sound can be joined with itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Join {
    /// The place, in samples.
    pub(super) at: usize,
    /// The period, in samples: what is left out or put in.
    pub(super) period: usize,
    /// Correlation of the period with the next one, -1 to 1.
    pub(super) likeness: f32,
    /// Whether both are all but silent: then no join is heard.
    pub(super) quiet: bool,
}

/// Finds the best place in `sound`, one channel at `rate` Hz, full scale 1.
///
/// In a `hurry` a long period and an early place count as well, so that much is joined soon.
/// `None` when it is too short for any join.
pub(super) fn find_join(sound: &[f32], rate: u32, hurry: bool) -> Option<Join> {
    let factor = rate as usize / COARSE_RATE;
    let coarse: Vec<f32> = sound
        .chunks_exact(factor)
        .map(|part| part.iter().sum::<f32>() / factor as f32)
        .collect();
    let ahead = coarse.len().max(1) as f32;
    let merit = |join: &Join| {
        let length = (join.period / factor) as f32 / MAX_LAG as f32;
        if join.quiet {
            // The longest period: fewer joins for the same time.
            return 2.0 + length;
        }
        let early = 1.0 - (join.at / factor) as f32 / ahead;
        join.likeness + if hurry { HURRY * (length + early) } else { 0.0 }
    };
    let mut best: Option<Join> = None;
    for at in (0..coarse.len().saturating_sub(2 * MIN_LAG)).step_by(STEP) {
        let most = MAX_LAG.min((coarse.len() - at) / 2);
        for lag in (MIN_LAG..=most).step_by(LAG_STEP) {
            // At least 7.5 ms are compared: shorter pieces are alike by chance.
            let width = lag.max(60).min(coarse.len() - at - lag);
            let (likeness, power) = compare(&coarse[at..], lag, width);
            let quiet = power < QUIET * QUIET;
            let join = Join {
                at: at * factor,
                period: lag * factor,
                likeness,
                quiet,
            };
            if best.is_none_or(|best| merit(&join) > merit(&best)) {
                best = Some(join);
            }
        }
    }
    best.map(|join| refine(sound, join, factor))
}

/// Normalised correlation of `sound` with itself `lag` later, and the mean power of both.
fn compare(sound: &[f32], lag: usize, width: usize) -> (f32, f32) {
    let (mut cross, mut first, mut second) = (0.0_f32, 1e-9_f32, 1e-9_f32);
    for (a, b) in sound[..width].iter().zip(&sound[lag..lag + width]) {
        cross += a * b;
        first += a * a;
        second += b * b;
    }
    (
        cross / (first * second).sqrt(),
        (first + second) / (2 * width) as f32,
    )
}

fn refine(sound: &[f32], join: Join, factor: usize) -> Join {
    if join.quiet {
        return join;
    }
    let lags = join.period.saturating_sub(factor - 1)..join.period + factor;
    let mut best = Join {
        likeness: f32::MIN,
        ..join
    };
    for period in lags.filter(|period| join.at + 2 * period <= sound.len()) {
        let (likeness, _) = compare(&sound[join.at..], period, period);
        if likeness > best.likeness {
            best = Join {
                period,
                likeness,
                ..join
            };
        }
    }
    if best.likeness == f32::MIN {
        join
    } else {
        Join {
            likeness: join.likeness,
            ..best
        }
    }
}

/// Interleaved sound that goes from `old` into `new`, both as long.
pub(super) fn crossfade<T: Unit>(old: &[T], new: &[T], channels: usize) -> Vec<T> {
    let samples = new.len() / channels;
    let both = old.iter().zip(new).enumerate();
    both.map(|(n, (old, new))| {
        let share = weight(n / channels, samples);
        T::from_unit(old.to_unit() * (1.0 - share) + new.to_unit() * share)
    })
    .collect()
}

/// The weight of what comes after, at `n` of `count` samples.
fn weight(n: usize, count: usize) -> f32 {
    let phase = (n as f32 + 0.5) / count as f32 * std::f32::consts::PI;
    0.5 - 0.5 * phase.cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, samples: usize) -> Vec<f32> {
        let angle = |n: usize| n as f32 * hz * std::f32::consts::TAU / 48_000.0;
        (0..samples)
            .map(|n| 0.3 * angle(n).sin() + 0.1 * (3.0 * angle(n)).sin())
            .collect()
    }

    #[test]
    fn the_period_of_a_voice_is_found() {
        for hz in [80.0, 120.0, 210.0, 330.0] {
            let join = find_join(&tone(hz, 1920), 48_000, false).unwrap();
            let periods = join.period as f32 * hz / 48_000.0;
            assert!(
                (periods - periods.round()).abs() < 0.02,
                "{hz} Hz: {join:?}"
            );
            assert!(join.likeness > 0.99 && !join.quiet);
            assert!(join.at + 2 * join.period <= 1920);
        }
    }

    #[test]
    fn silence_is_quiet_and_little_sound_has_no_join() {
        assert!(find_join(&[0.0; 1920], 48_000, false).unwrap().quiet);
        assert_eq!(find_join(&[0.0; 100], 48_000, false), None);
    }

    #[test]
    fn weights_of_both_sides_add_up() {
        for n in 0..100 {
            let both = weight(n, 100) + weight(99 - n, 100);
            assert!((both - 1.0).abs() < 1e-5);
        }
    }
}
