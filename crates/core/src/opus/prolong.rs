//! Concealment of speech beyond libopus's own: sustained, and from both sides of a gap.

use super::raw::Sample;
use super::{Decoder, Error};
use crate::packet::Toc;

impl Decoder {
    /// Whether concealment is of speech and neural, so that [`Self::prolong`] is more than
    /// [`Self::conceal`].
    #[must_use]
    pub fn can_prolong(&self) -> bool {
        self.after_wide_silk && self.raw.is_deep()
    }

    /// Conceals 10 ms without the fading that libopus begins after 20. `held` (0 to 1) of the
    /// spectrum stays as in the 10 ms before, and the rest goes as libopus predicts it, ever nearer
    /// to what is common. Plain concealment where [`Self::can_prolong`] is false.
    ///
    /// # Errors
    /// [`Error::Codec`] should libopus refuse.
    pub fn prolong<T: Sample>(&mut self, held: f32, out: &mut Vec<T>) -> Result<usize, Error> {
        let samples = (self.rate / 100) as usize;
        if !self.can_prolong() {
            return self.conceal(samples, out);
        }
        self.append(samples, out, |raw, room| raw.prolong(held, room))
    }

    /// Conceals `samples` per channel up to `next`, the packet behind the gap, from both sides of
    /// it: what describes the sound goes evenly from what was heard to what comes. `next` is to be
    /// decoded after it. It is plain concealment where that is not possible: below complexity 5, of
    /// several streams, of other than SILK in wideband, and for more than 80 ms.
    ///
    /// # Errors
    /// As those of [`Self::conceal`].
    pub fn conceal_towards<T: Sample>(
        &mut self,
        samples: usize,
        next: &[u8],
        out: &mut Vec<T>,
    ) -> Result<usize, Error> {
        self.check_missing(samples)?;
        let frame = (self.rate / 100) as usize;
        let behind = self.packet_samples(next).unwrap_or(0);
        let guided = self.can_prolong()
            && next.first().is_some_and(|toc| Toc(*toc).is_wide_silk())
            && samples.is_multiple_of(frame)
            && behind.is_multiple_of(frame)
            && self
                .raw
                .guide(samples / frame, frame, next, behind / frame)?;
        let done = self.conceal(samples, out);
        if guided {
            self.raw.unguide();
        }
        done
    }
}
