//! Comfort noise: the background goes on where nothing else is left to be heard.
//!
//! What is concealed fades within half a second, and packets that are awaited may take longer. The
//! line would seem dead, and on a noisy one even the fading be heard. So what is made up is filled up
//! with noise to the level that the background had before it: not at all while concealment is as loud,
//! and with nothing but noise when it has faded. The noise has the spectrum of the background (linear
//! prediction) and, in several channels, as much in common as that has.

use super::account::Span;
use super::background::Background;
use super::stretch::Unit;
use crate::conceal::{Missing, Origin};

/// After so long without data nobody is to be deceived: for two seconds the noise fades, and then the
/// silence says that the connection is gone. Not in a pause of which the sender said that it is one.
const HOLD_MS: usize = 3000;
const FADE_MS: usize = 2000;

/// The loudest noise, whatever the background: -40 dB of full scale, as power.
const LOUDEST: f32 = 1e-4;

/// The quietest, half a bit of 16: what is quieter is silence.
const QUIETEST: f32 = 0.25 / (32_768.0 * 32_768.0);

/// Order of the prediction: two poles for each of the broad features that a background may have.
const ORDER: usize = 16;

/// Added to the power of what is analysed, so that no band is lower than -40 dB of it.
const FLOOR: f64 = 1e-4;

/// The power of what is heard is measured over this time, and noise comes and goes within the other.
const MEASURED_MS: f32 = 10.0;
const SLEW_MS: f32 = 5.0;

/// How much louder sound before a gap is taken to be than the noise: noise begins so much later.
const LOUD: f32 = 100.0;

/// Noise of one channel.
#[derive(Clone, Default)]
struct Shape {
    /// What follows from the values before, the latest first.
    weights: [f32; ORDER],
    before: [f32; ORDER],
    gain: f32,
    /// How much of the first channel's noise is in this one's.
    common: f32,
}

impl Shape {
    fn next(&mut self, noise: f32) -> f32 {
        let predicted: f32 = self
            .weights
            .iter()
            .zip(&self.before)
            .map(|(weight, value)| weight * value)
            .sum();
        let value = predicted + noise * self.gain;
        self.before.copy_within(..ORDER - 1, 1);
        self.before[0] = value;
        value
    }
}

/// Comfort noise of one stream.
pub(super) struct Comfort<T> {
    pub(super) background: Background<T>,
    shapes: Vec<Shape>,
    /// Power of the noise; 0 where there is to be none.
    level: f32,
    /// How much of it is heard now.
    gain: f32,
    /// Power of what is heard besides.
    power: f32,
    /// Samples since data was heard.
    dry: usize,
    rate: usize,
    seed: u32,
}

impl<T: Unit> Comfort<T> {
    pub(super) fn new(rate: u32, channels: usize) -> Self {
        Self {
            background: Background::new(rate, channels),
            shapes: vec![Shape::default(); channels],
            level: 0.0,
            gain: 0.0,
            power: 0.0,
            dry: 0,
            rate: rate as usize,
            seed: 0x9e37_79b9,
        }
    }

    /// How many of so many samples may be handed out at once: noise ends between two spans.
    pub(super) fn piece(&self, samples: usize) -> usize {
        match self.end().saturating_sub(self.dry) {
            0 => samples,
            left => samples.min(left),
        }
    }

    /// Fills up what is handed out next, and says what it is then; `awaited` says of silence that the
    /// stream should have been there.
    pub(super) fn fill_up(&mut self, span: Span, awaited: bool, pcm: &mut [T]) -> Span {
        let missing = matches!(span.missing, Some(Missing::Lost | Missing::Unsent));
        let made_up = match span.origin {
            Origin::Received | Origin::Fec | Origin::Dred => false,
            Origin::Plc | Origin::ComfortNoise => true,
            Origin::Silence => awaited || missing,
        };
        if !made_up {
            self.dry = 0;
            match span.origin {
                Origin::Silence => self.gain = 0.0,
                _ => self.fade_out(pcm),
            }
            return span;
        }
        if self.dry == 0 {
            self.begin();
        }
        let is_noise = self.level > 0.0 && self.dry < self.end();
        if is_noise {
            self.add(pcm);
        }
        // A pause may be as long as it is.
        self.dry += match span.missing {
            Some(Missing::Unsent) => usize::from(self.dry == 0),
            _ => span.samples,
        };
        match span.origin {
            Origin::Silence if is_noise => Span {
                origin: Origin::ComfortNoise,
                ..span
            },
            _ => span,
        }
    }

    /// Samples without data after which there is no noise.
    fn end(&self) -> usize {
        self.rate / 1000 * (HOLD_MS + FADE_MS)
    }

