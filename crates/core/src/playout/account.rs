//! What was played, sample by sample: decoded audio that waits, with what it was made from.

use std::collections::VecDeque;

use super::stretch::{Join, Unit, crossfade};
use crate::conceal::{Missing, Origin};

/// Consecutive played samples of one origin, and of one cause where they stand for what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What they were made from.
    pub origin: Origin,
    /// Why they are not from their own packet; `None` where they are, and where nothing is known.
    pub missing: Option<Missing>,
    /// Media time of the first, in 48 kHz samples; `None` for what stands for no media time.
    pub time: Option<i64>,
    /// How many per channel, at the output rate.
    pub samples: usize,
    /// The media time that they stand for, in 48 kHz samples, where that is another: stretched.
    pub media: Option<i64>,
}

/// Decoded audio that waits to be pulled, each span with its origin.
pub(super) struct Pending<T> {
    samples: VecDeque<T>,
    spans: VecDeque<Span>,
    /// When the packet of each span came; of those that have none nothing.
    arrivals_us: VecDeque<Option<i64>>,
    channels: usize,
    scale: i64,
}

impl<T: Unit> Pending<T> {
    pub(super) fn new(channels: usize, scale: i64) -> Self {
        Self {
            samples: VecDeque::new(),
            spans: VecDeque::new(),
            arrivals_us: VecDeque::new(),
            channels,
            scale,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.samples.len() / self.channels
    }

    pub(super) fn push(&mut self, span: Span, pcm: &[T], arrival_us: Option<i64>) {
        if span.samples > 0 {
            self.samples.extend(pcm);
            self.spans.push_back(span);
            self.arrivals_us.push_back(arrival_us);
        }
    }

    /// Moves what fits into `out`; returns the span moved, of one origin, and when its packet came,
    /// or `None` when empty.
    pub(super) fn pop(&mut self, out: &mut [T]) -> Option<(Span, Option<i64>)> {
        let span = self.spans.front_mut()?;
        let samples = span.samples.min(out.len() / self.channels);
        for (place, sample) in out
            .iter_mut()
            .zip(self.samples.drain(..samples * self.channels))
        {
            *place = sample;
        }
        let arrival_us = self.arrivals_us.front().copied().flatten();
        let mut moved = Span { samples, ..*span };
        moved.media = span
            .media
            .map(|media| media * samples as i64 / span.samples as i64);
        if samples == span.samples {
            self.spans.pop_front();
            self.arrivals_us.pop_front();
        } else {
            span.samples -= samples;
            let media = moved.media.unwrap_or(samples as i64 * self.scale);
            span.time = span.time.map(|time| time + media);
            span.media = span.media.map(|all| all - media);
        }
        Some((moved, arrival_us))
    }

    /// Takes what was made up for no media time and waits last, at most so many samples.
    pub(super) fn take_made_up(&mut self, most: usize) -> Vec<T> {
        let mut samples = 0;
        while samples < most
            && let Some(span) = self.spans.back_mut()
            && span.time.is_none()
        {
            let taken = span.samples.min(most - samples);
            samples += taken;
            span.samples -= taken;
            if span.samples == 0 {
                self.spans.pop_back();
                self.arrivals_us.pop_back();
            }
        }
        let from = self.samples.len() - samples * self.channels;
        self.samples.split_off(from).into()
    }

    /// Copies the next samples, as many as there are of so many, and leaves them where they are.
    pub(super) fn peek(&self, out: &mut Vec<T>, samples: usize) {
        let values = (samples * self.channels).min(self.samples.len());
        out.clear();
        out.extend(self.samples.range(..values));
    }

    /// What the next samples are; silence where there are none.
    pub(super) fn first(&self) -> Span {
        self.spans.front().copied().unwrap_or(Span {
            origin: Origin::Silence,
            missing: None,
            time: None,
            samples: 0,
            media: None,
        })
    }

    /// Media time of the next sample, where it has one.
    pub(super) fn time(&self) -> Option<i64> {
        self.first().time
    }

    /// The first `most` samples that wait, their channels averaged, full scale 1.
    pub(super) fn mix(&mut self, out: &mut Vec<f32>, most: usize) {
        let channels = self.channels;
        let all = self.samples.make_contiguous();
        out.clear();
        out.extend(all.chunks_exact(channels).take(most).map(|frame| {
            frame.iter().map(|sample| sample.to_unit()).sum::<f32>() / channels as f32
        }));
    }

    /// Leaves a period out, or puts it in once more; returns whether it could.
    ///
    /// Only sound with a place in media time is joined, from one stretch of it.
    pub(super) fn join(&mut self, join: Join, longer: bool) -> bool {
        let (at, period) = (join.at, join.period);
        if at + 2 * period > self.len() {
            return false;
        }
        let before = self.split_spans(at);
        let after = self.split_spans(at + 2 * period);
        let joined: Vec<Span> = self.spans.range(before..after).copied().collect();
        let (Some(first), Some(last)) = (joined.first(), joined.last()) else {
            return false;
        };
        let (Some(begin), Some(end)) = (first.time, last.time) else {
            return false;
        };
        let end = end + last.media.unwrap_or(last.samples as i64 * self.scale);
        let in_order = joined
            .windows(2)
            .all(|pair| match (pair[0].time, pair[1].time) {
                (Some(a), Some(b)) => a <= b,
                _ => false,
            });
        if !in_order {
            return false;
        }
        let channels = self.channels;
        let of = |n: usize| (at + n) * channels..(at + n + period) * channels;
        let all = self.samples.make_contiguous();
        let (fading, rising) = if longer {
            (of(period), of(0))
        } else {
            (of(0), of(period))
        };
        let mixed = crossfade(&all[fading], &all[rising], channels);
        // What is put in goes between two periods; what is left out takes the place of both.
        let (keep, go_on) = if longer {
            (period, period)
        } else {
            (0, 2 * period)
        };
        let tail = all[(at + go_on) * channels..].to_vec();
        self.samples.truncate((at + keep) * channels);
        self.samples.extend(mixed);
        self.samples.extend(tail);
        let span = Span {
            samples: if longer { 3 * period } else { period },
            media: Some(end - begin),
            ..*first
        };
        // Drained from behind the first, so that the first one's arrival stays.
        self.spans.drain(before + 1..after);
        self.arrivals_us.drain(before + 1..after);
        self.spans[before] = span;
        true
    }

    /// Makes `at` the beginning of a span; returns which, or how many there are.
    fn split_spans(&mut self, at: usize) -> usize {
        let mut passed = 0;
        for index in 0..self.spans.len() {
            let span = self.spans[index];
            if passed == at {
                return index;
            }
            if passed + span.samples > at {
                let samples = at - passed;
                let media = span
                    .media
                    .map(|all| all * samples as i64 / span.samples as i64);
                let past = media.unwrap_or(samples as i64 * self.scale);
                self.spans[index] = Span {
                    samples,
                    media,
                    ..span
                };
                self.spans.insert(
                    index + 1,
                    Span {
                        samples: span.samples - samples,
                        time: span.time.map(|time| time + past),
                        media: span.media.map(|all| all - past),
                        ..span
                    },
                );
                let arrival_us = self.arrivals_us[index];
                self.arrivals_us.insert(index + 1, arrival_us);
                return index + 1;
            }
            passed += span.samples;
        }
        self.spans.len()
    }
}
