//! A decoder that was begun in the middle, and whether it has become one with the sequential.

use std::ops::Range;

use super::{DEPTH_UNIT, NEVER};
use crate::MEDIA_RATE;
use crate::conceal::{Concealer, Later};
use crate::extract::{RunGap, Shape};
use crate::opus::{Decoder, Error};

/// Words that may differ for good in decoders that give the same samples.
const FEW_WORDS: usize = 24;

/// Packets over which samples have to be the same before the memories are compared.
const EQUAL_PACKETS: u32 = 5;

/// The same with much that stands still in both: longer, and not in silence.
const EQUAL_PACKETS_STILL: u32 = 15;

/// Loudest sample below which a packet counts as silence: 1/1024 of full scale.
const SILENCE: f32 = 1.0 / 1024.0;

/// What a runner found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) int16: u8,
    pub(super) float32: u8,
    /// Media time up to which the samples were seen to be the same, or are known to be.
    pub(super) proven: i64,
    /// Whether no more than that is known: the samples are the same, and a memory that may matter
    /// later is not.
    pub(super) bounded: bool,
}

/// A decoder on its way through the packets.
pub(super) struct Voice {
    pub(super) decoder: Decoder,
    pub(super) concealer: Concealer,
    pub(super) pcm: Vec<f32>,
}

/// A cold decoder beside the sequential one.
pub(super) struct Runner {
    pub(super) voice: Voice,
    /// The points that it stands for: several when a gap holds their beginnings.
    pub(super) points: Range<usize>,
    pub(super) start: i64,
    /// Media time behind the last samples that were not the same.
    pub(super) int16_end: i64,
    pub(super) float_end: i64,
    pub(super) equal_packets: u32,
    pub(super) loud: bool,
    /// Words in which it differed at the last look, and what they were.
    pub(super) unlike: Vec<(usize, u128, u128)>,
    /// CELT's band energies at the last look, of the sequential decoder and of this one.
    pub(super) energies: Option<[Vec<u32>; 2]>,
    pub(super) found: Option<Found>,
    /// Whether it went through made-up sound since that was found.
    pub(super) doubtful: bool,
    /// Whether it gave other samples after it had converged.
    pub(super) broken: bool,
}

impl Voice {
    pub(super) fn new(shape: Shape) -> Result<Self, Error> {
        let mut decoder = Decoder::new(MEDIA_RATE, shape.channels, shape.complexity)?;
        decoder.set_gain_q8(shape.gain_q8)?;
        Ok(Self {
            decoder,
            concealer: Concealer::new(shape.complexity),
            pcm: Vec::new(),
        })
    }

    pub(super) fn decode(&mut self, packet: &[u8]) -> Result<usize, Error> {
        self.pcm.clear();
        let samples = self.decoder.decode(packet, &mut self.pcm)?;
        self.concealer.on_received();
        Ok(samples)
    }

    pub(super) fn fill(
        &mut self,
        gap: &RunGap,
        time: i64,
        left: usize,
        later: &[Later<'_>],
    ) -> Result<usize, Error> {
        self.pcm.clear();
        let Self {
            decoder,
            concealer,
            pcm,
        } = self;
        let later = later.iter().copied();
        let (samples, _) = concealer.fill(decoder, gap.missing, time, left, later, pcm)?;
        Ok(samples)
    }
}

impl Runner {
    /// One that begins at media time `start`, for these points.
    pub(super) fn begin(shape: Shape, points: Range<usize>, start: i64) -> Result<Self, Error> {
        Ok(Self {
            voice: Voice::new(shape)?,
            points,
            start,
            int16_end: start,
            float_end: start,
            equal_packets: 0,
            loud: false,
            unlike: Vec::new(),
            energies: None,
            found: None,
            doubtful: false,
            broken: false,
        })
    }

    /// Notes whether the samples up to `end` are the same.
    pub(super) fn compare(&mut self, warm: &Voice, end: i64) {
        if self.voice.pcm == warm.pcm {
            return;
        }
        // libopus clips softly for int16 and remembers how: beyond full scale only equal is equal.
        let clipped = |x: &f32| x.abs() >= 1.0;
        let as_int16 = |x: &f32| (x * 32768.0).round_ties_even() as i32;
        let same = warm.pcm.len() == self.voice.pcm.len()
            && !warm.pcm.iter().any(clipped)
            && !self.voice.pcm.iter().any(clipped)
            && warm
                .pcm
                .iter()
                .zip(&self.voice.pcm)
                .all(|(a, b)| as_int16(a) == as_int16(b));
        if !same {
            self.int16_end = end;
        }
        self.float_end = end;
        self.broken = self.found.is_some();
    }

    /// Compares the memories, when the samples were the same for long enough.
    pub(super) fn judge(&mut self, warm: &Voice, end: i64) {
        if self.float_end == end {
            self.equal_packets = 0;
            self.unlike.clear();
            return;
        }
        self.equal_packets += 1;
        let peak = warm.pcm.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        self.loud = (self.loud && self.equal_packets > 1) || peak > SILENCE;
        if self.equal_packets < EQUAL_PACKETS
            || self
                .found
                .is_some_and(|found| !found.bounded && !self.doubtful)
        {
            return;
        }
        // CELT decodes from them, and a difference in a band that is all but silent is not in the
        // samples until the band is loud: it may stay for seconds, the last bit of a rounded number.
        let energies = [&warm.decoder, &self.voice.decoder].map(Decoder::band_energies);
        let in_use = self.energies.as_ref() != Some(&energies);
        let unlike_energies = in_use && energies[0] != energies[1];
        self.energies = Some(energies);
        let words = warm.decoder.words().iter().zip(self.voice.decoder.words());
        let unlike: Vec<_> = words
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .map(|(at, (a, b))| (at, *a, *b))
            .collect();
        let mut before = self.unlike.iter().peekable();
        let moved = unlike.iter().filter(|word| {
            while before.next_if(|old| old.0 < word.0).is_some() {}
            before.next_if(|old| old == word).is_none()
        });
        let still =
            self.loud && self.equal_packets >= EQUAL_PACKETS_STILL && moved.count() <= FEW_WORDS;
        if unlike.len() <= FEW_WORDS || still {
            self.confirm(end, unlike_energies);
        }
        self.unlike = unlike;
    }

    /// Takes for proven that it has converged, and stayed so up to `end`.
    pub(super) fn confirm(&mut self, end: i64, bounded: bool) {
        let units = |end: i64| {
            let samples = (end - self.start).max(0).cast_unsigned();
            u8::try_from(samples.div_ceil(DEPTH_UNIT.cast_unsigned())).unwrap_or(NEVER)
        };
        let (int16, float32) = self.found.map_or_else(
            || (units(self.int16_end), units(self.float_end)),
            |found| (found.int16, found.float32),
        );
        self.doubtful = false;
        self.found = (float32 < NEVER).then_some(Found {
            int16,
            float32,
            proven: end,
            bounded,
        });
    }
}
