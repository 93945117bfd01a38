//! What reaches the ear: packets pushed as they arrive, samples pulled as they are played.
//!
//! The engine has no clock and no thread; `now` comes with each call. It keeps one position in media
//! time. A pull decodes the packet at that position, or fills the gap up to the next packet at hand.
//! When nothing at all is at hand (an underrun), concealment and then silence are put in *without*
//! moving the position. What then comes late is played, all of it (`whole`), or without what was put
//! in for it: always (`fixed`), or up to a bound (`adaptive`). Should the packets turn out to be lost,
//! the gap is shortened by what was put in, so that losses never add to the delay.

mod account;
mod adapt;
mod background;
mod begin;
mod buffer;
mod clocks;
mod comfort;
mod delay;
mod drift;
mod engine;
mod follow;
mod late;
mod lengths;
mod load;
mod output;
mod produce;
mod resample;
mod restart;
mod stats;
mod strays;
mod stretch;

pub use account::Span;
pub use clocks::Pace;
pub use engine::Playout;
pub use stats::{Stats, Waits};
pub use stretch::Unit;

/// What is done about packets that are late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Whatever comes is played, however late: nothing is left out, and the delay stays what it
    /// became. For archives and for what must not be lost.
    Whole,
    /// The delay stays the same; what comes later than that is lost.
    Fixed,
    /// The delay follows the network: sound is played faster or slower, and none is skipped.
    Adaptive,
}

/// How a stream is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayoutConfig {
    /// Output rate in Hz, an Opus rate.
    pub rate: u32,
    /// Output channels.
    pub channels: u8,
    /// Decoder complexity, 0 to 10.
    pub complexity: u8,
    /// How low it may go while whoever pulls cannot keep up; `None` for a complexity that stays.
    pub least_complexity: Option<u8>,
    /// Look-ahead to leave out at the beginning, in 48 kHz samples.
    pub pre_skip: u32,
    /// Output gain in 1/256 dB (RFC 7845 §5.1).
    pub gain_q8: i16,
    /// Media time and sequence at which the stream begins, where that is known: what is missing
    /// after them was lost. Without, a stream that is joined under way begins with what comes.
    pub begin: Option<(i64, i64)>,
    /// What is done about late packets.
    pub mode: Mode,
    /// How long the first packet is held back; in adaptive mode the least delay.
    pub target_delay_ms: u32,
    /// The largest delay that adaptive mode aims at.
    pub max_delay_ms: u32,
    /// Packets in a thousand that adaptive mode lets come later than it waits.
    pub late_per_mille: u16,
    /// The most audio that may wait; beyond it the oldest is given up.
    pub max_buffer_ms: u32,
    /// Packets further than this from where the sender may be by now are those of a sender that has
    /// begun anew; 0 for never.
    pub restart_ms: u32,
}

/// The shortest packet that there is, 2.5 ms, in 48 kHz samples (RFC 6716 §2.1.4).
const SHORTEST_PACKET: i64 = 120;

/// The most that waits for each millisecond of `max_buffer_ms`: frames of 2.5 ms, each as long as
/// any may be (RFC 6716 §3.4, rule R2).
const MAX_BYTES_PER_MS: usize = 1275 * 2 / 5;

impl PlayoutConfig {
    /// Share of packets that may come later than is waited for.
    fn late_share(&self) -> f64 {
        f64::from(self.late_per_mille.min(1000)) / 1000.0
    }

    /// Whether no more waits than may.
    fn fits(&self, buffer: &buffer::Buffer) -> bool {
        let most = i64::from(self.max_buffer_ms) * i64::from(crate::MEDIA_RATE / 1000);
        // By number as well: packets that overlap would make any number fit in the time.
        let count = usize::try_from(most / SHORTEST_PACKET).unwrap_or(usize::MAX);
        let bytes = self.max_buffer_ms as usize * MAX_BYTES_PER_MS;
        buffer.span() <= most && buffer.len() <= count && buffer.bytes() <= bytes
    }
}

/// What became of a pushed packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits for its turn.
    Kept,
    /// It is there already.
    Duplicate,
    /// Its time has been played.
    Late,
    /// It is far from where the stream is: kept aside, should the sender have begun anew.
    Stray,
}

/// Media time in microseconds.
fn media_us(time: i64) -> i64 {
    time * 1000 / i64::from(crate::MEDIA_RATE / 1000)
}

/// A packet on its way to the ear.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Extended sequence number.
    pub sequence: i64,
    /// Media time of its first sample.
    pub time: i64,
    /// Its bytes.
    pub data: &'a [u8],
    /// The sender's source jumped just before it: the missing time is no loss.
    pub jump: bool,
}

/// Where playing stands.
#[derive(Debug, Clone, Copy)]
struct Position {
    time: i64,
    sequence: i64,
}
