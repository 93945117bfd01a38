//! What is heard when nobody speaks: its level and its sound, from the quietest moments.
//!
//! By minimum statistics (Martin, 2001) at their simplest: of each of the last five seconds that were
//! received the quietest 20 ms are kept. Between words these are the background, and nothing else has
//! to be told from speech. The least of many is too little, so the level is the mean of all moments
//! that are hardly louder. Music has no such moments; what is taken for its background is bounded.

use super::stretch::Unit;

/// Seconds that are remembered: somebody who speaks pauses in one of them at least.
const SECONDS: usize = 5;

/// A moment, in milliseconds: as long as a syllable's gap, long enough to tell a level.
const MOMENT_MS: u32 = 20;

/// Values of a moment that are looked at: more tell its power no better.
const LOOKED_AT: usize = 120;

/// Moments whose power is remembered: as many as there are in five seconds.
const MOMENTS: usize = 256;

/// Moments up to so much louder than the quietest are background as well: 6 dB, as a ratio of power.
const HARDLY_LOUDER: f32 = 4.0;

/// Sound that is so near to its background, 3 dB, is nothing else; of other sound the background lies
/// at least 15 dB below the mean.
const STEADY: f32 = 2.0;
const BELOW_SOUND: f32 = 30.0;

/// A second of received sound.
struct Second<T> {
    /// The quietest moment of it, and its power.
    quietest: Vec<T>,
    least: f32,
    /// Power of all moments, summed.
    power: f32,
    moments: u32,
    samples: usize,
}

impl<T> Second<T> {
    fn clear(&mut self) {
        self.quietest.clear();
        self.least = f32::INFINITY;
        (self.power, self.moments, self.samples) = (0.0, 0, 0);
    }
}

/// The background of one stream.
pub(super) struct Background<T> {
    seconds: [Second<T>; SECONDS],
    current: usize,
    powers: [f32; MOMENTS],
    next: usize,
    rate: usize,
    channels: usize,
}

impl<T: Unit> Background<T> {
    pub(super) fn new(rate: u32, channels: usize) -> Self {
        let moment = (rate / 1000 * MOMENT_MS) as usize * channels;
        Self {
            seconds: std::array::from_fn(|_| Second {
                quietest: Vec::with_capacity(moment),
                least: f32::INFINITY,
                power: 0.0,
                moments: 0,
                samples: 0,
            }),
            current: 0,
            powers: [f32::INFINITY; MOMENTS],
            next: 0,
            rate: rate as usize,
            channels,
        }
    }

    /// Forgets what was heard: the next sender is elsewhere.
    pub(super) fn forget(&mut self) {
        self.seconds.iter_mut().for_each(Second::clear);
        self.powers = [f32::INFINITY; MOMENTS];
    }

    /// Learns from what was decoded from a packet, interleaved.
    pub(super) fn learn(&mut self, pcm: &[T]) {
        let moment = self.rate / 1000 * MOMENT_MS as usize * self.channels;
        for moment in pcm.chunks(moment) {
            let power = roughly(moment);
            self.powers[self.next % MOMENTS] = power;
            self.next = self.next.wrapping_add(1);
            let mut second = &mut self.seconds[self.current];
            if second.samples >= self.rate {
                self.current = (self.current + 1) % SECONDS;
                second = &mut self.seconds[self.current];
                second.clear();
            }
            second.power += power;
            second.moments += 1;
            second.samples += moment.len() / self.channels;
            if power < second.least {
                second.least = power;
                second.quietest.clear();
                second.quietest.extend_from_slice(moment);
            }
        }
    }

    /// A moment of background, and the power that the background has; `None` if nothing is known.
    pub(super) fn quietest(&self) -> Option<(&[T], f32)> {
        let known = self.seconds.iter().filter(|second| second.moments > 0);
        let mut sorted: [Option<&Second<T>>; SECONDS] = [None; SECONDS];
        let mut count = 0;
        for (place, second) in sorted.iter_mut().zip(known) {
            *place = Some(second);
            count += 1;
        }
        sorted[..count].sort_unstable_by(|a, b| {
            let least = |second: &Option<&Second<T>>| second.map_or(0.0, |second| second.least);
            least(a).total_cmp(&least(b))
        });
        // The second: one moment may be a hole in the sound, or the stream's first.
        let chosen = sorted[usize::from(count > 1)]?;
        let all = sorted.iter().flatten();
        let (power, moments) = all.fold((0.0, 0), |(power, moments), second| {
            (power + second.power, moments + second.moments)
        });
        let mean = power / moments as f32;
        let alike = |power: &&f32| **power <= chosen.least * HARDLY_LOUDER;
        let background = self.powers.iter().filter(alike);
        let count = background.clone().count().max(1);
        let level = (background.sum::<f32>() / count as f32).max(chosen.least);
        Some((
            &chosen.quietest,
            match level * STEADY >= mean {
                true => level,
                false => level.min(mean / BELOW_SOUND),
            },
        ))
    }
}

/// The mean power of some of the values.
fn roughly<T: Unit>(pcm: &[T]) -> f32 {
    // Odd, so that it meets both of two channels.
    let step = (pcm.len() / LOOKED_AT) | 1;
    // Four sums, so that none waits for the one before it.
    let fours = pcm.chunks_exact(4 * step);
    let mut sums = [0.0; 4];
    let count = 4 * fours.len();
    for four in fours {
        for (n, sum) in sums.iter_mut().enumerate() {
            let value = four[n * step].to_unit();
            *sum += value * value;
        }
    }
    sums.iter().sum::<f32>() / count.max(1) as f32
}
