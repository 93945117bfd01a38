//! How loud audio is: peak, RMS, clipping and silence, in all and in buckets for a picture of it.
//!
//! Samples are taken to full scale ±1 and summed as f64, so that no square can overflow: the RMS of
//! int16 audio computed in int16 is wrong from amplitude 182 on. A [`Meter`] needs the same memory
//! however long the audio is: when its buckets are full, neighbours are merged and each bucket
//! stands for twice the time. Merging loses nothing but resolution, so the totals stay exact.

/// A sample of either format.
pub trait Amplitude: Copy {
    /// It with full scale at ±1.
    fn amplitude(self) -> f64;
}

impl Amplitude for i16 {
    fn amplitude(self) -> f64 {
        f64::from(self) / 32768.0
    }
}

impl Amplitude for f32 {
    fn amplitude(self) -> f64 {
        self.into()
    }
}

/// From here on a sample counts as clipped: int16's highest value, which is also where converters
/// whose range is symmetric stop at the other end.
const CLIP: f64 = 32767.0 / 32768.0;

/// What is known of some samples of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// How many they are.
    pub samples: u64,
    /// How many are at full scale or beyond.
    pub clipped: u64,
    /// How many are exactly zero.
    pub zeros: u64,
    low: f64,
    high: f64,
    sum_squares: f64,
}

impl Level {
    /// Of no samples.
    pub const NONE: Self = Self {
        samples: 0,
        clipped: 0,
        zeros: 0,
        low: f64::INFINITY,
        high: f64::NEG_INFINITY,
        sum_squares: 0.0,
    };

    /// Of these.
    pub fn of<T: Amplitude>(samples: impl IntoIterator<Item = T>) -> Self {
        let mut level = Self::NONE;
        for sample in samples {
            let value = sample.amplitude();
            level.samples += 1;
            level.clipped += u64::from(value.abs() >= CLIP);
            level.zeros += u64::from(value == 0.0);
            level.low = level.low.min(value);
            level.high = level.high.max(value);
            level.sum_squares += value * value;
        }
        level
    }

    /// Of both together.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            clipped: self.clipped + other.clipped,
            zeros: self.zeros + other.zeros,
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            sum_squares: self.sum_squares + other.sum_squares,
        }
    }

    /// The lowest sample; 0 of none.
    #[must_use]
    pub fn low(&self) -> f64 {
        if self.samples == 0 { 0.0 } else { self.low }
    }

    /// The highest sample; 0 of none.
    #[must_use]
    pub fn high(&self) -> f64 {
        if self.samples == 0 { 0.0 } else { self.high }
    }

    /// The root of the mean square; 0 of none.
    #[must_use]
    pub fn rms(&self) -> f64 {
        (self.sum_squares / self.samples.max(1) as f64).sqrt()
    }
}

/// The RMS of each window of interleaved samples, of its loudest channel: a voice that only one of
/// two microphones hears is not halved. The last window may be shorter.
pub fn window_rms<T: Amplitude>(pcm: &[T], channels: usize, window_samples: usize) -> Vec<f64> {
    let loudest = |window: &[T]| {
        let of_channel =
            |channel| Level::of(window[channel..].iter().copied().step_by(channels)).rms();
        (0..channels).map(of_channel).fold(0.0, f64::max)
    };
    pcm.chunks(channels.saturating_mul(window_samples))
        .map(loudest)
        .collect()
}

/// The most channels that a meter takes.
pub const MAX_CHANNELS: usize = 255;

/// The most buckets that a meter keeps: 48 MB a channel.
pub const MAX_BUCKETS: usize = 1_000_000;

/// Measures a stream of any length, channel by channel, in a bounded number of buckets.
#[derive(Debug)]
pub struct Meter {
    channels: Vec<Vec<Level>>,
    bucket_samples: u64,
    max_buckets: usize,
}

impl Meter {
    /// Begins with buckets of `bucket_samples`, which is doubled whenever there would be more than
    /// `max_buckets` of them.
    ///
    /// # Errors
    /// What is out of its range, in words.
    pub fn new(channels: usize, bucket_samples: u32, max_buckets: usize) -> Result<Self, String> {
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(format!(
                "channels is {channels}; expected 1 to {MAX_CHANNELS}"
            ));
        }
        if bucket_samples == 0 {
            return Err("bucket_samples is 0; expected at least 1".into());
        }
        if !(2..=MAX_BUCKETS).contains(&max_buckets) {
            return Err(format!(
                "max_buckets is {max_buckets}; expected 2 to {MAX_BUCKETS}"
            ));
        }
        Ok(Self {
            channels: vec![Vec::new(); channels],
            bucket_samples: bucket_samples.into(),
            max_buckets,
        })
    }

    /// Takes interleaved samples.
    ///
    /// # Errors
    /// When they are no whole number of frames, or one is not finite, in words; none is taken then.
    pub fn push<T: Amplitude>(&mut self, pcm: &[T]) -> Result<(), String> {
        let channels = self.channels.len();
        check(pcm, channels)?;
        let mut rest = pcm;
        while !rest.is_empty() {
            let filled = self.channels[0].last().map_or(0, |bucket| bucket.samples);
            if self.channels[0].is_empty() || filled == self.bucket_samples {
                self.open_bucket();
                continue;
            }
            let room = usize::try_from(self.bucket_samples - filled).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(rest.len().min(room.saturating_mul(channels)));
            for (channel, buckets) in self.channels.iter_mut().enumerate() {
                if let Some(bucket) = buckets.last_mut() {
                    let level = Level::of(now[channel..].iter().copied().step_by(channels));
                    *bucket = bucket.merge(&level);
                }
            }
            rest = later;
        }
        Ok(())
    }

    /// Makes room for samples: a new bucket, or buckets of twice the time.
    fn open_bucket(&mut self) {
        let full = self.channels[0].len() == self.max_buckets;
        for buckets in &mut self.channels {
            if full {
                let merge = |pair: &[Level]| pair.iter().fold(Level::NONE, |a, b| a.merge(b));
                *buckets = buckets.chunks(2).map(merge).collect();
            } else {
                buckets.push(Level::NONE);
            }
        }
        self.bucket_samples *= if full { 2 } else { 1 };
    }

    /// Samples per channel that each bucket stands for; the last may hold fewer.
    #[must_use]
    pub fn bucket_samples(&self) -> u64 {
        self.bucket_samples
    }

    /// Each channel's buckets, oldest first.
    #[must_use]
    pub fn buckets(&self) -> &[Vec<Level>] {
        &self.channels
    }

    /// Each channel's whole.
    pub fn totals(&self) -> impl Iterator<Item = Level> {
        self.channels
            .iter()
            .map(|buckets| buckets.iter().fold(Level::NONE, |a, b| a.merge(b)))
    }
}

/// Refuses what cannot be measured.
///
/// # Errors
/// When `pcm` is no whole number of frames, or a sample is not finite, in words.
pub fn check<T: Amplitude>(pcm: &[T], channels: usize) -> Result<(), String> {
    if !pcm.len().is_multiple_of(channels) {
        return Err(format!(
            "{} samples are no whole number of frames of {channels} channels",
            pcm.len()
        ));
    }
    if let Some(place) = pcm
        .iter()
        .position(|sample| !sample.amplitude().is_finite())
    {
        return Err(format!(
            "sample {place} is {}; only finite ones can be measured",
            pcm[place].amplitude()
        ));
    }
    Ok(())
}
