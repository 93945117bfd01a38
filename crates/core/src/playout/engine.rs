//! The engine's face: packets taken and bounded, samples handed out and accounted for.

use std::collections::VecDeque;
use std::ops::Range;

use super::account::{Pending, Span};
use super::adapt::Adapter;
use super::buffer::{Buffer, Waiting};
use super::clocks::Clocks;
use super::comfort::Comfort;
use super::delay::Delay;
use super::load::Load;
use super::stats::{Counter, Stats};
use super::strays::Strays;
use super::stretch::Unit;
use super::{Incoming, Mode, PlayoutConfig, Position, Pushed};
use crate::MEDIA_RATE;
use crate::conceal::{Concealer, Origin};
use crate::opus::{Decode, Decoder, Error, Sample};

/// The longest packet that is taken, as long as a datagram: padding could make it any length.
const MAX_PACKET_BYTES: usize = 65_535;

/// Media times and sequence numbers from here on are nobody's: 5,900 years of audio.
const FURTHEST: i64 = 1 << 53;

/// The longest packet that says nothing but that a pause goes on (DTX; RFC 7587 §3.1.3).
const DTX_BYTES: usize = 2;

/// One stream's playout.
pub struct Playout<T: Sample, D: Decode<T> = Decoder> {
    pub(super) config: PlayoutConfig,
    pub(super) scale: i64,
    pub(super) decoder: D,
    pub(super) concealer: Concealer<D::Dred>,
    pub(super) buffer: Buffer,
    pub(super) delay: Delay,
    pub(super) adapter: Adapter,
    /// Another stream's lag, which this one waits for.
    pub(super) kept_lag_us: Option<i64>,
    pub(super) clocks: Clocks<T>,
    pub(super) load: Load,
    /// What fills up what is made up for an ear; an archive gives none.
    pub(super) comfort: Option<Comfort<T>>,
    /// One channel of what waits, to look for joins in.
    pub(super) mix: Vec<f32>,
    pub(super) pending: Pending<T>,
    pub(super) scratch: Vec<T>,
    pub(super) position: Option<Position>,
    /// Where the stream begins, if that is known.
    pub(super) begin: Option<Position>,
    pub(super) first_arrival_us: Option<i64>,
    pub(super) strays: Strays,
    pub(super) end: Option<Position>,
    /// Media time put in since the last packet, while nothing was at hand.
    pub(super) put_in: i64,
    /// Samples of concealment since nothing was at hand.
    pub(super) underrun_samples: usize,
    pub(super) concealing: bool,
    /// The sender has stopped for a pause: its last packet said so.
    pub(super) pausing: bool,
    /// When the packet came that was decoded last.
    pub(super) arrival_us: i64,
    /// The time of the last pull.
    pub(super) now_us: i64,
    /// The next packet's FEC has been played.
    pub(super) fec_used: bool,
    pub(super) counter: Counter,
    pub(super) log: VecDeque<Span>,
}

impl<T: Sample + Unit> Playout<T> {
    /// # Errors
    /// [`Error::Argument`] when rate, channels, complexity or beginning are out of range.
    pub fn new(config: PlayoutConfig) -> Result<Self, Error> {
        let mut decoder = Decoder::new(config.rate, config.channels, config.complexity)?;
        decoder.set_gain_q8(config.gain_q8)?;
        Self::with_decoder(config, decoder)
    }
}

impl<T: Sample + Unit, D: Decode<T>> Playout<T, D> {
    /// With a decoder of the rate, the channels and the complexity of `config`.
    ///
    /// # Errors
    /// [`Error::Argument`] when the beginning or the least complexity are out of range.
    pub fn with_decoder(config: PlayoutConfig, decoder: D) -> Result<Self, Error> {
        if let Some((time, sequence)) = config.begin {
            check_position(time, sequence)?;
        }
        let scale = i64::from(MEDIA_RATE / config.rate);
        Ok(Self {
            concealer: concealer(&config),
            pending: Pending::new(decoder.channels(), scale),
            delay: Delay::new(config.late_share()),
            adapter: Adapter::default(),
            kept_lag_us: None,
            clocks: Clocks::new(decoder.channels(), config.mode),
            load: Load::of(&config)?,
            comfort: (config.mode != Mode::Whole)
                .then(|| Comfort::new(config.rate, decoder.channels())),
            mix: Vec::new(),
            buffer: Buffer::default(),
            scratch: Vec::new(),
            position: None,
            begin: config
                .begin
                .map(|(time, sequence)| Position { time, sequence }),
            first_arrival_us: None,
            strays: Strays::default(),
            end: None,
            put_in: 0,
            underrun_samples: 0,
            concealing: false,
            pausing: false,
            arrival_us: 0,
            now_us: 0,
            fec_used: false,
            counter: Counter::new(config.rate),
            log: VecDeque::new(),
            decoder,
            scale,
            config,
        })
    }

