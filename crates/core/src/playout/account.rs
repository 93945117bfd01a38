//! What was played, sample by sample, and what became of each packet.

use std::collections::VecDeque;

use crate::conceal::{Missing, Origin};

/// Counts of one stream, since its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stats {
    /// Samples per channel handed out, at the output rate:
    /// received + FEC + DRED + PLC + silence, always.
    pub played: u64,
    /// Played samples decoded from their own packet.
    pub received: u64,
    /// Played samples rebuilt from in-band FEC.
    pub fec: u64,
    /// Played samples rebuilt from deep redundancy.
    pub dred: u64,
    /// Played samples concealed.
    pub plc: u64,
    /// Played samples of silence: before the stream, in pauses, when nothing had come, after it.
    pub silence: u64,
    /// Packets taken.
    pub packets_received: u64,
    /// Packets that came when their time had been played.
    pub packets_late: u64,
    /// Packets that were there already.
    pub packets_duplicate: u64,
    /// Packets given up because the buffer was full.
    pub packets_overflow: u64,
    /// Packets whose turn came and that were not there.
    pub packets_lost: u64,
    /// Times that concealment began.
    pub concealment_events: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1), in microseconds.
    pub jitter_us: f64,
}

impl Stats {
    pub(super) fn count(&mut self, origin: Origin, samples: usize) {
        let samples = samples as u64;
        self.played += samples;
        *match origin {
            Origin::Received => &mut self.received,
            Origin::Fec => &mut self.fec,
            Origin::Dred => &mut self.dred,
            Origin::Plc => &mut self.plc,
            Origin::Silence => &mut self.silence,
        } += samples;
    }
}

/// Consecutive played samples of one origin, and of one cause where they stand for what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What they were made from.
    pub origin: Origin,
    /// Why they are not from their own packet; `None` where they are, and where nothing is known.
    pub missing: Option<Missing>,
    /// Media time of the first, in 48 kHz samples; `None` for what stands for no media time.
    pub time: Option<i64>,
    /// How many per channel, at the output rate.
    pub samples: usize,
}

/// Decoded audio that waits to be pulled, each span with its origin.
pub(super) struct Pending<T> {
    samples: VecDeque<T>,
    spans: VecDeque<Span>,
    channels: usize,
    scale: i64,
}

impl<T: Copy> Pending<T> {
    pub(super) fn new(channels: usize, scale: i64) -> Self {
        Self {
            samples: VecDeque::new(),
            spans: VecDeque::new(),
            channels,
            scale,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.samples.len() / self.channels
    }

    pub(super) fn push(&mut self, span: Span, pcm: &[T]) {
        if span.samples > 0 {
            self.samples.extend(pcm);
            self.spans.push_back(span);
        }
    }

    /// Moves what fits into `out`; returns the span moved, of one origin, or `None` when empty.
    pub(super) fn pop(&mut self, out: &mut [T]) -> Option<Span> {
        let span = self.spans.front_mut()?;
        let samples = span.samples.min(out.len() / self.channels);
        let moved = Span { samples, ..*span };
        for (place, sample) in out
            .iter_mut()
            .zip(self.samples.drain(..samples * self.channels))
        {
            *place = sample;
        }
        if samples == span.samples {
            self.spans.pop_front();
        } else {
            span.samples -= samples;
            span.time = span.time.map(|time| time + samples as i64 * self.scale);
        }
        Some(moved)
    }
}
