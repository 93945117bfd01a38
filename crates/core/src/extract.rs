//! Decoding a run of indexed packets in one call.

use std::fmt;

use crate::MEDIA_RATE;
use crate::conceal::{Concealer, Later, Missing};
use crate::opus::{Decoder, Error, Sample};
use crate::packet::duration_samples;

/// Packets in order, as an archive holds them.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The packets, one behind the other.
    pub payload: &'a [u8],
    /// The length of each in bytes.
    pub lengths: &'a [u16],
    /// Where media time is missing, ordered by packet.
    pub gaps: &'a [RunGap],
}

/// Media time that is missing before a packet of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunGap {
    /// The packet, by its place in the run, before which it is missing; the run's length stands for
    /// a gap after the last packet.
    pub before: usize,
    /// How much, in 48 kHz samples.
    pub duration: u64,
    /// Why.
    pub missing: Missing,
}

/// How to decode, always at 48 kHz.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// 1 or 2.
    pub channels: u8,
    /// Decoder complexity, 0 to 10; up to 5 the result becomes independent of the beginning.
    pub complexity: u8,
    /// Output gain in 1/256 dB.
    pub gain_q8: i16,
}

/// What to decode from a run.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// How.
    pub shape: Shape,
    /// Decoded samples per channel to leave out at the beginning.
    pub skip: u64,
    /// Samples per channel to return after them.
    pub take: usize,
}

/// Why a run could not be decoded.
#[derive(Debug)]
pub enum RunError {
    /// The packet of this place in the run is not valid.
    Packet(usize, Error),
    /// The lengths add up to something else than the payload, or the run is shorter than wanted.
    Shape(String),
    /// An argument is out of range.
    Codec(Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(place, error) => write!(f, "packet {place} of the run: {error}"),
            Self::Shape(text) => f.write_str(text),
            Self::Codec(error) => error.fmt(f),
        }
    }
}

impl From<Error> for RunError {
    fn from(error: Error) -> Self {
        Self::Codec(error)
    }
}

/// Decodes what is wanted of a run with a fresh decoder.
///
/// Memory: the samples taken and one packet's worth, whatever is skipped.
///
/// # Errors
/// See [`RunError`].
pub fn decode_run<T: Sample>(run: Run<'_>, wanted: Wanted) -> Result<Vec<T>, RunError> {
    let packets = place(run, &split(run)?);
    let Shape {
        channels,
        complexity,
        gain_q8,
    } = wanted.shape;
    let mut decoder = Decoder::new(MEDIA_RATE, channels, complexity)?;
    decoder.set_gain_q8(gain_q8)?;
    let mut concealer = Concealer::new(complexity);
    let mut window = Window::<T>::new(wanted);
    let mut gaps = run.gaps.iter().peekable();
    let mut time = 0_i64;
    for place in 0..=packets.len() {
        while let Some(gap) = gaps.next_if(|gap| gap.before == place) {
            let end = time + gap.duration.cast_signed();
            while time < end && !window.full() {
                let left = usize::try_from(end - time).unwrap_or(usize::MAX);
                let (samples, _) = concealer.fill(
                    &mut decoder,
                    gap.missing,
                    time,
                    left,
                    packets[place..].iter().copied(),
                    &mut window.scratch,
                )?;
                time += samples as i64;
                window.take_scratch();
            }
        }
        let Some((_, packet)) = packets.get(place) else {
            break;
        };
        if window.full() {
            break;
        }
        let samples = decoder
            .decode(packet, &mut window.scratch)
            .map_err(|error| RunError::Packet(place, error))?;
        concealer.on_received();
        time += samples as i64;
        window.take_scratch();
    }
    window.finish()
}

pub(crate) fn split(run: Run<'_>) -> Result<Vec<&[u8]>, RunError> {
    let mut packets = Vec::with_capacity(run.lengths.len());
    let mut rest = run.payload;
    for &length in run.lengths {
        let Some((packet, after)) = rest.split_at_checked(length.into()) else {
            break;
        };
        packets.push(packet);
        rest = after;
    }
    if packets.len() != run.lengths.len() || !rest.is_empty() {
        let sum: u64 = run.lengths.iter().copied().map(u64::from).sum();
        return Err(RunError::Shape(format!(
            "the packets' lengths add up to {sum} bytes; the payload has {}",
            run.payload.len()
        )));
    }
    Ok(packets)
}

/// Gives each packet its media time from the run's beginning, gaps included.
pub(crate) fn place<'a>(run: Run<'_>, packets: &[&'a [u8]]) -> Vec<Later<'a>> {
    let mut time = 0;
    let mut gaps = run.gaps.iter().peekable();
    let place = |(place, packet): (usize, &&'a [u8])| {
        while let Some(gap) = gaps.next_if(|gap| gap.before == place) {
            time += gap.duration.cast_signed();
        }
        let start = time;
        // A packet that is not valid is reported when its turn to be decoded comes.
        time += duration_samples(packet).map_or(0, i64::from);
        (start, *packet)
    };
    packets.iter().enumerate().map(place).collect()
}

/// The most samples for which room is made before they are there.
const MAX_RESERVED: usize = 1 << 20;

/// Keeps the wanted samples of what is decoded.
struct Window<T> {
    scratch: Vec<T>,
    taken: Vec<T>,
    skip: u64,
    want: usize,
    channels: usize,
    decoded: u64,
}

impl<T: Sample> Window<T> {
    fn new(wanted: Wanted) -> Self {
        let channels = usize::from(wanted.shape.channels);
        let want = wanted.take.saturating_mul(channels);
        Self {
            scratch: Vec::new(),
            // What is wanted need not be there.
            taken: Vec::with_capacity(want.min(MAX_RESERVED)),
            skip: wanted.skip,
            want,
            channels,
            decoded: 0,
        }
    }

    fn full(&self) -> bool {
        self.taken.len() >= self.want
    }

    fn take_scratch(&mut self) {
        let samples = self.scratch.len() / self.channels;
        self.decoded += samples as u64;
        let skipped = usize::try_from(self.skip).map_or(samples, |skip| skip.min(samples));
        self.skip -= skipped as u64;
        let fresh = &self.scratch[skipped * self.channels..];
        let room = self.want - self.taken.len();
        self.taken
            .extend_from_slice(&fresh[..fresh.len().min(room)]);
        self.scratch.clear();
    }

    fn finish(self) -> Result<Vec<T>, RunError> {
        if self.full() {
            return Ok(self.taken);
        }
        Err(RunError::Shape(format!(
            "the run decodes to {} samples a channel; more were wanted",
            self.decoded
        )))
    }
}
