//! Where libopus keeps what its deep concealment goes by.
//!
//! `LPCNetPLCState` (libopus's `dnn/lpcnet_private.h`) lies in the decoder's memory and is found by
//! what it holds in the beginning. From `fec` on it has no pointers, so that each part's place follows
//! from the lengths of those before it. Where it is not found, with another version of libopus,
//! nothing is done by it; the tests of `deep.rs` would fail there.

use std::sync::OnceLock;

use super::decoder::{RawDecoder, fresh};

/// Numbers that describe 10 ms, and how many more libopus's analysis writes behind them.
pub(super) const FEATURES: usize = 20;
pub(super) const TOTAL_FEATURES: usize = 36;

pub(super) type Features = [f32; FEATURES];

/// Samples of 10 ms at 16 kHz, at which the networks work, and what is remembered of the sound.
pub(super) const FRAME: usize = 160;
pub(super) const HEARD_FRAMES: usize = 15;

// Places of the parts of LPCNetPLCState, in 32-bit words from `fec` on.
pub(super) const ARCH_BEFORE: usize = 1;
const MOST_GIVEN: usize = 104;
pub(super) const GIVEN_READ: usize = MOST_GIVEN * FEATURES + 1;
pub(super) const GIVEN: usize = GIVEN_READ + 1;
pub(super) const GIVEN_SKIPPED: usize = GIVEN + 1;
pub(super) const HEARD: usize = GIVEN_SKIPPED + 3;
pub(super) const CONCEALING: usize = HEARD + HEARD_FRAMES * FRAME;
const QUEUE: usize = CONCEALING + 1 + TOTAL_FEATURES;
const QUEUED: usize = 5;
pub(super) const LOSSES: usize = QUEUE + QUEUED * FEATURES;
pub(super) const NETWORK: usize = LOSSES + 1;
pub(super) const NETWORK_WORDS: usize = 2 * 192;
const END: usize = NETWORK + 3 * NETWORK_WORDS;

/// `analysis_gap`, `fec_read_pos`, `fec_fill_pos`, `fec_skip`, `analysis_pos`, `predict_pos` of one
/// that has heard nothing; all else is zero.
const BEGINNING: [u32; 6] = [1, 0, 0, 0, 2400, 2400];

/// Where `fec` lies in a decoder, in 32-bit words.
pub(super) fn place() -> Option<usize> {
    static PLACE: OnceLock<Option<usize>> = OnceLock::new();
    *PLACE.get_or_init(|| {
        let fresh = fresh(48_000, 1).ok()?;
        let words = fresh.values();
        let first = GIVEN_READ - 1;
        let zero = |range: &[u32]| range.iter().all(|word| *word == 0);
        let found = |at: &usize| {
            let part = &words[*at..*at + END];
            part[first..].starts_with(&BEGINNING) && zero(&part[..first]) && zero(&part[HEARD..])
        };
        let mut places = (2..words.len().saturating_sub(END)).filter(found);
        places.next().filter(|_| places.next().is_none())
    })
}

impl RawDecoder {
    /// Deep concealment's memory, of a decoder of one stream that has it switched on.
    pub(super) fn deep(&mut self) -> Option<&mut [u32]> {
        if !self.deep || !self.is_single() {
            return None;
        }
        let at = place()?;
        self.memory.values_mut().get_mut(at..at + END)
    }

    /// Whether there is deep concealment, and its memory is known.
    pub(in crate::opus) fn is_deep(&self) -> bool {
        self.deep && self.is_single() && place().is_some()
    }
}
