//! The Ogg Opus writer, read back.

use crate::common::*;
use opuscule_core::ogg::opus::{Head, Tags};
use opuscule_core::ogg::page::{PageScanner, Scan};
use opuscule_core::ogg::reader::Item;
use opuscule_core::ogg::writer::{MAX_GAP_SAMPLES, WriteError, Writer};
use opuscule_core::packet::Rule;
use proptest::prelude::*;

fn writer() -> (Writer, Vec<u8>) {
    Writer::new(SERIAL, &head(), &tags()).unwrap()
}

/// Granule position, lacing values, last.
fn pages(bytes: &[u8]) -> Vec<(i64, usize, bool)> {
    let mut scanner = PageScanner::default();
    scanner.push(bytes);
    scanner.finish();
    let mut pages = Vec::new();
    while let Some(scan) = scanner.next() {
        match scan {
            Scan::Page(page) => {
                assert_eq!(page.header.sequence as usize, pages.len());
                assert_eq!(page.header.first, pages.is_empty());
                pages.push((page.header.granule, page.lacing.len(), page.header.last));
            }
            Scan::Skipped(bytes) => panic!("{bytes} bytes are not pages"),
        }
    }
    pages
}

#[test]
fn a_killed_writer_leaves_all_but_the_last_second() {
    let (mut writer, mut out) = writer();
    for i in 0..500 {
        writer
            .write(&packet(9, 60, i as u8), i * 960, &mut out)
            .unwrap();
        let (items, result) = read(&out);
        assert_eq!(result, Ok(()));
        let (stop, _, truncated) = end(&items).unwrap();
        assert!(truncated && (i + 1) * 960 - stop < 48_000);
    }
    writer.finish(500 * 960 - 7, &mut out).unwrap();
    let (items, _) = read(&out);
    assert_eq!(end(&items), Some((500 * 960 - 7, 0, false)));
    // The last page has a packet, and it alone is marked.
    let pages = pages(&out);
    assert!(pages.last().unwrap().1 >= 1);
    assert_eq!(pages.iter().filter(|page| page.2).count(), 1);
    assert_eq!(
        (pages[0].0, pages[1].0),
        (0, 0),
        "header pages have granule position 0"
    );
}

#[test]
fn a_stream_without_packets_ends_and_has_no_audio() {
    for (pre_skip, missing) in [(312, vec![(0, 312)]), (0, vec![])] {
        let head = Head::simple(2, pre_skip, 48_000, 0).unwrap();
        let (mut writer, mut out) = Writer::new(SERIAL, &head, &tags()).unwrap();
        writer.finish(0, &mut out).unwrap();
        let (items, result) = read(&out);
        assert_eq!(result, Ok(()));
        assert_eq!(end(&items), Some((i64::from(pre_skip), 0, false)));
        assert_eq!((packets(&items), gaps(&items)), (vec![], missing));
        let (_, segments, last) = *pages(&out).last().unwrap();
        assert!(segments > 0 && last, "players want a packet");
        assert_eq!(writer.finish(0, &mut out), Err(WriteError::Finished));
        let late = writer.write(&packet(9, 60, 0), 0, &mut out);
        assert_eq!(late, Err(WriteError::Finished));
    }
}

#[test]
fn refusals_change_nothing() {
    let (mut writer, mut out) = writer();
    for i in 0..60 {
        writer
            .write(&packet(9, 60, i as u8), i * 960, &mut out)
            .unwrap();
    }
    let before = out.len();
    let one = packet(9, 60, 60);
    let refused = [
        (vec![], 57_600),
        (vec![0; 61_299], 57_600),
        (one.clone(), 57_599),
        (one.clone(), -1),
        (one.clone(), 57_600 + MAX_GAP_SAMPLES + 1),
    ];
    let errors: Vec<_> = refused
        .iter()
        .map(|(packet, time)| writer.write(packet, *time, &mut out).unwrap_err())
        .collect();
    assert!(matches!(errors[0], WriteError::InvalidPacket(error) if error.rule == Rule::R1));
    assert_eq!(errors[1], WriteError::OversizePacket(61_299, 61_298));
    assert_eq!(errors[2], WriteError::OutOfOrder(57_599, 57_600));
    assert_eq!(errors[3], WriteError::OutOfOrder(-1, 57_600));
    assert_eq!(errors[4], WriteError::GapTooLong(MAX_GAP_SAMPLES + 1));
    let written = pages(&out).last().unwrap().0;
    assert!(written > 0);
    assert_eq!(
        writer.finish(written - 1, &mut out),
        Err(WriteError::EndTooEarly(written - 1, written))
    );
    assert_eq!(out.len(), before);
    writer.write(&one, 57_600, &mut out).unwrap();
    writer.finish(58_560, &mut out).unwrap();
    assert_eq!(packets(&read(&out).0).len(), 61);
}