    /// Takes a packet that arrived at `now_us`.
    ///
    /// # Errors
    /// [`Error::Packet`] when it is no Opus packet; it counts as lost then. [`Error::Argument`] when
    /// media time or sequence number are not from 0 up to 2^53.
    pub fn push(&mut self, packet: Incoming<'_>, now_us: i64) -> Result<Pushed, Error> {
        check_position(packet.time, packet.sequence)?;
        if packet.data.len() > MAX_PACKET_BYTES {
            return Err(Error::Packet(format!(
                "the packet has {} bytes; at most {MAX_PACKET_BYTES} are taken: remove its padding",
                packet.data.len()
            )));
        }
        let samples = self.decoder.packet_samples(packet.data)?;
        let duration = samples as i64 * self.scale;
        if let Some(aside) = self.set_aside(&packet, duration, now_us) {
            return Ok(aside);
        }
        self.delay.observe(packet.time, now_us);
        self.clocks.observe_packet(packet.time, now_us);
        // In part it may still be heard, unless all is to be played from its packet's beginning.
        let heard = match self.config.mode {
            Mode::Whole => packet.time,
            Mode::Fixed | Mode::Adaptive => packet.time + duration - 1,
        };
        if self.position.as_ref().is_some_and(|p| heard < p.time) {
            self.take_late(packet, duration)?;
            return Ok(Pushed::Late);
        }
        if !self.buffer.insert(&packet, duration, now_us) {
            self.counter.stats.packets_duplicate += 1;
            return Ok(Pushed::Duplicate);
        }
        self.counter.stats.packets_received += 1;
        self.first_arrival_us.get_or_insert(now_us);
        self.give_up_oldest();
        Ok(Pushed::Kept)
    }

    /// Says where the stream ends: in media time, pre-skip included, beyond which nothing is played,
    /// and in packets, which tells how many were lost at its end.
    ///
    /// # Errors
    /// [`Error::Argument`] when one of them is not from 0 up to 2^53.
    pub fn finish(&mut self, time: i64, sequence: i64) -> Result<(), Error> {
        check_position(time, sequence)?;
        if !self.is_end_of_strays(time, sequence) {
            self.end = Some(Position { time, sequence });
        }
        Ok(())
    }

    /// Whether all of a finished stream has been pulled.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let over = match (&self.position, &self.end) {
            (Some(position), Some(end)) => position.time >= end.time,
            (None, Some(end)) => {
                let lost = self.begin.is_some_and(|begin| begin.time < end.time);
                self.buffer.len() == 0 && !lost
            }
            (_, None) => false,
        };
        over && self.pending.len() == 0 && !self.strays.believed
    }

    /// Audio that waits, decoded or not, in milliseconds.
    #[must_use]
    pub fn buffered_ms(&self) -> i64 {
        let decoded = self.pending.len() as i64 * self.scale;
        (decoded + self.buffer.span()) / i64::from(MEDIA_RATE / 1000)
    }

    /// Fills `out` with the next samples, interleaved; silence where there is nothing to play.
    ///
    /// # Errors
    /// [`Error::Argument`] when `out` ends between two channels; [`Error::Codec`] should libopus
    /// refuse.
    pub fn pull(&mut self, out: &mut [T], now_us: i64) -> Result<(), Error> {
        let channels = self.decoder.channels();
        if !out.len().is_multiple_of(channels) {
            return Err(Error::argument(format!(
                "{} values are to be pulled; expected a multiple of {channels}, one a channel",
                out.len()
            )));
        }
        let samples = out.len() / channels;
        self.now_us = now_us;
        self.follow_load(samples, now_us)?;
        self.adapt(samples, now_us)?;
        self.observe_pull(samples, now_us);
        self.play(out, now_us)
    }

    /// Counts since the beginning.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            waiting: self.counter.waits(),
            preferred_us: self.target_us(),
            jitter_us: self.delay.jitter_us(),
            drift: self.pace().rate,
            complexity: self.load.complexity(),
            ..self.counter.stats
        }
    }

    /// Decodes at less complexity from here on if whoever pulls falls behind, and at more if not.
    fn follow_load(&mut self, samples: usize, now_us: i64) -> Result<(), Error> {
        // When packets come differs between streams by microseconds, even of one sender.
        let chance = self.arrival_us;
        let changed = self.load.observe(samples, self.config.rate, now_us, chance);
        if let Some(complexity) = changed {
            self.decoder.set_complexity(complexity)?;
            self.concealer.set_complexity(complexity);
            self.counter.stats.complexity_changes += 1;
        }
        Ok(())
    }

    /// Decodes a packet that was taken from the buffer into `scratch`, and says whether it was one.
    pub(super) fn decode_taken(&mut self, packet: Waiting) -> bool {
        let has_fec = self.decoder.fec_samples(&packet.data) > 0;
        self.scratch.clear();
        let decoded = self.decoder.decode(&packet.data, &mut self.scratch);
        if has_fec && decoded.is_ok() {
            let stats = &mut self.counter.stats;
            stats.fec_packets_received += 1;
            stats.fec_packets_discarded += u64::from(!self.fec_used);
        }
        self.fec_used = false;
        self.pausing = packet.data.len() <= DTX_BYTES;
        self.arrival_us = packet.arrival_us;
        let wait_us = self.now_us.saturating_sub(packet.arrival_us);
        self.counter.waited(wait_us);
        self.buffer.recycle(packet);
        decoded.is_ok()
    }

    /// Hands decoded audio on, to be pulled.
    pub(super) fn queue(&mut self, span: Span, samples: Range<usize>) {
        let arrival_us = (span.origin == Origin::Received).then_some(self.arrival_us);
        self.pending.push(span, &self.scratch[samples], arrival_us);
    }
}

fn check_position(time: i64, sequence: i64) -> Result<(), Error> {
    if !(0..FURTHEST).contains(&time) || !(0..FURTHEST).contains(&sequence) {
        return Err(Error::argument(format!(
            "media time is {time} and sequence number {sequence}; expected 0 up to 2^53"
        )));
    }
    Ok(())
}

/// All is played in `whole` as an archive gives it, concealment and all.
fn concealer<R>(config: &PlayoutConfig) -> Concealer<R> {
    match config.mode {
        Mode::Whole => Concealer::new(config.complexity),
        Mode::Fixed | Mode::Adaptive => Concealer::for_ear(config.complexity),
    }
}
