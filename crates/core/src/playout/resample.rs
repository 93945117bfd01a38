//! Sound played a little faster or slower, by parts in a million, for clocks that do not agree.
//!
//! Each output sample is the sound's value between two input samples, by a windowed sinc (Kaiser) of
//! 32 samples, from a table of 256 places between which coefficients are interpolated (Smith and
//! Gossett, 1984). Where an output sample falls on an input sample it is that sample, exactly, so
//! that following can begin and end without a trace; while clocks agree nothing passes through here.

use std::sync::OnceLock;

use super::stretch::Unit;

/// Input samples before and after an output sample that it is made from.
pub(super) const HALF: usize = if cfg!(fuzzing) { 4 } else { 16 };
const TAPS: usize = 2 * HALF;

/// Places between two samples in the table.
const PLACES: usize = 256;

/// The Kaiser window's shape: side lobes below -90 dB.
const BETA: f64 = 9.0;

/// Output samples made at a time: at most one input sample is left out or used twice for them.
pub(super) const CHUNK: usize = 480;

/// How fast the last part of a sample is made up when following ends.
const PARKING: f64 = 50e-6;

type Taps = [f32; TAPS];

/// Where the output is between the input's samples, and what was played last.
#[derive(Debug)]
pub(super) struct Resampler {
    channels: usize,
    /// From the last sample handed out to the next of the output, 0 to 1.
    phase: f64,
    /// The last samples before the next, then those of a chunk and after it; interleaved.
    sound: Vec<f32>,
}

/// How a chunk is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// Input samples that are used up.
    pub(super) consumed: usize,
    /// Input samples in an output sample.
    by: f64,
    from: f64,
    to: f64,
}

impl Step {
    /// Input samples more than output samples, with the parts.
    pub(super) fn faster(&self, samples: usize) -> f64 {
        (self.by - 1.0) * samples as f64
    }
}

impl Resampler {
    pub(super) fn new(channels: usize) -> Self {
        let mut sound = Vec::with_capacity((HALF + CHUNK + 1 + HALF + 1) * channels);
        sound.resize(HALF * channels, 0.0);
        Self {
            channels,
            phase: 0.0,
            sound,
        }
    }

    pub(super) fn phase(&self) -> f64 {
        self.phase
    }

    /// Sets the place between two samples, 0 up to 1.
    pub(super) fn set_phase(&mut self, phase: f64) {
        self.phase = phase;
    }

    /// How the next `samples`, at most [`CHUNK`], are made; `None` when they are the input's own.
    pub(super) fn plan(&self, rate: f64, samples: usize) -> Option<Step> {
        let from = self.phase;
        let mut ahead = rate * samples as f64;
        if rate == 0.0 {
            if from == 0.0 {
                return None;
            }
            // To the next whole sample, and exactly there.
            let left = if from < 0.5 { -from } else { 1.0 - from };
            let most = PARKING * samples as f64;
            ahead = left.clamp(-most, most);
        }
        let end = from + ahead;
        let whole = end.floor();
        Some(Step {
            consumed: (samples as f64 + whole) as usize,
            by: 1.0 + ahead / samples as f64,
            from,
            to: end - whole,
        })
    }

    /// Remembers what was handed out as it was.
    pub(super) fn remember<T: Unit>(&mut self, pcm: &[T]) {
        let kept = HALF * self.channels;
        let new = &pcm[pcm.len().saturating_sub(kept)..];
        self.sound.truncate(kept);
        self.sound.drain(..new.len());
        self.sound.extend(new.iter().map(|sample| sample.to_unit()));
    }

    /// Makes `out` from `input`, the samples used up, and `after`, the next ones, as far as there are.
    pub(super) fn make<T: Unit>(&mut self, step: Step, input: &[T], after: &[T], out: &mut [T]) {
        let channels = self.channels;
        self.sound.truncate(HALF * channels);
        let next = after.iter().take((HALF + 1) * channels);
        self.sound
            .extend(input.iter().chain(next).map(|sample| sample.to_unit()));
        self.go_on((HALF + input.len() / channels + HALF + 1) * channels);
        for (n, frame) in out.chunks_exact_mut(channels).enumerate() {
            let place = step.from + n as f64 * step.by;
            let taps = taps_at(place.fract());
            // `HALF` samples lie before the first; the one before the place is the tap HALF - 1.
            let first = (place.floor() as usize + 1) * channels;
            let around = &self.sound[first..first + TAPS * channels];
            for (channel, value) in frame.iter_mut().enumerate() {
                let samples = around[channel..].iter().step_by(channels);
                let sum = match channels {
                    1 => dot(&taps, around),
                    _ => taps.iter().zip(samples).map(|(tap, x)| tap * x).sum(),
                };
                *value = T::from_unit(sum);
            }
        }
        // What was used up last is what comes before the next.
        let used = input.len();
        self.sound.copy_within(used..used + HALF * channels, 0);
        self.sound.truncate(HALF * channels);
        self.phase = step.to;
    }

