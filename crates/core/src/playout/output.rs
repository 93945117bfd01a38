//! What is handed out: decoded sound in its order, noise where it faded, and the log of it.

use super::account::Span;
use super::engine::Playout;
use super::stretch::Unit;
use crate::conceal::{Missing, Origin};
use crate::opus::{Decode, Error, Sample};

/// Spans kept for the log; a listener that wants more takes them more often.
const MAX_LOG_SPANS: usize = 2048;

impl<T: Sample + Unit, D: Decode<T>> Playout<T, D> {
    /// Fills `out` as it was decoded, and says of each span what it is, and of silence whether the
    /// stream should have been there.
    pub(super) fn hand_out(
        &mut self,
        out: &mut [T],
        now_us: i64,
        mut each: impl FnMut(&mut Self, Span, bool),
    ) -> Result<(), Error> {
        let channels = self.decoder.channels();
        let mut done = 0;
        while done < out.len() {
            let left = (out.len() - done) / channels;
            let most = self.comfort.as_ref().map_or(left, |c| c.piece(left));
            let out = &mut out[done..done + most * channels];
            if let Some((span, arrival_us)) = self.pending.pop(out) {
                let values = span.samples * channels;
                let span = self.fill_up(span, false, &mut out[..values]);
                done += values;
                each(self, span, false);
                if let Some(arrival_us) = arrival_us {
                    self.count_emitted(span.samples, now_us.saturating_sub(arrival_us));
                }
            } else if !self.produce(now_us)? {
                out.fill(T::default());
                let awaited = self.position.is_some() && !self.is_finished();
                if awaited {
                    self.put_in += most as i64 * self.scale;
                }
                let missing = (awaited && self.pausing).then_some(Missing::Unsent);
                let silence = Span {
                    origin: Origin::Silence,
                    missing,
                    time: None,
                    samples: most,
                    media: None,
                };
                let span = self.fill_up(silence, awaited, out);
                done += out.len();
                each(self, span, awaited && missing.is_none());
            }
        }
        Ok(())
    }

    /// Takes the log of what was played since the last call, the newest 2048 spans of it.
    pub fn take_log(&mut self) -> Vec<Span> {
        // The log keeps its memory: a pull allocates none.
        self.log.drain(..).collect()
    }

    /// Fills up what is handed out next, where noise is made, and says what it is then.
    fn fill_up(&mut self, span: Span, awaited: bool, pcm: &mut [T]) -> Span {
        match &mut self.comfort {
            Some(comfort) => comfort.fill_up(span, awaited, pcm),
            None => span,
        }
    }

    fn count_emitted(&mut self, samples: usize, wait_us: i64) {
        let least_us = self.delay.target_us();
        let target_us = self.target_us();
        self.counter.emitted(samples, wait_us, target_us, least_us);
    }

    pub(super) fn record(&mut self, span: Span, awaited: bool) {
        self.counter.played(&span, awaited);
        if let Some(last) = self.log.back_mut() {
            let end = last.time.map(|t| t + last.samples as i64 * self.scale);
            let alike = last.origin == span.origin && last.missing == span.missing;
            if alike && end == span.time && last.media.is_none() && span.media.is_none() {
                last.samples += span.samples;
                return;
            }
        }
        if self.log.len() == MAX_LOG_SPANS {
            self.log.pop_front();
        }
        self.log.push_back(span);
    }
}
