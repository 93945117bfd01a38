//! A sender that begins anew: with other sequence numbers and media times, in the same stream.
//!
//! One packet that lies far from all others is a stray: a mistake, or malice, and no reason to leave the
//! stream. When such packets go on from each other and none comes that goes on from the stream, the
//! sender has begun anew. What is still at hand of the stream is played, and then the new one from its
//! first packet: there is no gap between them to be filled, forwards or backwards.

use super::delay::Delay;
use super::engine::Playout;
use super::strays::Place;
use super::stretch::Unit;
use super::{Incoming, Position, Pushed};
use crate::MEDIA_RATE;
use crate::opus::{Decode, Error, Sample};

/// Strays are believed when for this time nothing else came.
const BELIEVED_US: i64 = 100_000;

impl<T: Sample + Unit, D: Decode<T>> Playout<T, D> {
    /// Sets a packet aside that does not go on from the stream.
    pub(super) fn set_aside(
        &mut self,
        packet: &Incoming<'_>,
        duration: i64,
        now_us: i64,
    ) -> Option<Pushed> {
        let place = Place {
            time: packet.time,
            sequence: packet.sequence,
            arrival_us: now_us,
        };
        let most = i64::from(self.config.restart_ms) * i64::from(MEDIA_RATE / 1000);
        let strays = &mut self.strays;
        let stray = strays
            .newest
            .is_some_and(|newest| !newest.leads_to(&place, most));
        if !stray || most == 0 {
            strays.newest = Some(strays.newest.map_or(place, |newest| newest.further(place)));
            // Strays that have an end are no mistake.
            if strays.end.is_none() {
                self.forget_strays();
            }
            return None;
        }
        let follows = strays
            .newest_stray
            .is_some_and(|newest| newest.leads_to(&place, most));
        if self.end.is_some() || (strays.end.is_some() && !follows) {
            self.counter.stats.packets_stray += 1;
            return Some(Pushed::Stray);
        }
        if !follows {
            self.forget_strays();
            self.strays.since_us = now_us;
        }
        let strays = &mut self.strays;
        strays.newest_stray = Some(
            strays
                .newest_stray
                .map_or(place, |newest| newest.further(place)),
        );
        if !strays.packets.insert(packet, duration, now_us) {
            self.counter.stats.packets_duplicate += 1;
            return Some(Pushed::Duplicate);
        }
        while self.strays.packets.len() > 1 && !self.config.fits(&self.strays.packets) {
            // So much of it is no mistake.
            self.strays.believed = true;
            if let Some((_, oldest)) = self.strays.packets.pop_first() {
                self.strays.packets.recycle(oldest);
                self.counter.stats.packets_received += 1;
                self.counter.stats.packets_overflow += 1;
            }
        }
        Some(Pushed::Stray)
    }

    fn forget_strays(&mut self) {
        while let Some((_, packet)) = self.strays.packets.pop_first() {
            self.counter.stats.packets_stray += 1;
            self.strays.packets.recycle(packet);
        }
        self.strays.newest_stray = None;
        self.strays.believed = false;
        self.strays.end = None;
    }

    /// Goes over to a new stream once it is believed and the old one has been played.
    pub(super) fn follow_restart(&mut self) -> Result<(), Error> {
        let strays = &mut self.strays;
        let waited_us = self.now_us.saturating_sub(strays.since_us);
        strays.believed |= strays.packets.len() > 1 && waited_us >= BELIEVED_US;
        if strays.believed && self.buffer.len() == 0 {
            self.begin_anew()?;
        }
        Ok(())
    }

    /// Takes the end of a stream for that of the new one, if it is: what is left of the old one is played
    /// before. Else no other stream is awaited any more.
    pub(super) fn is_end_of_strays(&mut self, time: i64, sequence: i64) -> bool {
        let most = i64::from(self.config.restart_ms) * i64::from(MEDIA_RATE / 1000);
        let theirs = self.strays.newest_stray.is_some_and(|newest| {
            let end = Place {
                time,
                sequence,
                arrival_us: newest.arrival_us,
            };
            let own = |stream: Place| stream.leads_to(&end, most);
            own(newest) && !self.strays.newest.is_some_and(own)
        });
        if theirs {
            self.strays.believed = true;
            self.strays.end = Some(Position { time, sequence });
        } else {
            self.forget_strays();
        }
        theirs
    }

    fn begin_anew(&mut self) -> Result<(), Error> {
        std::mem::swap(&mut self.buffer, &mut self.strays.packets);
        self.strays.newest = self.strays.newest_stray.take();
        self.strays.believed = false;
        self.end = self.strays.end.take();
        let Some((time, first)) = self.buffer.first() else {
            return Ok(());
        };
        self.begin = Some(Position {
            time,
            sequence: first.sequence,
        });
        self.first_arrival_us = Some(first.arrival_us);
        self.position = None;
        (self.put_in, self.underrun_samples) = (0, 0);
        (self.concealing, self.pausing, self.fec_used) = (false, false, false);
        self.decoder.reset()?;
        self.concealer.on_received();
        // Its clock may be another: what was learnt of the old one says nothing.
        self.delay = Delay::new(self.config.late_share());
        self.adapter = Default::default();
        self.clocks.forget();
        if let Some(comfort) = &mut self.comfort {
            comfort.background.forget();
        }
        for (time, arrival_us) in self.buffer.arrivals() {
            self.delay.observe(time, arrival_us);
            self.clocks.observe_packet(time, arrival_us);
        }
        let stats = &mut self.counter.stats;
        stats.restarts += 1;
        stats.packets_received += self.buffer.len() as u64;
        Ok(())
    }
}
