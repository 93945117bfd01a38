//! The engine: one position in media time, moved by what is pulled.

use super::account::{Pending, Span, Stats};
use super::buffer::{Buffer, Waiting};
use super::delay::Delay;
use super::{Incoming, PlayoutConfig, Pushed};
use crate::MEDIA_RATE;
use crate::conceal::{Concealer, Missing, Origin};
use crate::opus::{Decoder, Error, Sample};

/// Concealment put in while nothing is at hand, before silence takes over.
const UNDERRUN_PLC_MS: u32 = 60;

/// A stream whose first packet lies within this much of its beginning lost what came before; one
/// that begins later was joined under way.
const JOINED_MS: u32 = 1000;

/// The shortest packet that there is, 2.5 ms, in 48 kHz samples (RFC 6716 §2.1.4).
const SHORTEST_PACKET: i64 = 120;

/// Spans kept for the log; a listener that wants more takes them more often.
const MAX_LOG_SPANS: usize = 4096;

/// Where playing stands.
struct Position {
    time: i64,
    sequence: i64,
}

/// One stream's playout.
pub struct Playout<T> {
    config: PlayoutConfig,
    scale: i64,
    decoder: Decoder,
    concealer: Concealer,
    buffer: Buffer,
    delay: Delay,
    pending: Pending<T>,
    scratch: Vec<T>,
    position: Option<Position>,
    first_arrival_us: Option<i64>,
    end: Option<Position>,
    /// Media time put in since the last packet, while nothing was at hand.
    put_in: i64,
    concealing: bool,
    stats: Stats,
    log: Vec<Span>,
}

impl<T: Sample> Playout<T> {
    /// # Errors
    /// [`Error::Argument`] when rate, channels or complexity are out of range.
    pub fn new(config: PlayoutConfig) -> Result<Self, Error> {
        let mut decoder = Decoder::new(config.rate, config.channels, config.complexity)?;
        decoder.set_gain_q8(config.gain_q8)?;
        let scale = i64::from(MEDIA_RATE / config.rate);
        Ok(Self {
            concealer: Concealer::new(config.rate, config.complexity)?,
            pending: Pending::new(decoder.channels(), scale),
            delay: Delay::fixed(config.target_delay_ms),
            buffer: Buffer::default(),
            scratch: Vec::new(),
            position: None,
            first_arrival_us: None,
            end: None,
            put_in: 0,
            concealing: false,
            stats: Stats::default(),
            log: Vec::new(),
            decoder,
            scale,
            config,
        })
    }

    /// Takes a packet that arrived at `now_us`.
    ///
    /// # Errors
    /// [`Error::Packet`] when it is no Opus packet; it counts as lost then.
    pub fn push(&mut self, packet: Incoming<'_>, now_us: i64) -> Result<Pushed, Error> {
        let samples = self.decoder.packet_samples(packet.data)?;
        let duration = samples as i64 * self.scale;
        self.delay.observe(packet.time, now_us);
        if self.position.as_ref().is_some_and(|p| packet.time < p.time) {
            self.stats.packets_late += 1;
            return Ok(Pushed::Late);
        }
        let waiting = Waiting {
            sequence: packet.sequence,
            duration,
            jump: packet.jump,
            data: packet.data.to_vec(),
        };
        if !self.buffer.insert(packet.time, waiting) {
            self.stats.packets_duplicate += 1;
            return Ok(Pushed::Duplicate);
        }
        self.stats.packets_received += 1;
        self.first_arrival_us.get_or_insert(now_us);
        self.give_up_oldest();
        Ok(Pushed::Kept)
    }

    /// Says where the stream ends: in media time, pre-skip included, beyond which nothing is played,
    /// and in packets, which tells how many were lost at its end.
    pub fn finish(&mut self, time: i64, sequence: i64) {
        self.end = Some(Position { time, sequence });
    }