    /// Looks at what the background was.
    fn begin(&mut self) {
        self.level = 0.0;
        let Some((moment, level)) = self.background.quietest() else {
            return;
        };
        let channels = self.shapes.len();
        let samples = (moment.len() / channels).max(1) as f32;
        let power = dot(moment, moment) / (samples * channels as f32);
        let level = level.min(LOUDEST);
        if !(level >= QUIETEST && power > 0.0 && power.is_finite()) {
            return;
        }
        self.level = level;
        self.power = LOUD * level;
        let first: Vec<f32> = (moment.iter().step_by(channels))
            .map(|v| v.to_unit())
            .collect();
        for (channel, shape) in self.shapes.iter_mut().enumerate() {
            let sound: Vec<f32> = (moment[channel..].iter().step_by(channels))
                .map(|v| v.to_unit())
                .collect();
            let own = dot(&sound, &sound);
            let both = (own * dot(&first, &first)).sqrt();
            *shape = Shape {
                common: if both > 0.0 {
                    (dot(&sound, &first) / both).clamp(-1.0, 1.0)
                } else {
                    0.0
                },
                ..predict(&sound, own / samples * level / power)
            };
        }
    }

    /// Adds as much noise as lacks to its level.
    fn add(&mut self, pcm: &mut [T]) {
        let channels = self.shapes.len();
        let measured = 1.0 / (self.rate as f32 / 1000.0 * MEASURED_MS);
        let slew = 1.0 / (self.rate as f32 / 1000.0 * SLEW_MS);
        let per_ms = self.rate / 1000;
        for (n, frame) in pcm.chunks_exact_mut(channels).enumerate() {
            let power: f32 = frame
                .iter()
                .map(|value| value.to_unit() * value.to_unit())
                .sum();
            self.power += (power / channels as f32 - self.power) * measured;
            let faded = (self.dry + n).saturating_sub(HOLD_MS * per_ms) as f32;
            let hold = 1.0 - faded / (FADE_MS * per_ms) as f32;
            let lacking = (1.0 - self.power / self.level).max(0.0).sqrt();
            let wanted = lacking * hold.max(0.0);
            self.gain += (wanted - self.gain).clamp(-slew, slew);
            if self.gain > 0.0 {
                let gain = self.gain;
                self.each(frame, gain);
            }
        }
    }

    /// Lets the noise go where data is heard again.
    fn fade_out(&mut self, pcm: &mut [T]) {
        let slew = 1.0 / (self.rate as f32 / 1000.0 * SLEW_MS);
        for frame in pcm.chunks_exact_mut(self.shapes.len()) {
            if self.gain <= 0.0 {
                return;
            }
            self.gain = (self.gain - slew).max(0.0);
            let gain = self.gain;
            self.each(frame, gain);
        }
    }

    fn each(&mut self, frame: &mut [T], gain: f32) {
        let first = self.noise();
        for (channel, value) in frame.iter_mut().enumerate() {
            let common = self.shapes[channel].common;
            let own = match channel {
                0 => first,
                _ => common * first + (1.0 - common * common).sqrt() * self.noise(),
            };
            let noise = self.shapes[channel].next(own);
            *value = T::from_unit(value.to_unit() + gain * noise);
        }
    }

    /// A value of white noise of power 1: the same ones for the same packets (xorshift; Marsaglia, 2003).
    fn noise(&mut self) -> f32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        let uniform = (self.seed >> 8) as f32 / (1 << 24) as f32 - 0.5;
        uniform * 12.0_f32.sqrt()
    }
}

fn dot<T: Unit>(a: &[T], b: &[T]) -> f32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| a.to_unit() * b.to_unit())
        .sum()
}

/// What makes noise of this power with the spectrum of `sound`: Levinson's and Durbin's recursion on
/// its autocorrelation.
fn predict(sound: &[f32], power: f32) -> Shape {
    let last = sound.len().max(2) as f32 - 1.0;
    // A window without edges (Welch's).
    let windowed: Vec<f32> = sound
        .iter()
        .enumerate()
        .map(|(n, value)| value * (n as f32 / last) * (1.0 - n as f32 / last))
        .collect();
    let mut alike = [0.0_f64; ORDER + 1];
    for (lag, sum) in alike.iter_mut().enumerate() {
        *sum = f64::from(dot(&windowed, windowed.get(lag..).unwrap_or_default()));
    }
    if alike[0] <= 0.0 {
        return Shape::default();
    }
    alike[0] *= 1.0 + FLOOR;
    let mut weights = [0.0_f64; ORDER];
    let mut left = alike[0];
    for n in 0..ORDER {
        let known: f64 = (0..n).map(|j| weights[j] * alike[n - j]).sum();
        let next = (alike[n + 1] - known) / left;
        let shorter = weights;
        weights[n] = next;
        for j in 0..n {
            weights[j] = shorter[j] - next * shorter[n - 1 - j];
        }
        left *= 1.0 - next * next;
    }
    Shape {
        weights: weights.map(|weight| weight as f32),
        gain: (f64::from(power) * left / alike[0]).max(0.0).sqrt() as f32,
        ..Shape::default()
    }
}
