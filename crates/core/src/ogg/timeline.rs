//! What granule positions mean (RFC 7845 §4).
//!
//! A page's granule position is the time after the last packet that ends on it, so its packets are
//! placed once the page is complete, counting back from there. The first audio page gives the
//! position at which the stream starts (§4.3), from which all media time is counted here. Later a
//! granule position confirms what the packets' own durations say, or corrects it: when it is ahead,
//! audio is missing before this page; when it is behind on the last page, the end is trimmed (§4.4);
//! when it is behind elsewhere the file is wrong, and the packets are believed.

use super::filler;
use super::item::{Item, OggError, SkipReason};
use super::page::{MAX_SEGMENTS, PageHeader};
use crate::packet::{MAX_DURATION_SAMPLES, duration_samples};

/// More than three million years; anything above is damage, and sums cannot overflow below it.
const MAX_GRANULE: i64 = 1 << 62;

#[derive(Debug)]
pub(super) struct Timeline {
    streams: u8,
    pre_skip_samples: i64,
    /// The granule position of media time 0, once an audio page told it.
    origin: Option<i64>,
    start_granule: i64,
    /// Media time after what was placed so far.
    next: i64,
    /// Media time at which the last page with packets starts.
    page_start: i64,
    last_duration: i64,
    /// A gap not given out yet, for the next may follow on it without a packet between them.
    gap: Option<(i64, i64)>,
    /// Pages lost since the last one whose granule position counted.
    missing_pages: u64,
}

impl Timeline {
    pub(super) fn new(streams: u8, pre_skip_samples: u16) -> Self {
        Self {
            streams,
            pre_skip_samples: i64::from(pre_skip_samples),
            origin: None,
            start_granule: 0,
            next: 0,
            page_start: 0,
            last_duration: 0,
            gap: None,
            missing_pages: 0,
        }
    }

    /// The granule position after what was placed so far.
    pub(super) fn granule(&self) -> i64 {
        self.next.saturating_add(self.origin.unwrap_or(0))
    }

    pub(super) fn lose_pages(&mut self, pages: u64) {
        self.missing_pages = self.missing_pages.saturating_add(pages);
    }

    /// Place the packets that end on a page; `Err` comes after the items that are sound.
    pub(super) fn page(
        &mut self,
        packets: Vec<Vec<u8>>,
        header: &PageHeader,
        out: &mut Vec<Item>,
    ) -> Result<(), OggError> {
        if packets.is_empty() && !header.last {
            return Ok(());
        }
        let any_packets = !packets.is_empty();
        let mut placed = Vec::with_capacity(packets.len());
        let mut total = 0;
        for data in packets {
            if let Ok(duration) = duration_samples(&data) {
                total += i64::from(duration);
                placed.push((data, i64::from(duration)));
            } else {
                let bytes = data.len() as u64;
                let reason = SkipReason::InvalidPacket;
                out.push(Item::Skipped { bytes, reason });
                // Its duration is unknown: like a lost page, it leaves a hole before what follows.
                self.lose_pages(1);
            }
        }
        let known = (0..=MAX_GRANULE).contains(&header.granule);
        let granule = if known {
            header.granule
        } else {
            self.granule().saturating_add(total)
        };
        let origin = self.find_origin(granule, total);
        let expected = self.next.saturating_add(total);
        let mut ahead = granule.saturating_sub(origin).saturating_sub(expected);
        let fault = self.fault(header, granule, total, any_packets);
        if ahead > 0 {
            if header.last && self.missing_pages > 0 && self.last_duration > 0 {
                // This page's granule position is trimmed, so the gap seems shorter than it is; the
                // lost packets were most likely as long as the others.
                ahead = (ahead as u64).next_multiple_of(self.last_duration as u64) as i64;
            }
            self.leave_gap(ahead);
        } else if ahead < 0 && !header.last {
            self.origin = Some(origin.saturating_add(ahead));
            if fault.is_none() {
                let reason = SkipReason::GranuleBehind;
                out.push(Item::Skipped { bytes: 0, reason });
            }
        }
        self.missing_pages = 0;
        if any_packets {
            self.page_start = self.next;
        }
        for (data, duration) in placed {
            if filler::is_filler(&data, self.streams) {
                self.leave_gap(duration);
                continue;
            }
            self.give_gap(i64::MAX, out);
            out.push(Item::Packet {
                data,
                time_samples: self.next,
                duration_samples: duration as u32,
            });
            self.next = self.next.saturating_add(duration);
            self.last_duration = duration;
        }
        if header.last {
            // §4.4: the end may lie before the last packet's end, not before its page's start.
            let end = granule
                .saturating_sub(origin)
                .clamp(self.page_start, self.next);
            self.end(end, false, out);
        }
        fault.map_or(Ok(()), Err)
    }

    /// The end was reached without a last page.
    pub(super) fn cut(&mut self, out: &mut Vec<Item>) {
        self.end(self.next, true, out);
    }

    fn find_origin(&mut self, granule: i64, total: i64) -> i64 {
        if let Some(origin) = self.origin {
            return origin;
        }
        let before = granule.saturating_sub(total).max(0);
        // When the first pages are lost, most streams began at 0; but so many pages cannot hold more
        // than this, and then the stream began later (§4.3).
        let most = MAX_SEGMENTS as u64 * u64::from(MAX_DURATION_SAMPLES);
        let lost =
            self.missing_pages > 0 && before as u64 <= self.missing_pages.saturating_mul(most);
        self.start_granule = if lost { 0 } else { before };
        self.origin = Some(self.start_granule);
        self.start_granule
    }

    /// §4.3: what makes the first audio page, and with it the stream, invalid.
    fn fault(
        &self,
        header: &PageHeader,
        granule: i64,
        total: i64,
        any_packets: bool,
    ) -> Option<OggError> {
        let at_start = self.next == 0 && self.gap.is_none() && any_packets;
        let least = if header.last {
            self.pre_skip_samples
        } else {
            total
        };
        (at_start && granule < least).then_some(OggError::BadGranule { granule, least })
    }

    fn leave_gap(&mut self, samples: i64) {
        let (start, before) = self.gap.unwrap_or((self.next, 0));
        self.gap = Some((start, before.saturating_add(samples)));
        self.next = self.next.saturating_add(samples);
    }

    /// Give out the gap, as far as it lies before `end`.
    fn give_gap(&mut self, end: i64, out: &mut Vec<Item>) {
        if let Some((start, samples)) = self.gap.take() {
            let duration_samples = samples.min(end.saturating_sub(start));
            if duration_samples > 0 {
                out.push(Item::Gap {
                    start_samples: start,
                    duration_samples,
                });
            }
        }
    }

    fn end(&mut self, end_samples: i64, truncated: bool, out: &mut Vec<Item>) {
        self.give_gap(end_samples, out);
        out.push(Item::End {
            end_samples,
            start_granule: self.start_granule,
            truncated,
        });
    }
}
