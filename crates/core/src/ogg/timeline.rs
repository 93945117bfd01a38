//! What granule positions mean (RFC 7845 §4).
//!
//! A page's granule position is the time after the last packet that ends on it, so its packets are
//! placed once the page is complete, counting back from there. The first audio page gives the
//! position at which the stream starts (§4.5), from which all media time is counted here. Later a
//! granule position confirms what the packets' own durations say, or corrects it: when it is ahead,
//! audio is missing before this page; when it is behind on the last page, the end is trimmed (§4.4);
//! when it is behind elsewhere the file is wrong, and the packets are believed.
//!
//! §4.5 forbids a stream that starts below 0. Such files exist, and what they hold can be heard, so
//! they are read all the same, with their packets believed, and the fault is reported.

use super::assemble::Batch;
use super::filler;
use super::item::{Item, Sink, SkipReason, skip};
use super::page::{MAX_SEGMENTS, PageHeader};
use crate::packet::{MAX_DURATION_SAMPLES, duration_samples};

/// More than three million years; anything above is damage, and sums cannot overflow below it.
pub(super) const MAX_GRANULE: i64 = 1 << 62;

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
    /// And packets whose pages are there.
    missing_packets: bool,
    /// How far the last granule position was behind, if that was the only one so far.
    behind: i64,
    /// Of the packets on the page that is being placed; 0 where it cannot be told.
    durations: Vec<u32>,
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
            missing_packets: false,
            behind: 0,
            durations: Vec::new(),
        }
    }

    /// The granule position after what was placed so far.
    pub(super) fn granule(&self) -> i64 {
        self.next.saturating_add(self.origin.unwrap_or(0))
    }

    pub(super) fn lose_pages(&mut self, pages: u64) {
        self.missing_pages = self.missing_pages.saturating_add(pages);
    }

    /// Stand where a read from the start stands after a page, given the stream's start; false if
    /// the page does not tell.
    pub(super) fn resume(&mut self, batch: &Batch, granule: i64, start_granule: i64) -> bool {
        let (mut total, mut any_real) = (0, false);
        for data in batch.packets() {
            let duration = duration_samples(data).map_or(0, i64::from);
            total += duration;
            if duration > 0 && !filler::is_filler(data, self.streams) {
                self.last_duration = duration;
                any_real = true;
            }
        }
        self.start_granule = start_granule;
        self.origin = Some(start_granule);
        self.next = granule.saturating_sub(start_granule);
        self.page_start = self.next - total;
        any_real && (0..=MAX_GRANULE).contains(&granule) && self.page_start >= 0
    }

    /// Packets are missing though no page is.
    pub(super) fn lose_packets(&mut self) {
        self.missing_packets = true;
    }

    /// Place the packets that end on a page, which begins at `offset_bytes`.
    pub(super) fn page(
        &mut self,
        batch: &Batch,
        header: &PageHeader,
        offset_bytes: u64,
        out: &mut impl Sink,
    ) {
        if batch.is_empty() && !header.last {
            return;
        }
        let total = self.measure(batch, out);
        let known = (0..=MAX_GRANULE).contains(&header.granule);
        let granule = if known {
            header.granule
        } else {
            self.granule().saturating_add(total)
        };
        let mut origin = match self.origin {
            Some(origin) => origin,
            None => self.begin(granule, total, header.last, offset_bytes, out),
        };
        let expected = self.next.saturating_add(total);
        let mut ahead = granule.saturating_sub(origin).saturating_sub(expected);
        if known && self.behind > 0 {
            // §4.4: the last page's may be below by what is trimmed.
            let trim = if header.last { total } else { 0 };
            if ahead >= self.behind.saturating_sub(trim) {
                // Only the one before was wrong: nothing is missing.
                origin = origin.saturating_add(self.behind);
                self.origin = Some(origin);
                ahead -= self.behind;
            }
            self.behind = 0;
        }
        if ahead > 0 {
            if expected.saturating_add(ahead) > MAX_GRANULE {
                // One such position is refused as damage; several, each corrected back, add up.
                skip(out, 0, SkipReason::GranuleAhead);
                ahead = 0;
            } else if self.missing_pages == 0 && !self.missing_packets {
                skip(out, 0, SkipReason::GranuleAhead);
            } else if self.missing_pages > 0 && header.last && self.last_duration > 0 {
                // This page's granule position is trimmed, so the gap seems shorter than it is; the
                // lost packets were most likely as long as the others.
                ahead = (ahead as u64).next_multiple_of(self.last_duration as u64) as i64;
            }
            self.leave_gap(ahead);
        } else if ahead < 0 && !header.last {
            self.behind = ahead.saturating_neg();
            self.origin = Some(origin.saturating_add(ahead));
            skip(out, 0, SkipReason::GranuleBehind);
        }
        (self.missing_pages, self.missing_packets) = (0, false);
        if !batch.is_empty() {
            self.page_start = self.next;
        }
        self.place(batch, out);
        if header.last {
            // §4.4: the end may lie before the last packet's end, not before its page's start.
            let end = granule
                .saturating_sub(origin)
                .clamp(self.page_start, self.next);
            self.end(end, false, out);
        }
    }

    /// The end was reached without a last page.
    pub(super) fn cut(&mut self, out: &mut impl Sink) {
        self.end(self.next, true, out);
    }

    /// Take down the durations of a page's packets, and add them up.
    fn measure(&mut self, batch: &Batch, out: &mut impl Sink) -> i64 {
        self.durations.clear();
        let mut total = 0;
        for data in batch.packets() {
            let duration = duration_samples(data).unwrap_or(0);
            if duration == 0 {
                skip(out, data.len() as u64, SkipReason::InvalidPacket);
                // Its duration is unknown: like a lost page, it leaves a hole before what follows.
                self.missing_pages = self.missing_pages.saturating_add(1);
            }
            self.durations.push(duration);
            total += i64::from(duration);
        }
        total
    }

    /// Find the granule position of media time 0 from the first audio page (§4.5).
    fn begin(
        &mut self,
        granule: i64,
        total: i64,
        last: bool,
        offset_bytes: u64,
        out: &mut impl Sink,
    ) -> i64 {
        let before = granule.saturating_sub(total);
        // When the first pages are lost, most streams began at 0; but so many pages cannot hold more
        // than this, and then the stream began later.
        let most = MAX_SEGMENTS as u64 * u64::from(MAX_DURATION_SAMPLES);
        let lost = self.missing_pages > 0
            && before.max(0) as u64 <= self.missing_pages.saturating_mul(most);
        // A first page that is the last too has its end trimmed, down to the pre-skip at most.
        let (start, fault) = if last {
            let start = if lost { 0 } else { before.max(0) };
            (start, granule < self.pre_skip_samples)
        } else {
            let start = if lost { before.min(0) } else { before };
            (start, before < 0)
        };
        if fault && total > 0 {
            skip(out, 0, SkipReason::BadStart);
        }
        self.start_granule = start;
        self.origin = Some(start);
        out.item(Item::Start {
            granule: start,
            offset_bytes,
        });
        start
    }

    fn place(&mut self, batch: &Batch, out: &mut impl Sink) {
        let durations = std::mem::take(&mut self.durations);
        for (data, &duration) in batch.packets().zip(&durations) {
            if duration == 0 {
                continue;
            }
            if filler::is_filler(data, self.streams) {
                self.leave_gap(duration.into());
                continue;
            }
            self.give_gap(i64::MAX, out);
            out.packet(data, self.next, duration);
            self.next = self.next.saturating_add(duration.into());
            self.last_duration = duration.into();
        }
        self.durations = durations;
    }

    fn leave_gap(&mut self, samples: i64) {
        let (start, before) = self.gap.unwrap_or((self.next, 0));
        self.gap = Some((start, before.saturating_add(samples)));
        self.next = self.next.saturating_add(samples);
    }

    /// Give out the gap, as far as it lies before `end`.
    fn give_gap(&mut self, end: i64, out: &mut impl Sink) {
        if let Some((start, samples)) = self.gap.take() {
            let duration_samples = samples.min(end.saturating_sub(start));
            if duration_samples > 0 {
                out.item(Item::Gap {
                    start_samples: start,
                    duration_samples,
                });
            }
        }
    }

    fn end(&mut self, end_samples: i64, truncated: bool, out: &mut impl Sink) {
        self.give_gap(end_samples, out);
        out.item(Item::End {
            end_samples,
            start_granule: self.start_granule,
            truncated,
        });
    }
}
