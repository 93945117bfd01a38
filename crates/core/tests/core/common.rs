//! What the Ogg tests share.
#![allow(unreachable_pub, reason = "what its users here see")]

use opuscule_core::ogg::opus::{Head, Tags};
use opuscule_core::ogg::page::{NO_GRANULE, PageHeader, write_page};
use opuscule_core::ogg::reader::{Item, OggError, Reader, SkipReason};
use opuscule_core::packet::duration_samples;
use proptest::prelude::*;

pub const SERIAL: u32 = 0x1234_5678;

/// A failing case is printed and not kept in a file beside the test.
pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

pub fn head() -> Head {
    Head::simple(1, 312, 16_000, 0).unwrap()
}

pub fn tags() -> Tags {
    Tags {
        vendor: b"test".to_vec(),
        comments: vec![b"TITLE=one".to_vec()],
    }
}

/// A packet of `bytes` whose frames last `config` and whose content tells it from others.
pub fn packet(config: u8, bytes: usize, seed: u8) -> Vec<u8> {
    let mut data: Vec<u8> = (0..bytes)
        .map(|i| (i as u8).wrapping_mul(31) ^ seed)
        .collect();
    data[0] = config << 3;
    data
}

/// Sizes about the edges of lacing.
pub fn any_packet() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        8 => 1usize..300,
        2 => proptest::sample::select(vec![1usize, 254, 255, 256, 509, 510, 511, 1275]),
        1 => 60_000usize..=61_298,
    ];
    (0u8..32, bytes, any::<u8>()).prop_map(|(config, bytes, seed)| packet(config, bytes, seed))
}

pub fn duration(packet: &[u8]) -> i64 {
    i64::from(duration_samples(packet).unwrap())
}

/// A stream with pages of at most `segments` lacing values, whatever that does to packets.
pub struct Mux {
    pub bytes: Vec<u8>,
    pub sequence: u32,
    pub serial: u32,
}

impl Mux {
    pub fn new() -> Self {
        Self::of(SERIAL)
    }

    pub fn of(serial: u32) -> Self {
        let mut mux = Self {
            bytes: Vec::new(),
            sequence: 0,
            serial,
        };
        mux.page(&[&head().build()], 0, false);
        mux.page(&[&tags().build()], 0, false);
        mux
    }

    /// One page with whole packets.
    pub fn page(&mut self, packets: &[&[u8]], granule: i64, last: bool) {
        let (lacing, body) = lace(packets);
        self.raw(&lacing, &body, granule, false, last);
    }

    pub fn raw(&mut self, lacing: &[u8], body: &[u8], granule: i64, continued: bool, last: bool) {
        let header = PageHeader {
            continued,
            first: self.sequence == 0,
            last,
            granule,
            serial: self.serial,
            sequence: self.sequence,
        };
        write_page(&mut self.bytes, &header, lacing, body);
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Packets over pages of these numbers of segments, in turn, the end trimmed by `trim`. The
    /// trim that was done: none on a page that is the first too, for it says where time starts.
    pub fn spread(
        &mut self,
        packets: &[Vec<u8>],
        segments: &[usize],
        start: i64,
        trim: i64,
    ) -> i64 {
        let refs: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
        let (lacing, mut body) = lace(&refs);
        let mut end_trim = 0;
        let (mut rest, mut granule, mut done, mut continued) = (&lacing[..], start, 0, false);
        let mut sizes = segments.iter().cycle();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            let ends = now.iter().filter(|&&value| value < 255).count();
            granule += packets[done..done + ends]
                .iter()
                .map(|p| duration(p))
                .sum::<i64>();
            done += ends;
            let tail = body.split_off(now.iter().map(|&v| usize::from(v)).sum());
            if later.is_empty() && ends < packets.len() {
                end_trim = trim;
            }
            let shown = if ends == 0 {
                NO_GRANULE
            } else {
                granule - end_trim
            };
            self.raw(now, &body, shown, continued, later.is_empty());
            continued = now.last() == Some(&255);
            (rest, body) = (later, tail);
        }
        end_trim
    }
}

