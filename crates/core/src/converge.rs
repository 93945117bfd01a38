//! Where a decoder that begins in the middle becomes one with the sequential decoder.
//!
//! Theory of operation. The sequential decoder goes through the recording once. At regular points a
//! cold decoder (a *runner*) is begun beside it and gets the same packets. From some packet on both
//! give the same samples; the distance from the point to there is the point's *depth*, and whoever
//! begins at the point and throws away that much is exact.
//!
//! Equal samples alone prove nothing: in silence every decoder gives zeros. So a runner counts as
//! converged only when what the two decoders *remember* agrees as well, but for a few words: what
//! libopus keeps only for concealment (background noise, comfort noise) takes seconds more and
//! forever, and does not touch what packets decode to; and a part of the decoder that is not in use
//! (CELT's memory in a stretch of SILK) keeps what it had. The latter is known by standing still.
//!
//! What is kept for concealment does matter where something is missing. So a depth is good up to the
//! next gap; a runner that converged shortly before one goes on through it, and if its samples were
//! the same there too, it is good up to the gap after that, and so on.
//!
//! Signals that never converge (steady tones in SILK) would cost without bound: runners get their
//! time from what the sequential decoder has gone through, and a point for which none is left is
//! said to converge never.

use crate::MEDIA_RATE;
use crate::conceal::{Concealer, Later};
use crate::extract::{Run, RunError, RunGap, Shape, place, split};
use crate::opus::{Decoder, Error};

/// The depth of a point that was never seen to converge.
pub const NEVER: u8 = u8::MAX;

/// The unit of depths, in 48 kHz samples: 20 ms.
pub const DEPTH_UNIT: i64 = 960;

/// Words that may differ for good in decoders that give the same samples.
const FEW_WORDS: usize = 24;

/// Packets over which samples have to be the same before the memories are compared.
const EQUAL_PACKETS: u32 = 5;

/// The same with much that stands still in both: longer, and not in silence.
const EQUAL_PACKETS_STILL: u32 = 15;

/// Loudest sample below which a packet counts as silence: 1/1024 of full scale.
const SILENCE: f32 = 1.0 / 1024.0;

/// How long before a gap a runner must have converged to be kept for it.
const KEEP: i64 = 3 * MEDIA_RATE as i64 / 2;

/// Runner time for each sample of the sequential decoder, and the most that is saved up.
const RUNNER_SHARE: i64 = 2;
const MAX_SAVED: i64 = 10 * MEDIA_RATE as i64;

/// What is known of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// From here on the samples are the same, as int16, in [`DEPTH_UNIT`]s after the point.
    pub int16: u8,
    /// The same for float32.
    pub float32: u8,
    /// Through how many of the gaps that begin behind `float32` they were seen to stay the same.
    pub gaps: u8,
}

const UNKNOWN: Point = Point {
    int16: NEVER,
    float32: NEVER,
    gaps: 0,
};

/// A decoder on its way through the packets.
#[derive(Clone)]
struct Voice {
    decoder: Decoder,
    pcm: Vec<f32>,
}

struct Runner {
    voice: Voice,
    concealer: Concealer,
    /// The points that it stands for: several when a gap holds their beginnings.
    points: std::ops::Range<usize>,
    start: i64,
    /// Media time behind the last samples that were not the same.
    int16_end: i64,
    float_end: i64,
    equal_packets: u32,
    loud: bool,
    /// Words in which it differed at the last look, and what they were.
    unlike: Vec<(usize, u128, u128)>,
    /// Where the gaps that it went through began.
    gaps: Vec<i64>,
    /// What is proven of it, once it has converged.
    found: Option<Point>,
    /// Whether it went through a gap since that was proven.
    gap_since: bool,
    /// Whether it gave other samples after it had converged.
    broken: bool,
}

/// The sequential decoder with its runners.
pub struct Converger {
    shape: Shape,
    interval: i64,
    warm: Voice,
    concealer: Concealer,
    runners: Vec<Runner>,
    points: Vec<Point>,
    time: i64,
    saved: i64,
}