    /// Whether all of a finished stream has been pulled.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let over = match (&self.position, &self.end) {
            (Some(position), Some(end)) => position.time >= end.time,
            (None, Some(_)) => self.buffer.len() == 0,
            (_, None) => false,
        };
        over && self.pending.len() == 0
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
    /// [`Error::Codec`] should libopus refuse.
    pub fn pull(&mut self, out: &mut [T], now_us: i64) -> Result<(), Error> {
        let channels = self.decoder.channels();
        let mut done = 0;
        while done < out.len() {
            if let Some(span) = self.pending.pop(&mut out[done..]) {
                done += span.samples * channels;
                self.record(span);
            } else if !self.produce(now_us)? {
                let rest = (out.len() - done) / channels;
                out[done..].fill(T::default());
                if self.position.is_some() && !self.is_finished() {
                    self.put_in += rest as i64 * self.scale;
                }
                self.record(Span {
                    origin: Origin::Silence,
                    time: None,
                    samples: rest,
                });
                break;
            }
        }
        Ok(())
    }

    /// Counts since the beginning.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            jitter_us: self.delay.jitter_us(),
            ..self.stats
        }
    }

    /// Takes the log of what was played since the last call, the newest 4096 spans of it.
    pub fn take_log(&mut self) -> Vec<Span> {
        std::mem::take(&mut self.log)
    }

    fn record(&mut self, span: Span) {
        self.stats.count(span.origin, span.samples);
        if let Some(last) = self.log.last_mut() {
            let end = last.time.map(|t| t + last.samples as i64 * self.scale);
            if last.origin == span.origin && end == span.time {
                last.samples += span.samples;
                return;
            }
        }
        if self.log.len() == MAX_LOG_SPANS {
            self.log.remove(0);
        }
        self.log.push(span);
    }

    fn give_up_oldest(&mut self) {
        let most = i64::from(self.config.max_buffer_ms * (MEDIA_RATE / 1000));
        // By number as well: packets that overlap would make any number fit in the time.
        let count = usize::try_from(most / SHORTEST_PACKET).unwrap_or(usize::MAX);
        while self.buffer.len() > 1 && (self.buffer.span() > most || self.buffer.len() > count) {
            let start = self.start();
            let given_up = self.buffer.pop_first();
            let (Some((_, given_up)), Some(start)) = (given_up, start) else {
                return;
            };
            self.stats.packets_overflow += 1;
            // The position follows: concealing what was given up would not make room.
            let position = self.position.get_or_insert(start);
            let lost = (given_up.sequence - position.sequence).max(0);
            self.stats.packets_lost += lost.cast_unsigned();
            position.sequence = position.sequence.max(given_up.sequence + 1);
            if let Some((time, _)) = self.buffer.first() {
                position.time = position.time.max(time);
            }
        }
    }

    /// Where the stream begins, as far as the packets at hand tell.
    fn start(&self) -> Option<Position> {
        let (time, first) = self.buffer.first()?;
        let joined = time > i64::from(JOINED_MS * (MEDIA_RATE / 1000));
        Some(Position {
            time: if joined { time } else { time.min(0) },
            sequence: if joined {
                first.sequence
            } else {
                first.sequence.min(0)
            },
        })
    }

    /// Where to begin, once the first packet has been held back long enough.
    fn begin(&self, now_us: i64) -> Option<Position> {
        let held_us = now_us - self.first_arrival_us?;
        let span_us = self.buffer.span() * 1000 / i64::from(MEDIA_RATE / 1000);
        let target = self.delay.target_us();
        if self.end.is_none() && held_us < target && span_us < target {
            return None;
        }
        self.start()
    }

    /// Decodes or fills the next piece; false when there is nothing but silence.
    fn produce(&mut self, now_us: i64) -> Result<bool, Error> {
        if self.position.is_none() {
            self.position = self.begin(now_us);
        }
        let Some(Position { time, sequence }) = self.position else {
            return Ok(false);
        };
        if self.end.as_ref().is_some_and(|end| time >= end.time) {
            return Ok(false);
        }
        let next = self.buffer.first().map(|(t, p)| (t, p.sequence, p.jump));
        match (next, &self.end) {
            (Some((at, ..)), _) if at < time => {
                // It overlaps one that was played: a sender's fault, and no reason to play twice.
                self.buffer.pop_first();
                self.stats.packets_late += 1;
                Ok(true)
            }
            (Some((at, ..)), _) if at == time => self.decode_first(),
            (Some((at, next_sequence, jump)), _) => {
                let missing = match next_sequence > sequence {
                    true => Missing::Lost,
                    false if jump => Missing::Jump,
                    false => Missing::Unsent,
                };
                self.fill_gap(time, at, missing)
            }
            (None, Some(end)) => {
                // The last packets were lost; they count once, whatever the pieces filled.
                let lost = (end.sequence - sequence).max(0);
                self.stats.packets_lost += lost.cast_unsigned();
                let end = end.time;
                self.position = Some(Position {
                    time,
                    sequence: sequence + lost,
                });
                self.fill_gap(time, end, Missing::Lost)
            }
            (None, None) => self.put_in_concealment(),
        }
    }

    fn decode_first(&mut self) -> Result<bool, Error> {
        let Some((time, packet)) = self.buffer.pop_first() else {
            return Ok(false);
        };
        self.scratch.clear();
        if self
            .decoder
            .decode(&packet.data, &mut self.scratch)
            .is_err()
        {
            // Its table of contents was sound and its body is not: conceal it like a lost one.
            let samples = packet.duration / self.scale;
            self.stats.packets_lost += 1;
            return self.conceal_samples(time, samples, packet.sequence + 1);
        }
        let position = self.position.get_or_insert(Position {
            time,
            sequence: packet.sequence,
        });
        let lost = packet.sequence - position.sequence;
        self.stats.packets_lost += u64::try_from(lost).unwrap_or(0);
        *position = Position {
            time: time + packet.duration,
            sequence: packet.sequence + 1,
        };
        self.concealer.on_received();
        self.put_in = 0;
        self.concealing = false;
        self.keep(Origin::Received, time);
        Ok(true)
    }

    fn conceal_samples(&mut self, time: i64, samples: i64, sequence: i64) -> Result<bool, Error> {
        let samples = usize::try_from(samples).unwrap_or(0);
        self.decoder.conceal(samples, &mut self.scratch)?;
        self.position = Some(Position {
            time: time + samples as i64 * self.scale,
            sequence,
        });
        self.start_concealing();
        self.keep(Origin::Plc, time);
        Ok(true)
    }

    fn fill_gap(&mut self, time: i64, end: i64, missing: Missing) -> Result<bool, Error> {
        // What was put in while nothing was at hand stands for the oldest part of the gap.
        let covered = self.put_in.min(end - time);
        self.put_in -= covered;
        let time = time + covered;
        let gap = usize::try_from((end - time) / self.scale).unwrap_or(0);
        let mut filled = end - time;
        if gap > 0 {
            self.scratch.clear();
            let (samples, origin) = self.concealer.fill(
                &mut self.decoder,
                missing,
                time,
                gap,
                self.buffer.iter(),
                &mut self.scratch,
            )?;
            filled = samples as i64 * self.scale;
            if origin != Origin::Silence {
                self.start_concealing();
            }
            self.keep(origin, time);
        }
        if let Some(position) = &mut self.position {
            position.time = time + filled;
        }
        Ok(true)
    }

    fn put_in_concealment(&mut self) -> Result<bool, Error> {
        let piece = (self.config.rate / 50) as usize;
        if self.put_in >= i64::from(UNDERRUN_PLC_MS * (MEDIA_RATE / 1000)) {
            return Ok(false);
        }
        self.scratch.clear();
        self.decoder.conceal(piece, &mut self.scratch)?;
        self.put_in += piece as i64 * self.scale;
        self.start_concealing();
        let span = Span {
            origin: Origin::Plc,
            time: None,
            samples: piece,
        };
        self.pending.push(span, &self.scratch);
        Ok(true)
    }

    fn start_concealing(&mut self) {
        if !self.concealing {
            self.concealing = true;
            self.stats.concealment_events += 1;
        }
    }

    /// Hands `scratch` on, without what lies before the pre-skip or behind the end.
    fn keep(&mut self, origin: Origin, time: i64) {
        let channels = self.decoder.channels();
        let samples = (self.scratch.len() / channels) as i64;
        let skip = (i64::from(self.config.pre_skip) - time).max(0) / self.scale;
        let last = self
            .end
            .as_ref()
            .map_or(samples, |end| (end.time - time).max(0) / self.scale);
        let (from, to) = (skip.min(samples), last.min(samples).max(skip.min(samples)));
        let span = Span {
            origin,
            time: Some(time + from * self.scale),
            samples: usize::try_from(to - from).unwrap_or(0),
        };
        let at = |n: i64| usize::try_from(n).unwrap_or(0) * channels;
        self.pending.push(span, &self.scratch[at(from)..at(to)]);
    }
}