pub fn lace(packets: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let (mut lacing, mut body) = (Vec::new(), Vec::new());
    for packet in packets {
        lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        lacing.push((packet.len() % 255) as u8);
        body.extend_from_slice(packet);
    }
    (lacing, body)
}

pub type Outcome = (Vec<Item>, Result<(), OggError>);

/// The items of each link, with what was passed over before the first.
pub fn links(items: &[Item]) -> Vec<&[Item]> {
    let begins = |item: &Item| matches!(item, Item::Link { .. });
    let starts: Vec<usize> = (0..items.len()).filter(|&i| begins(&items[i])).collect();
    let stops = starts.iter().skip(1).copied().chain([items.len()]);
    starts
        .iter()
        .zip(stops)
        .map(|(&a, b)| &items[a..b])
        .collect()
}

/// Read bytes that come in pieces of these sizes, in turn.
pub fn read_in(bytes: &[u8], pieces: &[usize]) -> Outcome {
    let (mut reader, mut items, mut rest) = (Reader::default(), Vec::new(), bytes);
    let mut sizes = pieces.iter().cycle();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        if let Err(error) = reader.feed(now, &mut items) {
            assert_eq!(
                reader.finish(&mut Vec::new()),
                Err(error.clone()),
                "failed for good"
            );
            return (items, Err(error));
        }
        rest = later;
    }
    let result = reader.finish(&mut items);
    (items, result)
}

pub fn read(bytes: &[u8]) -> Outcome {
    read_in(bytes, &[usize::MAX])
}

/// Packets with their times.
pub fn packets(items: &[Item]) -> Vec<(i64, Vec<u8>)> {
    let packet = |item: &Item| match item {
        Item::Packet {
            data, time_samples, ..
        } => Some((*time_samples, data.clone())),
        _ => None,
    };
    items.iter().filter_map(packet).collect()
}

pub fn gaps(items: &[Item]) -> Vec<(i64, i64)> {
    let gap = |item: &Item| match item {
        Item::Gap {
            start_samples,
            duration_samples,
        } => Some((*start_samples, *duration_samples)),
        _ => None,
    };
    items.iter().filter_map(gap).collect()
}

/// End, start granule, truncated.
pub fn end(items: &[Item]) -> Option<(i64, i64, bool)> {
    items.iter().rev().find_map(|item| match item {
        Item::End {
            end_samples,
            start_granule,
            truncated,
        } => Some((*end_samples, *start_granule, *truncated)),
        _ => None,
    })
}

/// Packets and gaps must follow on one another from 0 up to the end, at least, in each link.
pub fn assert_no_silent_hole(items: &[Item]) {
    let mut next = 0;
    for item in items {
        match item {
            Item::Link { .. } => next = 0,
            Item::Packet {
                time_samples,
                duration_samples,
                ..
            } => {
                assert_eq!(*time_samples, next);
                next += i64::from(*duration_samples);
            }
            Item::Gap {
                start_samples,
                duration_samples,
            } => {
                assert_eq!(*start_samples, next);
                assert!(*duration_samples > 0);
                next += duration_samples;
            }
            Item::End { end_samples, .. } => assert!(*end_samples <= next),
            _ => {}
        }
    }
}

/// 20 ms SILK.
pub fn voice(seed: u8) -> Vec<u8> {
    packet(9, 60, seed)
}

pub fn skips(items: &[Item]) -> Vec<(u64, SkipReason)> {
    let skip = |item: &Item| match item {
        Item::Skipped { bytes, reason } => Some((*bytes, *reason)),
        _ => None,
    };
    items.iter().filter_map(skip).collect()
}

/// Pages of two voice packets from `start`; `lost` page numbers are left out.
pub fn voice_pages(pages: u32, start: i64, lost: &[u32], end_trim: i64) -> Vec<u8> {
    let mut mux = Mux::new();
    for page in 0..pages {
        let before = mux.bytes.len();
        let granule = start + i64::from(page + 1) * 1920;
        let last = page + 1 == pages;
        let trim = if last { end_trim } else { 0 };
        let (one, two) = (voice(page as u8 * 2), voice(page as u8 * 2 + 1));
        mux.page(&[&one, &two], granule - trim, last);
        if lost.contains(&page) {
            mux.bytes.truncate(before);
        }
    }
    mux.bytes
}
