//! Counts of what was played, of what became of packets, and of how long they waited.
//!
//! Names and definitions are those of the W3C's *Identifiers for WebRTC's Statistics API*
//! (`RTCInboundRtpStreamStats`), and what NetEQ adds to them (`NetEqNetworkStatistics` and
//! `NetEqLifetimeStatistics` of WebRTC's `api/neteq/neteq.h`).

use super::account::Span;
use crate::conceal::{Missing, Origin};

/// Waiting times that are remembered, as many as NetEQ does.
const MAX_WAITS: usize = 100;

/// Concealment from this length on is an interruption, as in NetEQ.
const INTERRUPTION_MS: u64 = 150;

/// Counts of one stream, since its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stats {
    /// Samples per channel handed out, at the output rate:
    /// received + FEC + DRED + PLC + stretched + comfort noise + silence, always.
    pub played: u64,
    /// Played samples decoded from their own packet.
    pub received: u64,
    /// Played samples rebuilt from in-band FEC.
    pub fec: u64,
    /// Played samples rebuilt from deep redundancy.
    pub dred: u64,
    /// Played samples concealed.
    pub plc: u64,
    /// Played samples that were joined from others to shorten or lengthen the sound.
    pub stretched: u64,
    /// Samples left out by joins (`removedSamplesForAcceleration`).
    pub removed: u64,
    /// Samples put in by joins (`insertedSamplesForDeceleration`).
    pub inserted: u64,
    /// Played samples of noise like the background: in pauses, and where concealment has faded.
    pub comfort_noise: u64,
    /// Played samples of silence: before the stream, in pauses, when nothing had come, after it.
    pub silence: u64,
    /// Played samples that stand for what was lost or had not come, and are made from no data:
    /// concealment, and noise or silence where there was none left (`concealedSamples`).
    pub concealed: u64,
    /// Those of them that are noise or silence (`silentConcealedSamples`).
    pub silent_concealed: u64,
    /// Times that a concealed sample followed one that was not (`concealmentEvents`).
    pub concealment_events: u64,
    /// Concealment that lasted 150 ms or more: how often, and samples of it, still going on or not.
    pub interruptions: u64,
    /// Samples of interruptions.
    pub interruption_samples: u64,
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
    /// Packets far from where the stream was, which it did not go on from.
    pub packets_stray: u64,
    /// Played packets that carried in-band FEC (`fecPacketsReceived`).
    pub fec_packets_received: u64,
    /// Those of them whose FEC was not needed (`fecPacketsDiscarded`).
    pub fec_packets_discarded: u64,
    /// Times that the sender began anew.
    pub restarts: u64,
    /// Times that the decoder's complexity was changed because of the load.
    pub complexity_changes: u64,
    /// Samples handed out that were decoded from their own packet (`jitterBufferEmittedCount`).
    pub emitted: u64,
    /// How long these had waited, from the arrival of their packet to the pull, summed over samples;
    /// in microseconds (`jitterBufferDelay`).
    pub delay_us: u64,
    /// The delay aimed at when they were pulled, summed likewise (`jitterBufferTargetDelay`).
    pub target_delay_us: u64,
    /// The delay that the network alone would ask for, summed likewise
    /// (`jitterBufferMinimumDelay`).
    pub minimum_delay_us: u64,
    /// How long each of the last 100 packets waited before it was decoded.
    pub waiting: Waits,
    /// The delay aimed at now, in microseconds (NetEQ's `preferred_buffer_size_ms`).
    pub preferred_us: i64,
    /// Interarrival jitter (RFC 3550 §6.4.1), in microseconds.
    pub jitter_us: f64,
    /// How much faster the sender's clock goes than the card's, as it is followed: media time in a
    /// unit of the card's, less one; 0 where nothing is followed.
    pub drift: f64,
    /// The decoder's complexity now.
    pub complexity: u8,
}

