//! Where a decoder that begins in the middle becomes one with the sequential decoder.
//!
//! Theory of operation. The sequential decoder goes through the recording once. At regular points a
//! cold decoder (a *runner*) is begun beside it and gets the same packets. From some packet on both
//! give the same samples; the distance from the point to there is the point's *depth*, and whoever
//! begins at the point and throws away that much is exact.
//!
//! Equal samples alone prove nothing: in silence every decoder gives zeros. So a runner counts as
//! converged only when what the two decoders *remember* agrees as well, but for a few words: what
//! libopus keeps only for concealment (background noise, comfort noise) takes seconds more or for
//! ever, and does not touch what packets decode to; and a part of the decoder that is not in use
//! (CELT's memory in a stretch of SILK) keeps what it had. The latter is known by standing still.
//!
//! What is kept for concealment does matter where sound is *made up*: in gaps, and in packets of
//! discontinuous transmission, which are empty. So a point is good up to the next such place; a
//! runner that converged shortly before one goes on through it, and if its samples were the same
//! there too, the point is good up to the place after that, and so on.
//!
//! Signals that take long (noise with a hum in SILK) or never converge (steady tones) would cost
//! without bound, so only so many runners are on their way at a time. What makes one converge is
//! mostly an event that makes all converge which began before it, and then the latest of them is the
//! best. So one that began half a second before another is of less use than one that began long
//! before all others: when there are too many, that one is given up which leaves their ages spread
//! most evenly on a logarithmic scale.
//!
//! CELT's memory of band energies may differ in the last bit for seconds without a difference in the
//! samples, and make one later. A runner with such a memory is followed for some seconds, and its point
//! is good up to where it was.

mod runner;

use self::runner::{Found, Runner, Voice};
use crate::MEDIA_RATE;
use crate::conceal::Later;
use crate::extract::{Run, RunError, RunGap, Shape, place, split};
use crate::opus::Error;
use crate::packet;

/// The depth of a point that was never seen to converge.
pub const NEVER: u8 = u8::MAX;

/// The unit of depths, in 48 kHz samples: 20 ms.
pub const DEPTH_UNIT: i64 = 960;

/// The end of a point that is good for all that follows.
pub const FOREVER: u16 = u16::MAX;

/// How long before made-up sound a runner must have converged to be kept for it.
const KEEP: i64 = 3 * MEDIA_RATE as i64 / 2;

/// How many runners that have not converged go on at a time.
const MAX_RUNNERS: usize = 4;

/// How long a runner is followed whose samples are the same and whose memory of band energies is
/// not: its point is good for as long as that.
const BOUNDED_LIFE: i64 = 2 * MEDIA_RATE as i64;

/// What is known of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// From here on the samples are the same, as int16, in [`DEPTH_UNIT`]s behind the point.
    pub int16: u8,
    /// The same for float32.
    pub float32: u8,
    /// Up to where, in intervals behind the multiple of the interval that the point stands for.
    pub until: u16,
}