    /// Guesses what is not there yet: the sound mirrored at its last sample, so that it goes on as
    /// it went.
    fn go_on(&mut self, wanted: usize) {
        let (channels, there) = (self.channels, self.sound.len());
        for place in there..wanted {
            let last = there - channels + place % channels;
            let mirrored = last.saturating_sub((place - there) / channels * channels + channels);
            self.sound
                .push(2.0 * self.sound[last] - self.sound[mirrored]);
        }
    }
}

/// Eight sums side by side, which the compiler can do at once.
fn dot(taps: &Taps, sound: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (taps, sound) in taps.as_chunks::<8>().0.iter().zip(sound.as_chunks::<8>().0) {
        for ((sum, tap), x) in sums.iter_mut().zip(taps).zip(sound) {
            *sum += tap * x;
        }
    }
    sums.iter().sum()
}

fn taps_at(fraction: f64) -> Taps {
    let table = TABLE.get_or_init(make_table);
    let place = fraction * PLACES as f64;
    let index = (place as usize).min(PLACES - 1);
    let share = (place - index as f64) as f32;
    let (before, after) = (&table[index], &table[index + 1]);
    std::array::from_fn(|n| before[n] + share * (after[n] - before[n]))
}

static TABLE: OnceLock<Vec<Taps>> = OnceLock::new();

fn make_table() -> Vec<Taps> {
    let taps = |place: usize| {
        let fraction = place as f64 / PLACES as f64;
        let mut taps: [f64; TAPS] = std::array::from_fn(|n| {
            let x = n as f64 - (HALF - 1) as f64 - fraction;
            let window = (1.0 - (x / HALF as f64).powi(2)).max(0.0).sqrt();
            sinc(x) * bessel(BETA * window) / bessel(BETA)
        });
        // Constant sound stays as loud as it is.
        let sum: f64 = taps.iter().sum();
        taps.iter_mut().for_each(|tap| *tap /= sum);
        taps.map(|tap| tap as f32)
    };
    (0..=PLACES).map(taps).collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    // Exactly nothing at all other samples, where the sine is not quite.
    if x.fract() == 0.0 {
        return 0.0;
    }
    let angle = std::f64::consts::PI * x;
    angle.sin() / angle
}

/// The modified Bessel function of the first kind and order 0, by its series.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(cycles: f64, at: f64) -> f64 {
        0.5 * (std::f64::consts::TAU * cycles * at).sin()
    }

    /// Plays a tone at a rate in chunks; the largest error, and how much was used up.
    fn play(cycles: f64, rate: f64, chunks: usize) -> (f64, usize) {
        let mut resampler = Resampler::new(1);
        let (mut worst, mut used, mut place) = (0.0_f64, 0, 0.0);
        let at = |n: usize| tone(cycles, n as f64) as f32;
        for chunk in 0..chunks {
            let step = resampler.plan(rate, CHUNK).unwrap();
            let input: Vec<f32> = (used..used + step.consumed).map(at).collect();
            used += step.consumed;
            let after: Vec<f32> = (used..used + HALF + 1).map(at).collect();
            let mut out = [0.0_f32; CHUNK];
            resampler.make(step, &input, &after, &mut out);
            for value in out {
                if chunk > 0 {
                    worst = worst.max((f64::from(value) - tone(cycles, place)).abs());
                }
                place += 1.0 + rate;
            }
        }
        (worst, used)
    }

    #[test]
    fn a_tone_keeps_its_shape_at_another_rate() {
        for rate in [300e-6, -300e-6, 1e-3] {
            for cycles in [0.01, 0.1, 0.25, 0.4] {
                let (worst, used) = play(cycles, rate, 100);
                assert!(worst < 1e-4, "{cycles} at {rate}: off by {worst}");
                assert_eq!(used, (48_000.0 * (1.0 + rate)) as usize);
            }
        }
    }

    #[test]
    fn following_ends_on_a_whole_sample() {
        let mut resampler = Resampler::new(2);
        assert_eq!(resampler.plan(0.0, CHUNK), None);
        for phase in [0.3, 0.8] {
            resampler.set_phase(phase);
            let mut consumed = 0;
            let mut chunks = 0;
            while let Some(step) = resampler.plan(0.0, CHUNK) {
                let input = vec![0_i16; 2 * step.consumed];
                let mut out = [0_i16; 2 * CHUNK];
                resampler.make(step, &input, &[], &mut out);
                consumed += step.consumed;
                chunks += 1;
            }
            assert_eq!(consumed - chunks * CHUNK, usize::from(phase > 0.5));
            assert_eq!(resampler.phase(), 0.0);
        }
    }

    #[test]
    fn a_sample_between_no_others_is_itself() {
        let mut resampler = Resampler::new(1);
        let input: Vec<i16> = (0..100).map(|n| n * n % 1000 - 300).collect();
        let step = resampler.plan(0.001, 1).unwrap();
        let mut out = [0];
        resampler.make(step, &input[..1], &input[1..18], &mut out);
        assert_eq!(out[0], input[0]);
    }
}
