//! How what no packet tells is concealed: how loud, how long, and when from both sides of the gap.

use super::{Concealer, PIECE_MS};
use crate::opus::{Decode, Error};

/// So long concealment stays as loud as it began; then libopus fades it, within 200 ms. Sooner, as
/// libopus does it by itself, is heard more: most gaps have speech on both sides.
const SUSTAINED_MS: u32 = 160;

/// A gap is concealed from both its sides when so much of it is left.
const BRIDGED_MS: u32 = 80;

impl<R> Concealer<R> {
    /// Whether what is left of a gap is concealed from both sides: it is short, and what came before
    /// it has not faded.
    pub(super) fn bridges<T, D: Decode<T, Dred = R>>(&self, decoder: &D, gap: usize) -> bool {
        let per_ms = (decoder.rate() / 1000) as usize;
        self.sustains
            && gap.is_multiple_of(10 * per_ms)
            && gap <= BRIDGED_MS as usize * per_ms
            && self.plc_samples < SUSTAINED_MS as usize * per_ms
    }

    /// Samples in which concealment is best asked for: the networks' own 10 ms, so that the packet
    /// behind the gap may come at any moment; else what libopus conceals best.
    pub fn piece<T, D: Decode<T, Dred = R>>(&self, decoder: &D) -> usize {
        let prolongs = self.sustains && decoder.can_prolong();
        let piece_ms = if prolongs { 10 } else { PIECE_MS };
        (decoder.rate() / 1000 * piece_ms) as usize
    }

    /// Conceals `samples` per channel from what came before, appending to `out`.
    ///
    /// # Errors
    /// [`Error::Argument`] when they are no multiple of 2.5 ms from 2.5 to 120 ms.
    pub fn conceal<T, D: Decode<T, Dred = R>>(
        &mut self,
        decoder: &mut D,
        samples: usize,
        out: &mut Vec<T>,
    ) -> Result<(), Error> {
        let per_ms = (decoder.rate() / 1000) as usize;
        let most = self.piece(decoder);
        let mut done = 0;
        while done < samples {
            let piece = (samples - done).min(most);
            let concealed_ms = self.plc_samples / per_ms;
            let sustained = self.sustains && concealed_ms < SUSTAINED_MS as usize;
            if sustained && decoder.can_prolong() && piece == most {
                decoder.prolong(held(concealed_ms), out)?;
            } else {
                decoder.conceal(piece, out)?;
            }
            self.plc_samples += piece;
            done += piece;
        }
        Ok(())
    }
}

/// How much of the spectrum stays as it is, after so much concealment: how sound goes on is
/// predicted well for 10 ms, and then less and less.
fn held(concealed_ms: usize) -> f32 {
    match concealed_ms {
        0..10 => 0.0,
        10..20 => 0.3,
        20..30 => 0.5,
        30..40 => 0.6,
        _ => 0.7,
    }
}