impl Converger {
    /// With a point every `interval` samples of media time: the first packet that begins then or
    /// later.
    ///
    /// # Errors
    /// [`Error::Argument`] when the interval is no use or the shape is none of a decoder.
    pub fn new(shape: Shape, interval: u32) -> Result<Self, Error> {
        if interval == 0 {
            return Err(Error::argument("the interval is 0; expected 1 or more"));
        }
        Ok(Self {
            warm: Voice::new(shape)?,
            concealer: Concealer::new(MEDIA_RATE, shape.complexity)?,
            shape,
            interval: interval.into(),
            runners: Vec::new(),
            points: Vec::new(),
            time: 0,
            saved: MAX_SAVED,
        })
    }

    /// Goes through the first `count` packets of a run and the gaps before them; what follows them
    /// in the run is only looked at for redundancy. With `count` the whole run, gaps at its end
    /// belong to it.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn feed(&mut self, run: Run<'_>, count: usize) -> Result<(), RunError> {
        let packets: Vec<Later<'_>> = place(run, &split(run)?)
            .into_iter()
            .map(|(time, packet)| (time + self.time, packet))
            .collect();
        let mut gaps = run.gaps.iter().peekable();
        for at in 0..=count.min(packets.len()) {
            let last = at == count;
            if last && count < packets.len() {
                break;
            }
            while let Some(gap) = gaps.next_if(|gap| gap.before == at) {
                self.gap(gap, &packets[at..])?;
            }
            let Some((_, packet)) = packets.get(at).filter(|_| !last) else {
                break;
            };
            self.begin_runner()?;
            // About where the next one begins: only whether it is near counts.
            let next_gap = gaps.peek().map(|gap| {
                let end = packets.get(gap.before).map_or(i64::MAX, |packet| packet.0);
                end.saturating_sub_unsigned(gap.duration)
            });
            self.packet(packet, next_gap)
                .map_err(|error| RunError::Packet(at, error))?;
        }
        Ok(())
    }

    /// The points that are settled: all up to the oldest that a runner is still at work on.
    #[must_use]
    pub fn settled(&self) -> &[Point] {
        let open = self
            .runners
            .first()
            .map_or(self.points.len(), |r| r.points.start);
        &self.points[..open]
    }

    /// Says that the recording ends here, and returns all points.
    #[must_use]
    pub fn finish(mut self) -> Vec<Point> {
        for mut runner in std::mem::take(&mut self.runners) {
            // What was the same to the very end is verified by that.
            if runner.float_end < self.time && !runner.broken {
                runner.confirm();
            }
            self.settle(&runner);
        }
        self.points
    }

    fn begin_runner(&mut self) -> Result<(), Error> {
        let first = self.points.len();
        let due = usize::try_from(self.time / self.interval + 1).unwrap_or(usize::MAX);
        if due <= first {
            return Ok(());
        }
        self.points.resize(due, UNKNOWN);
        if self.saved <= 0 {
            return Ok(());
        }
        self.runners.push(Runner {
            voice: Voice::new(self.shape)?,
            concealer: Concealer::new(MEDIA_RATE, self.shape.complexity)?,
            points: first..due,
            start: self.time,
            int16_end: self.time,
            float_end: self.time,
            equal_packets: 0,
            loud: false,
            unlike: Vec::new(),
            gaps: Vec::new(),
            found: None,
            gap_since: false,
            broken: false,
        });
        Ok(())
    }

    fn packet(&mut self, packet: &[u8], next_gap: Option<i64>) -> Result<(), Error> {
        let samples = self.warm.decode(packet)? as i64;
        self.concealer.on_received();
        let end = self.time + samples;
        self.saved = (self.saved + RUNNER_SHARE * samples).min(MAX_SAVED);
        let mut runners = std::mem::take(&mut self.runners);
        for runner in &mut runners {
            runner.voice.decode(packet)?;
            runner.concealer.on_received();
            self.saved -= samples;
            runner.compare(&self.warm, end);
        }
        let keep = |runner: &Runner| {
            let young = end - runner.start < DEPTH_UNIT * i64::from(NEVER);
            let gap_is_near = next_gap.is_some_and(|gap| gap - end <= KEEP);
            young && !runner.broken && (runner.found.is_none() || runner.gap_since || gap_is_near)
        };
        self.keep(runners, keep);
        self.time = end;
        Ok(())
    }

    fn gap(&mut self, gap: &RunGap, later: &[Later<'_>]) -> Result<(), Error> {
        let begin = self.time;
        let end = begin + gap.duration.cast_signed();
        let mut runners = std::mem::take(&mut self.runners);
        while self.time < end {
            let left = usize::try_from(end - self.time).unwrap_or(usize::MAX);
            let later = later.iter().copied();
            let samples =
                self.warm
                    .fill(&mut self.concealer, gap, self.time, left, later.clone())?;
            for runner in &mut runners {
                runner
                    .voice
                    .fill(&mut runner.concealer, gap, self.time, left, later.clone())?;
                self.saved -= samples as i64;
                runner.compare_samples(&self.warm, self.time + samples as i64);
            }
            self.time += samples as i64;
        }
        for runner in &mut runners {
            runner.gaps.push(begin);
            runner.gap_since = true;
            runner.equal_packets = 0;
            runner.unlike.clear();
        }
        self.keep(runners, |runner| !runner.broken);
        Ok(())
    }

    fn keep(&mut self, runners: Vec<Runner>, keep: impl Fn(&Runner) -> bool) {
        for runner in runners {
            if keep(&runner) {
                self.runners.push(runner);
            } else {
                self.settle(&runner);
            }
        }
    }

    fn settle(&mut self, runner: &Runner) {
        self.points[runner.points.clone()].fill(runner.found.unwrap_or(UNKNOWN));
    }
}