/// Times between arrival and decoding, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Waits {
    /// Their mean.
    pub mean_us: i64,
    /// The middle one; of an even number the mean of both in the middle.
    pub median_us: i64,
    /// The least.
    pub min_us: i64,
    /// The greatest.
    pub max_us: i64,
}

/// Stats in the making.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) stats: Stats,
    waits: [i64; MAX_WAITS],
    waited: usize,
    /// Samples of the concealment that goes on.
    run: u64,
    /// From how many on it is an interruption.
    interruption: u64,
}

impl Counter {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            stats: Stats::default(),
            waits: [0; MAX_WAITS],
            waited: 0,
            run: 0,
            interruption: u64::from(rate / 1000) * INTERRUPTION_MS,
        }
    }

    /// Counts packets whose turn came and that were not there; fewer than none are none.
    pub(super) fn lost(&mut self, packets: i64) {
        let lost = &mut self.stats.packets_lost;
        *lost = lost.saturating_add(packets.max(0).cast_unsigned());
    }

    /// Notes that a packet is decoded `wait_us` after it came.
    pub(super) fn waited(&mut self, wait_us: i64) {
        self.waits[self.waited % MAX_WAITS] = wait_us.max(0);
        self.waited += 1;
    }

    /// Counts what was handed out; `awaited` says of silence that the stream should have been there.
    pub(super) fn played(&mut self, span: &Span, awaited: bool) {
        let stats = &mut self.stats;
        let samples = span.samples as u64;
        stats.played += samples;
        *match span.origin {
            _ if span.media.is_some() => &mut stats.stretched,
            Origin::Received => &mut stats.received,
            Origin::Fec => &mut stats.fec,
            Origin::Dred => &mut stats.dred,
            Origin::Plc => &mut stats.plc,
            Origin::ComfortNoise => &mut stats.comfort_noise,
            Origin::Silence => &mut stats.silence,
        } += samples;
        let silent = matches!(span.origin, Origin::ComfortNoise | Origin::Silence);
        let lost = awaited || span.missing == Some(Missing::Lost);
        if span.origin != Origin::Plc && !(silent && lost) {
            self.run = 0;
            return;
        }
        stats.concealed += samples;
        stats.silent_concealed += if silent { samples } else { 0 };
        stats.concealment_events += u64::from(self.run == 0 && samples > 0);
        let before = self.run;
        self.run += samples;
        if before >= self.interruption {
            stats.interruption_samples += samples;
        } else if self.run >= self.interruption {
            stats.interruptions += 1;
            stats.interruption_samples += self.run;
        }
    }

    /// Counts samples handed out from packets that had waited so long.
    pub(super) fn emitted(&mut self, samples: usize, wait_us: i64, target_us: i64, least_us: i64) {
        let stats = &mut self.stats;
        let samples = samples as u64;
        let add = |sum: &mut u64, each_us: i64| {
            let each = each_us.max(0).cast_unsigned();
            *sum = sum.saturating_add(each.saturating_mul(samples));
        };
        stats.emitted += samples;
        add(&mut stats.delay_us, wait_us);
        add(&mut stats.target_delay_us, target_us);
        add(&mut stats.minimum_delay_us, least_us);
    }

    /// The statistics of the last packets' waiting.
    pub(super) fn waits(&self) -> Waits {
        let mut sorted = self.waits;
        let count = self.waited.min(MAX_WAITS);
        let sorted = &mut sorted[..count];
        sorted.sort_unstable();
        let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else {
            return Waits::default();
        };
        let (low, high) = (sorted[(count - 1) / 2], sorted[count / 2]);
        let sum: i128 = sorted.iter().map(|wait| i128::from(*wait)).sum();
        Waits {
            mean_us: i64::try_from(sum / count as i128).unwrap_or(i64::MAX),
            median_us: low + (high - low) / 2,
            min_us: *min,
            max_us: *max,
        }
    }
}
