//! Several sounds as one that does not clip.
//!
//! Sounds are added up. Where the sum would be beyond full scale, it is made quieter from that sample
//! on, just enough, and comes back within half a second: a limiter. A sum that never is beyond full
//! scale is the plain sum, to the bit.

/// How long it takes from silence to full again.
const RELEASE_MS: u32 = 500;

/// A limiter's state.
#[derive(Debug, Clone)]
pub struct Mixer {
    channels: usize,
    /// What the sum is multiplied by, 0 to 1.
    gain: f32,
    release: f32,
    sum: Vec<f32>,
}

impl Mixer {
    /// For interleaved sound of so many channels, at least one, at `rate` Hz.
    #[must_use]
    pub fn new(rate: u32, channels: usize) -> Self {
        Self {
            channels: channels.max(1),
            gain: 1.0,
            release: 1000.0 / (rate.max(1) as f32 * RELEASE_MS as f32),
            sum: Vec::new(),
        }
    }

    /// What the last sample was multiplied by, 0 to 1.
    #[must_use]
    pub fn gain(&self) -> f32 {
        self.gain
    }

    /// Writes the sum of `sounds`, each with its gain; what is shorter than `out` ends there.
    pub fn mix<'a>(&mut self, sounds: impl Iterator<Item = (&'a [i16], f32)>, out: &mut [i16]) {
        self.sum.clear();
        self.sum.resize(out.len(), 0.0);
        for (sound, gain) in sounds {
            for (sum, sample) in self.sum.iter_mut().zip(sound) {
                *sum += f32::from(*sample) * gain;
            }
        }
        let frames = self.sum.chunks(self.channels);
        for (out, frame) in out.chunks_mut(self.channels).zip(frames) {
            self.gain = (self.gain + self.release).min(1.0);
            for value in frame {
                let full = f32::from(if *value < 0.0 { i16::MIN } else { i16::MAX });
                if value.abs() * self.gain > full.abs() {
                    self.gain = full / value;
                }
            }
            for (out, value) in out.iter_mut().zip(frame) {
                *out = (value * self.gain).round_ties_even() as i16;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_added_up_exactly() {
        let (a, b) = ([1, -2, 30_000, -32_768], [5, 7, 2_767, 0]);
        let mut out = [0; 4];
        Mixer::new(48_000, 1).mix([(&a[..], 1.0), (&b[..], 1.0)].into_iter(), &mut out);
        assert_eq!(out, [6, 5, 32_767, -32_768]);
    }

    #[test]
    fn what_does_not_fit_is_made_quieter_and_comes_back() {
        let mut mixer = Mixer::new(48_000, 2);
        let loud: Vec<i16> = (0..960)
            .map(|n| if n % 4 < 2 { 30_000 } else { -30_000 })
            .collect();
        let mut out = vec![0; 960];
        mixer.mix([(&loud[..], 1.0), (&loud[..], 1.0)].into_iter(), &mut out);
        // No flat tops: all samples are as they were, but quieter.
        assert!(out.iter().all(|value| value.unsigned_abs() >= 32_766));
        assert!(mixer.gain() < 0.55);
        for _ in 0..50 {
            mixer.mix([(&[100; 960][..], 1.0)].into_iter(), &mut out);
        }
        assert_eq!((mixer.gain(), out[959]), (1.0, 100));
    }
}