/// The sequential decoder with its runners.
pub struct Converger {
    shape: Shape,
    interval: i64,
    warm: Voice,
    runners: Vec<Runner>,
    found: Vec<Option<Found>>,
    time: i64,
    /// Where made-up sound begins.
    made_up: Vec<i64>,
    is_made_up: bool,
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
            shape,
            interval: interval.into(),
            runners: Vec::new(),
            found: Vec::new(),
            time: 0,
            made_up: Vec::new(),
            is_made_up: false,
        })
    }

    /// Goes through the first `count` packets of a run and the gaps before them; what follows them
    /// in the run is only looked ahead at. With `count` the whole run, gaps at its end belong to it.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn feed(&mut self, run: Run<'_>, count: usize) -> Result<(), RunError> {
        let packets: Vec<Later<'_>> = place(run, &split(run)?)
            .into_iter()
            .map(|(time, packet)| (time + self.time, packet))
            .collect();
        let mut gaps = run.gaps.iter().peekable();
        let mut ahead = 0;
        for at in 0..=count.min(packets.len()) {
            let is_end = at == count;
            if is_end && count < packets.len() {
                break;
            }
            while let Some(gap) = gaps.next_if(|gap| gap.before == at) {
                self.gap(gap, &packets[at..])?;
            }
            let Some((time, packet)) = packets.get(at).filter(|_| !is_end) else {
                break;
            };
            // Whether there is made-up sound near ahead; each packet is looked at once.
            ahead = ahead.max(at);
            let near = |ahead: usize| packets.get(ahead).is_some_and(|p| p.0 - time <= KEEP);
            while near(ahead) && !is_empty(packets[ahead].1) {
                ahead += 1;
            }
            let gap_is_near = gaps
                .peek()
                .is_some_and(|gap| near(gap.before.saturating_sub(1)));
            self.begin_runner()?;
            self.packet(packet, gap_is_near || near(ahead))
                .map_err(|error| RunError::Packet(at, error))?;
        }
        Ok(())
    }

    /// Says that the recording ends here, and returns all points.
    #[must_use]
    pub fn finish(mut self) -> Vec<Point> {
        for mut runner in std::mem::take(&mut self.runners) {
            // What was the same to the very end is verified by that.
            if runner.float_end < self.time && !runner.broken {
                runner.confirm(self.time, false);
            }
            self.settle(&runner);
        }
        let point = |(number, found): (usize, &Option<Found>)| {
            let Some(found) = found else {
                return Point {
                    int16: NEVER,
                    float32: NEVER,
                    until: 0,
                };
            };
            let intervals = |end: i64| {
                let intervals = end / self.interval - number as i64;
                u16::try_from(intervals.max(0))
                    .unwrap_or(FOREVER - 1)
                    .min(FOREVER - 1)
            };
            let next = self.made_up.partition_point(|begin| *begin < found.proven);
            let until = match self.made_up.get(next) {
                _ if found.bounded => intervals(found.proven),
                Some(begin) => intervals(*begin),
                None => FOREVER,
            };
            Point {
                int16: found.int16,
                float32: found.float32,
                until,
            }
        };
        self.found.iter().enumerate().map(point).collect()
    }

    fn begin_runner(&mut self) -> Result<(), Error> {
        let first = self.found.len();
        let due = usize::try_from(self.time / self.interval + 1).unwrap_or(usize::MAX);
        if due <= first {
            return Ok(());
        }
        self.found.resize(due, None);
        self.thin_out();
        self.runners
            .push(Runner::begin(self.shape, first..due, self.time)?);
        Ok(())
    }

    /// Makes room for a runner that begins now.
    fn thin_out(&mut self) {
        let under_way: Vec<(usize, i64)> = (self.runners.iter().enumerate())
            .filter(|(_, runner)| runner.found.is_none())
            .map(|(at, runner)| (at, runner.start))
            .collect();
        if under_way.len() < MAX_RUNNERS {
            return;
        }
        // Of each but the oldest: how far apart its neighbours are, by the age of the older one.
        let spread = |place: usize| {
            let older = under_way[place - 1].1;
            let younger = under_way.get(place + 1).map_or(self.time, |next| next.1);
            (younger - older) as f64 / (self.time - older).max(1) as f64
        };
        let least = (1..under_way.len()).min_by(|a, b| spread(*a).total_cmp(&spread(*b)));
        let given_up = self.runners.remove(under_way[least.unwrap_or(0)].0);
        self.settle(&given_up);
    }

    fn packet(&mut self, packet: &[u8], made_up_is_near: bool) -> Result<(), Error> {
        let empty = is_empty(packet);
        self.enter(empty);
        let samples = self.warm.decode(packet)? as i64;
        let end = self.time + samples;
        for runner in &mut self.runners {
            runner.voice.decode(packet)?;
            runner.compare(&self.warm, end);
            if !empty {
                runner.judge(&self.warm, end);
            }
        }
        self.time = end;
        // One that began later and has converged is the better one from here on.
        let newest = self
            .runners
            .iter()
            .rev()
            .find(|runner| runner.found.is_some());
        let overtaken = newest.map_or(0, |runner| runner.start);
        let keep = |runner: &Runner| {
            if runner.found.is_none() && runner.start < overtaken {
                return false;
            }
            let young = end - runner.start < DEPTH_UNIT * i64::from(NEVER);
            let bounded = runner.found.is_some_and(|found| found.bounded);
            let of_use = runner.found.is_none()
                || runner.doubtful
                || made_up_is_near
                || bounded && end - runner.start < BOUNDED_LIFE;
            young && !runner.broken && of_use
        };
        for runner in self
            .runners
            .extract_if(.., |runner| !keep(runner))
            .collect::<Vec<_>>()
        {
            self.settle(&runner);
        }
        Ok(())
    }

    fn gap(&mut self, gap: &RunGap, later: &[Later<'_>]) -> Result<(), Error> {
        self.enter(true);
        let end = self.time + gap.duration.cast_signed();
        while self.time < end {
            let left = usize::try_from(end - self.time).unwrap_or(usize::MAX);
            let samples = self.warm.fill(gap, self.time, left, later)? as i64;
            for runner in &mut self.runners {
                runner.voice.fill(gap, self.time, left, later)?;
                runner.compare(&self.warm, self.time + samples);
            }
            self.time += samples;
        }
        Ok(())
    }

    /// Says that now sound is made up, or no longer.
    fn enter(&mut self, made_up: bool) {
        if made_up && !self.is_made_up {
            self.made_up.push(self.time);
        }
        self.is_made_up = made_up;
        if made_up {
            for runner in &mut self.runners {
                runner.doubtful = true;
                runner.equal_packets = 0;
                runner.unlike.clear();
            }
        }
    }

    fn settle(&mut self, runner: &Runner) {
        self.found[runner.points.clone()].fill(runner.found);
    }
}

/// Whether a packet has a frame without audio: libopus makes up what stands for it.
fn is_empty(packet: &[u8]) -> bool {
    packet::parse(packet).is_ok_and(|info| info.frames.iter().any(|frame| frame.len() <= 1))
}
