//! What is done when packets come after their time had begun.

use super::Position;
use super::buffer::Waiting;
use super::engine::Playout;
use super::stretch::{Unit, crossfade};
use super::{Incoming, Mode};
use crate::MEDIA_RATE;
use crate::conceal::{Missing, Origin};
use crate::opus::{Decode, Error, Sample};

/// The most that adaptive playout leaves out of what came too late. More would be missed, and is
/// played late: speech is better late than never.
const LEFT_OUT_MS: i64 = 280;

/// A delay that is too small by no more than this is right: a change would be heard, for little.
const NEARLY_US: i64 = 3000;

/// Made-up sound fades into what it stood for over this time.
const FADE_MS: u32 = 5;

impl<T: Sample + Unit, D: Decode<T>> Playout<T, D> {
    /// A packet whose time has been played, all of it: the ear cannot have it any more.
    pub(super) fn take_late(&mut self, packet: Incoming<'_>, duration: i64) -> Result<(), Error> {
        self.counter.stats.packets_late += 1;
        let ends = packet.time + duration;
        let just_missed = self.position.as_ref().is_some_and(|p| p.time == ends);
        if self.config.mode != Mode::Whole && self.concealing && just_missed {
            // What follows is decoded from it.
            self.scratch.clear();
            self.decoder.decode(packet.data, &mut self.scratch)?;
            self.concealer.on_received();
        }
        Ok(())
    }

    /// Goes on with what came too late, leaving out what made-up sound stood for.
    pub(super) fn resume(&mut self, now_us: i64) -> Result<(), Error> {
        if self.put_in == 0 || self.config.mode == Mode::Whole {
            return Ok(());
        }
        let Some(start) = self.position.as_ref().map(|position| position.time) else {
            return Ok(());
        };
        // What was left out may end within a packet.
        let holds = |at: i64, packet: &Waiting| at <= start && start < at + packet.duration;
        if self
            .buffer
            .first()
            .is_none_or(|(at, packet)| !holds(at, packet))
        {
            return Ok(());
        }
        // What a gap was shortened by stands for that already.
        let most = usize::try_from(self.put_in / self.scale).unwrap_or(0);
        let made_up = self.pending.take_made_up(most);
        let channels = self.decoder.channels();
        let unheard = (made_up.len() / channels) as i64 * self.scale;
        let heard_to = start + self.left_out(start, self.put_in - unheard, now_us);
        self.put_in = 0;
        let (mut at, mut rest, mut sound) = (heard_to, Vec::new(), true);
        let mut next = self.buffer.pop_first();
        while let Some((time, packet)) = next {
            let (sequence, duration) = (packet.sequence, packet.duration);
            let awaited = self.position.as_ref().map_or(sequence, |p| p.sequence);
            self.counter.lost(sequence - awaited);
            sound = self.decode_taken(packet);
            if !sound {
                self.counter.lost(1);
                let samples = usize::try_from(duration / self.scale).unwrap_or(0);
                self.decoder.conceal(samples, &mut self.scratch)?;
            }
            at = time + duration;
            self.position = Some(Position {
                time: at,
                sequence: sequence + 1,
            });
            if at > heard_to {
                let skip = (heard_to - time + self.scale - 1) / self.scale;
                let skip = usize::try_from(skip).unwrap_or(0);
                rest.extend_from_slice(&self.scratch[skip * channels..]);
            } else {
                self.counter.stats.packets_late += u64::from(sound);
            }
            // One that overlaps it has its turn, and its rest is played then.
            next = self
                .buffer
                .pop_first_if(|time, _| time == at && time <= heard_to);
        }
        if at > heard_to && !sound {
            self.scratch = rest;
            self.keep(Origin::Plc, Some(Missing::Lost), heard_to, heard_to);
        } else if at > heard_to {
            self.on_decoded();
            self.fade_in(&made_up, &mut rest);
            self.scratch = rest;
            self.keep(Origin::Received, None, heard_to, heard_to);
        } else {
            // All of it was too late, and the next packet is not there either.
            self.scratch = made_up;
            self.keep(Origin::Plc, Some(Missing::Lost), heard_to, heard_to);
            if let Some(position) = &mut self.position {
                position.time = heard_to + unheard;
            }
        }
        Ok(())
    }

    /// How much is left out from `start` on, of what made-up sound stood for. Where the delay is to
    /// become larger anyway, what is late is played late, which is a change less that is heard.
    fn left_out(&self, start: i64, made_up: i64, now_us: i64) -> i64 {
        if self.config.mode == Mode::Fixed {
            return made_up;
        }
        let delay_us = self.delay_us_of(start + made_up, now_us).unwrap_or(0);
        let missing_us = match self.target_us().saturating_sub(delay_us) {
            ..=NEARLY_US => 0,
            more => more,
        };
        let missing = missing_us / 1000 * i64::from(MEDIA_RATE / 1000);
        let most = LEFT_OUT_MS * i64::from(MEDIA_RATE / 1000);
        (made_up - missing).clamp(0, most) / self.scale * self.scale
    }

    /// Fades what was made up for its place into its beginning.
    fn fade_in(&self, made_up: &[T], rest: &mut [T]) {
        let channels = self.decoder.channels();
        let most = (self.config.rate / 1000 * FADE_MS) as usize * channels;
        let values = most.min(made_up.len()).min(rest.len());
        let faded = crossfade(&made_up[..values], &rest[..values], channels);
        rest[..values].copy_from_slice(&faded);
    }
}
