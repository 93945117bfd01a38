//! What a read has given and nobody has taken yet, link by link.

use std::collections::VecDeque;

use opuscule_core::ogg::opus::{Head, Tags};
use opuscule_core::ogg::reader::{Item, Sink, SkipReason};

/// Packets end to end, and the gaps between them.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) payload: Vec<u8>,
    pub(super) lengths: Vec<u32>,
    pub(super) times: Vec<i64>,
    pub(super) durations: Vec<u32>,
    /// Before which packet, start, duration.
    pub(super) gaps: Vec<(usize, i64, i64)>,
}

impl Columns {
    pub(super) fn is_empty(&self) -> bool {
        self.lengths.is_empty() && self.gaps.is_empty()
    }

    /// Take what is here, and leave room for as much again.
    pub(super) fn take(&mut self) -> Self {
        let next = Self {
            payload: Vec::with_capacity(self.payload.len()),
            lengths: Vec::with_capacity(self.lengths.len()),
            times: Vec::with_capacity(self.times.len()),
            durations: Vec::with_capacity(self.durations.len()),
            gaps: Vec::new(),
        };
        std::mem::replace(self, next)
    }
}

/// For each reason how often, and how many bytes.
pub(super) type Skips = Vec<(SkipReason, u64, u64)>;

#[derive(Default)]
pub(super) struct LinkState {
    pub(super) serial: u32,
    pub(super) offset_bytes: u64,
    pub(super) head: Option<Head>,
    pub(super) tags: Option<Tags>,
    /// Granule position of media time 0, and where the page is that told it.
    pub(super) start: Option<(i64, u64)>,
    /// End, start granule, truncated.
    pub(super) end: Option<(i64, i64, bool)>,
    pub(super) skipped: Skips,
    pub(super) columns: Columns,
}

/// At most what one call of `feed` completes: its caller takes it before the next.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) links: VecDeque<LinkState>,
    /// What was passed over before the first link.
    early: Skips,
}

impl Gathered {
    pub(super) fn front(&self) -> Option<&LinkState> {
        self.links.front()
    }

    /// Whether somebody waits for what is here.
    pub(super) fn is_drained(&self) -> bool {
        self.links.len() <= 1 && self.front().is_none_or(|link| link.columns.is_empty())
    }
}

impl Sink for Gathered {
    fn packet(&mut self, data: &[u8], time_samples: i64, duration_samples: u32) {
        if let Some(LinkState { columns, .. }) = self.links.back_mut() {
            columns.payload.extend_from_slice(data);
            columns.lengths.push(data.len() as u32);
            columns.times.push(time_samples);
            columns.durations.push(duration_samples);
        }
    }

    fn item(&mut self, item: Item) {
        if let Item::Link {
            serial,
            offset_bytes,
        } = item
        {
            self.links.push_back(LinkState {
                serial,
                offset_bytes,
                skipped: std::mem::take(&mut self.early),
                ..LinkState::default()
            });
            return;
        }
        let link = self.links.back_mut();
        match (item, link) {
            (Item::Skipped { bytes, reason }, link) => {
                let skips = link.map_or(&mut self.early, |link| &mut link.skipped);
                let known = skips.iter_mut().find(|entry| entry.0 == reason);
                if let Some((_, count, total)) = known {
                    *count += 1;
                    *total += bytes;
                } else {
                    skips.push((reason, 1, bytes));
                }
            }
            (Item::Head(head), Some(link)) => link.head = Some(head),
            (Item::Tags(tags), Some(link)) => link.tags = Some(tags),
            (
                Item::Start {
                    granule,
                    offset_bytes,
                },
                Some(link),
            ) => link.start = Some((granule, offset_bytes)),
            (
                Item::Gap {
                    start_samples,
                    duration_samples,
                },
                Some(LinkState { columns, .. }),
            ) => {
                let before = columns.lengths.len();
                columns.gaps.push((before, start_samples, duration_samples));
            }
            (
                Item::End {
                    end_samples,
                    start_granule,
                    truncated,
                },
                Some(link),
            ) => link.end = Some((end_samples, start_granule, truncated)),
            (
                Item::Packet {
                    data,
                    time_samples,
                    duration_samples,
                },
                _,
            ) => self.packet(&data, time_samples, duration_samples),
            _ => {}
        }
    }
}