impl Voice {
    fn new(shape: Shape) -> Result<Self, Error> {
        let mut decoder = Decoder::new(MEDIA_RATE, shape.channels, shape.complexity)?;
        decoder.set_gain_q8(shape.gain_q8)?;
        Ok(Self {
            decoder,
            pcm: Vec::new(),
        })
    }

    fn decode(&mut self, packet: &[u8]) -> Result<usize, Error> {
        self.pcm.clear();
        self.decoder.decode(packet, &mut self.pcm)
    }

    fn fill<'a>(
        &mut self,
        concealer: &mut Concealer,
        gap: &RunGap,
        time: i64,
        left: usize,
        later: impl Iterator<Item = Later<'a>> + Clone,
    ) -> Result<usize, Error> {
        self.pcm.clear();
        let (samples, _) = concealer.fill(
            &mut self.decoder,
            gap.missing,
            time,
            left,
            later,
            &mut self.pcm,
        )?;
        Ok(samples)
    }
}

impl Runner {
    /// Looks at a packet's samples, and at the memories when they are the same for long enough.
    fn compare(&mut self, warm: &Voice, end: i64) {
        self.compare_samples(warm, end);
        if self.float_end == end {
            self.equal_packets = 0;
            self.unlike.clear();
            return;
        }
        self.equal_packets += 1;
        let peak = warm.pcm.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        self.loud = (self.loud && self.equal_packets > 1) || peak > SILENCE;
        let proven = self.found.is_some() && !self.gap_since;
        if self.equal_packets < EQUAL_PACKETS || proven {
            return;
        }
        let words = warm.decoder.words().iter().zip(self.voice.decoder.words());
        let unlike: Vec<_> = words
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .map(|(at, (a, b))| (at, *a, *b))
            .collect();
        let still = {
            let mut before = self.unlike.iter().peekable();
            let moved = unlike.iter().filter(|word| {
                while before.next_if(|old| old.0 < word.0).is_some() {}
                before.next_if(|old| old == word).is_none()
            });
            moved.count() <= FEW_WORDS
        };
        let still = still && self.loud && self.equal_packets >= EQUAL_PACKETS_STILL;
        if unlike.len() <= FEW_WORDS || still {
            self.confirm();
        }
        self.unlike = unlike;
    }

    fn compare_samples(&mut self, warm: &Voice, end: i64) {
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

    /// Takes for proven that it has converged, and in all gaps that it went through after that.
    fn confirm(&mut self) {
        let units = |end: i64| {
            let samples = (end - self.start).max(0).cast_unsigned();
            u8::try_from(samples.div_ceil(DEPTH_UNIT.cast_unsigned())).unwrap_or(NEVER)
        };
        let (int16, float32) = self.found.map_or_else(
            || (units(self.int16_end), units(self.float_end)),
            |point| (point.int16, point.float32),
        );
        let end = self.start + i64::from(float32) * DEPTH_UNIT;
        let gaps = self.gaps.iter().filter(|begin| **begin >= end).count();
        let gaps = u8::try_from(gaps).unwrap_or(u8::MAX);
        self.gap_since = false;
        self.found = (float32 < NEVER).then_some(Point {
            int16,
            float32,
            gaps,
        });
    }
}