#[test]
fn an_end_may_trim_whole_packets_of_the_last_page_and_not_reach_below_it() {
    for bytes in [60, 30_000, 61_298] {
        let (mut writer, mut out) = writer();
        for i in 0..4 {
            writer
                .write(&packet(9, bytes, i as u8), i * 960, &mut out)
                .unwrap();
        }
        let Err(WriteError::EndTooEarly(-1, earliest)) = writer.finish(-1, &mut out) else {
            panic!("an end before the start is refused");
        };
        writer.finish(earliest, &mut out).unwrap();
        let (items, result) = read(&out);
        assert_eq!((packets(&items).len(), result), (4, Ok(())));
        assert_eq!(end(&items).unwrap().0, earliest.max(312));
    }
}

#[test]
fn gaps_below_two_and_a_half_ms_are_carried_on() {
    let (mut writer, mut out) = writer();
    writer.write(&packet(9, 60, 0), 50, &mut out).unwrap();
    writer.write(&packet(9, 60, 1), 50 + 960, &mut out).unwrap();
    writer
        .write(&packet(9, 60, 2), 50 + 1920 + 70, &mut out)
        .unwrap();
    writer.finish(50 + 1920 + 70 + 960, &mut out).unwrap();
    let (items, _) = read(&out);
    let times: Vec<_> = packets(&items).iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [0, 960, 1920 + 120]);
    assert_eq!(gaps(&items), [(1920, 120)]);
    assert_eq!(end(&items), Some((1920 + 120 + 960, 0, false)));
}

#[test]
fn surround_packets_over_several_pages_and_gaps() {
    let head = Head {
        channels: 4,
        mapping_family: 1,
        streams: 2,
        coupled: 2,
        mapping: vec![0, 1, 2, 3],
        ..head()
    };
    let (mut writer, mut out) = Writer::new(1, &head, &Tags::default()).unwrap();
    let sent: Vec<_> = [65_024, 65_025, 65_026, 122_596]
        .iter()
        .zip(0u8..)
        .map(|(bytes, seed)| (i64::from(seed) * 1920, packet(9, *bytes, seed)))
        .collect();
    for (time, packet) in &sent {
        writer.write(packet, *time, &mut out).unwrap();
    }
    writer.finish(4 * 1920, &mut out).unwrap();
    let (items, result) = read_in(&out, &[1000]);
    assert_eq!((packets(&items), result), (sent, Ok(())));
    assert_eq!(
        gaps(&items),
        [(960, 960), (2880, 960), (4800, 960), (6720, 960)]
    );
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_written_is_read(
        sent in proptest::collection::vec((any_packet(), gap()), 0..60),
        tail in -119i64..3000,
        bits in any::<u16>(),
    ) {
        let head = Head { gain_q8: bits as i16, ..head() };
        let (mut writer, mut out) = Writer::new(SERIAL, &head, &tags()).unwrap();
        let (mut time, mut expected, mut missing) = (0, Vec::new(), 0);
        for (packet, gap) in sent {
            time += gap * 120;
            missing += gap * 120;
            writer.write(&packet, time, &mut out).unwrap();
            expected.push((time, packet.clone()));
            time += duration(&packet);
        }
        let stop = (time + tail).max(0);
        writer.finish(stop, &mut out).unwrap();
        let stop = stop.max(312);
        missing += (stop - time).max(0);
        let (items, result) = read(&out);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(&items[1], &Item::Head(head));
        prop_assert_eq!(packets(&items), expected);
        assert_no_silent_hole(&items);
        prop_assert_eq!(gaps(&items).iter().map(|gap| gap.1).sum::<i64>(), missing);
        prop_assert_eq!(end(&items), Some((stop, 0, false)));
        let no_skip = !items.iter().any(|item| matches!(item, Item::Skipped { .. }));
        prop_assert!(no_skip);
        pages(&out);
    }
}

/// In steps of 2.5 ms.
fn gap() -> impl Strategy<Value = i64> {
    prop_oneof![6 => Just(0i64), 2 => 1i64..60, 1 => 1000i64..5000]
}
