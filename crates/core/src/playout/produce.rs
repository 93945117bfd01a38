//! The next piece of sound: the packet whose turn it is, or what stands for a missing one.

use super::Mode;
use super::Position;
use super::account::Span;
use super::buffer::Waiting;
use super::engine::Playout;
use super::stretch::Unit;
use crate::conceal::{MAX_PLC_MS, Missing, Origin};
use crate::opus::{Decode, Error, Sample};

/// Concealment put in while nothing is at hand, before silence takes over.
const UNDERRUN_PLC_MS: u32 = 60;

impl<T: Sample + Unit, D: Decode<T>> Playout<T, D> {
    /// Decodes or fills the next piece; false when there is nothing but silence.
    pub(super) fn produce(&mut self, now_us: i64) -> Result<bool, Error> {
        self.follow_restart()?;
        if self.position.is_none() {
            self.position = self.begin(now_us);
        }
        self.resume(now_us)?;
        let Some(Position { time, sequence }) = self.position else {
            return Ok(false);
        };
        if self.end.as_ref().is_some_and(|end| time >= end.time) {
            return Ok(false);
        }
        let next = self.buffer.first().map(|(t, p)| (t, p.sequence, p.jump));
        match (next, &self.end) {
            (Some((at, ..)), _) if at < time && !self.is_of_use(time) => {
                // It overlaps one that was played: a sender's fault, and no reason to play twice.
                if let Some((_, packet)) = self.buffer.pop_first() {
                    self.buffer.recycle(packet);
                }
                self.counter.stats.packets_late += 1;
                Ok(true)
            }
            (Some((at, ..)), _) if at <= time => self.decode_first(),
            (Some((at, next_sequence, jump)), _) => {
                // As an archive says it: a source that jumped lost nothing, whatever numbers lack.
                let missing = match jump {
                    true => Missing::Jump,
                    false if next_sequence > sequence => Missing::Lost,
                    false => Missing::Unsent,
                };
                self.fill_gap(time, at, missing)
            }
            (None, Some(end)) => {
                // The last packets were lost; they count once, whatever the pieces filled.
                let lost = (end.sequence - sequence).max(0);
                self.counter.lost(lost);
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

    /// Whether the first packet ends behind `time`: in part it may still be heard.
    fn is_of_use(&self, time: i64) -> bool {
        let ends = |(at, packet): (i64, &Waiting)| at + packet.duration > time;
        self.config.mode != Mode::Whole && self.buffer.first().is_some_and(ends)
    }

    fn decode_first(&mut self) -> Result<bool, Error> {
        let Some((time, packet)) = self.buffer.pop_first() else {
            return Ok(false);
        };
        let (sequence, duration) = (packet.sequence, packet.duration);
        if !self.decode_taken(packet) {
            // Its table of contents was sound and its body is not: conceal it like a lost one.
            let samples = duration / self.scale;
            let before = self.position.as_ref().map_or(0, |p| p.sequence);
            self.counter.lost((sequence + 1 - before).max(1));
            return self.conceal_samples(time, samples, sequence + 1);
        }
        let position = self.position.get_or_insert(Position { time, sequence });
        let from = position.time;
        self.counter.lost(sequence - position.sequence);
        *position = Position {
            time: time + duration,
            sequence: sequence + 1,
        };
        self.put_in = 0;
        self.on_decoded();
        // What a decoder makes of a pause is no background that was sent.
        if let Some(comfort) = self.comfort.as_mut().filter(|_| !self.pausing) {
            comfort.background.learn(&self.scratch);
        }
        self.keep(Origin::Received, None, time, from);
        Ok(true)
    }

    /// Notes that concealment is over.
    pub(super) fn on_decoded(&mut self) {
        self.concealer.on_received();
        self.underrun_samples = 0;
        self.concealing = false;
    }

    fn conceal_samples(&mut self, time: i64, samples: i64, sequence: i64) -> Result<bool, Error> {
        let samples = usize::try_from(samples).unwrap_or(0);
        let from = self
            .position
            .as_ref()
            .map_or(time, |position| position.time);
        self.decoder.conceal(samples, &mut self.scratch)?;
        self.position = Some(Position {
            time: time + samples as i64 * self.scale,
            sequence,
        });
        self.concealing = true;
        self.keep(Origin::Plc, Some(Missing::Lost), time, from);
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
            self.fec_used |= origin == Origin::Fec;
            if !matches!(origin, Origin::ComfortNoise | Origin::Silence) {
                self.concealing = true;
            }
            self.keep(origin, Some(missing), time, time);
        }
        if let Some(position) = &mut self.position {
            position.time = time + filled;
        }
        Ok(true)
    }

    fn put_in_concealment(&mut self) -> Result<bool, Error> {
        let piece = self.concealer.piece(&self.decoder);
        let most_ms = match self.config.mode {
            Mode::Whole => UNDERRUN_PLC_MS,
            Mode::Fixed | Mode::Adaptive => MAX_PLC_MS,
        };
        if self.underrun_samples >= (self.config.rate / 1000 * most_ms) as usize {
            return Ok(false);
        }
        self.scratch.clear();
        if self.pausing {
            self.decoder.conceal(piece, &mut self.scratch)?;
        } else {
            self.concealer
                .conceal(&mut self.decoder, piece, &mut self.scratch)?;
        }
        self.underrun_samples += piece;
        let (origin, missing) = if self.pausing {
            (Origin::ComfortNoise, Some(Missing::Unsent)) // nothing is missing yet
        } else {
            self.concealing = true;
            (Origin::Plc, None)
        };
        self.put_in += piece as i64 * self.scale;
        let span = Span {
            origin,
            missing,
            time: None,
            samples: piece,
            media: None,
        };
        self.queue(span, 0..self.scratch.len());
        Ok(true)
    }

    /// Hands `scratch` on, without what lies before `from`, before the pre-skip or behind the end.
    pub(super) fn keep(&mut self, origin: Origin, missing: Option<Missing>, time: i64, from: i64) {
        let channels = self.decoder.channels();
        let samples = (self.scratch.len() / channels) as i64;
        let first = from.max(self.config.pre_skip.into());
        let skip = ((first - time).max(0) + self.scale - 1) / self.scale;
        let last = self
            .end
            .as_ref()
            .map_or(samples, |end| (end.time - time).max(0) / self.scale);
        let (from, to) = (skip.min(samples), last.min(samples).max(skip.min(samples)));
        let span = Span {
            origin,
            missing,
            time: Some(time + from * self.scale),
            samples: usize::try_from(to - from).unwrap_or(0),
            media: None,
        };
        let at = |n: i64| usize::try_from(n).unwrap_or(0) * channels;
        self.queue(span, at(from)..at(to));
    }
}
