//! Chained and multiplexed streams, and a read that goes on in the middle.

use crate::common::*;
use opuscule_core::ogg::opus::{Head, Tags};
use opuscule_core::ogg::page::{PageHeader, PageScanner, Scan, write_page};
use opuscule_core::ogg::reader::{Item, OggError, Reader, SkipReason};
use opuscule_core::ogg::writer::Writer;
use proptest::prelude::*;

/// A page of a stream of another kind.
fn other(serial: u32, first: bool, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = PageHeader {
        continued: false,
        first,
        last: false,
        granule: 0,
        serial,
        sequence: u32::from(!first),
    };
    write_page(&mut bytes, &header, &[body.len() as u8], body);
    bytes
}

/// A stream of two packets a page; `cut` leaves its last page out.
fn stream(serial: u32, pages: u32, start: i64, trim: i64, cut: bool) -> Vec<u8> {
    let mut mux = Mux::of(serial);
    for page in 0..pages {
        let last = page + 1 == pages;
        let granule = start + i64::from(page + 1) * 1920 - if last { trim } else { 0 };
        let seed = serial as u8;
        let (one, two) = (
            voice(seed + page as u8 * 2),
            voice(seed + page as u8 * 2 + 1),
        );
        if !(last && cut) {
            mux.page(&[&one, &two], granule, last);
        }
    }
    mux.bytes
}

fn times(pages: i64) -> Vec<i64> {
    (0..2 * pages).map(|i| i * 960).collect()
}

#[test]
fn each_link_of_a_chain_has_its_own_headers_and_time() {
    let head = Head::simple(2, 100, 48_000, 256).unwrap();
    let (mut writer, mut last) = Writer::new(3, &head, &Tags::default()).unwrap();
    writer.write(&voice(77), 0, &mut last).unwrap();
    writer.finish(900, &mut last).unwrap();
    let (one, two) = (stream(1, 3, 0, 500, false), stream(2, 4, 9600, 20, false));
    // The third link has the first one's serial number, against RFC 3533, and no end.
    let again = stream(1, 3, 0, 0, true);
    let bytes = [&one[..], &two, &again, &last].concat();
    for pieces in [&[usize::MAX][..], &[1], &[1000, 7]] {
        let (items, result) = read_in(&bytes, pieces);
        assert_eq!(result, Ok(()));
        assert_no_silent_hole(&items);
        let links = links(&items);
        let ends: Vec<_> = links.iter().map(|link| end(link).unwrap()).collect();
        let expected = [
            (6 * 960 - 500, 0, false),
            (8 * 960 - 20, 9600, false),
            (4 * 960, 0, true),
            (900, 0, false),
        ];
        assert_eq!(ends, expected);
        for (link, pages) in links.iter().zip([3, 4, 2]) {
            let got: Vec<_> = packets(link).into_iter().map(|(time, _)| time).collect();
            assert_eq!(got, times(pages));
            assert_eq!(skips(link), []);
        }
        assert_eq!(links[3][1], Item::Head(head.clone()));
        let offset = |link: &[Item]| match link[0] {
            Item::Link { offset_bytes, .. } => offset_bytes as usize,
            _ => unreachable!(),
        };
        let (a, b) = (one.len(), one.len() + two.len());
        let offsets: Vec<_> = links.iter().map(|link| offset(link)).collect();
        assert_eq!(offsets, [0, a, b, b + again.len()]);
    }
}

#[test]
fn a_chain_loses_nothing_in_silence_when_headers_are_lost() {
    let (one, two) = (stream(1, 3, 0, 0, false), stream(2, 4, 0, 0, false));
    let head_bytes = 47;
    // The second link's first page is lost: its pages are counted as without a head.
    let (items, result) = read(&[&one[..], &two[head_bytes..], &one].concat());
    assert_eq!((links(&items).len(), result), (2, Ok(())));
    let lost: Vec<_> = skips(&items);
    assert!(lost.iter().all(|skip| skip.1 == SkipReason::LostHead));
    let bytes: u64 = lost.iter().map(|skip| skip.0).sum();
    assert_eq!(bytes as usize, two.len() - head_bytes);
    // A header that cannot be read, not in the first link.
    let broken = other(2, true, b"OpusHead\x01\0\0\0");
    let (items, result) = read(&[&one[..], &broken, &two[head_bytes..]].concat());
    assert_eq!((links(&items).len(), result), (1, Ok(())));
    assert!(
        skips(&items)
            .iter()
            .all(|skip| skip.1 == SkipReason::LostHead)
    );
    // The first link has lost its beginning; what follows is read.
    let (items, result) = read(&[&one[head_bytes..], &two].concat());
    assert_eq!((packets(&items).len(), result), (8, Ok(())));
    // A link that is cut inside its headers, before another and at the end.
    for tail in [&two[..], &[]] {
        let (items, result) = read(&[&one[..], &two[..head_bytes], tail].concat());
        assert_eq!(result, Ok(()));
        assert_eq!(end(links(&items)[0]), Some((6 * 960, 0, false)));
        if tail.is_empty() {
            assert_eq!(end(links(&items)[1]), Some((0, 0, true)));
            assert_eq!(skips(&items), [(0, SkipReason::Tags)]);
        } else {
            assert_eq!(packets(links(&items)[1]).len(), 8);
        }
    }
}

#[test]
fn other_streams_are_passed_over() {
    let ours = stream(1, 2, 0, 0, false);
    let begin = other(7, true, b"\x01vorbis....");
    let bytes = [&begin[..], &ours, &other(7, false, b"data")].concat();
    let (items, result) = read(&bytes);
    assert_eq!((packets(&items).len(), result), (4, Ok(())));
    let reasons: Vec<_> = skips(&items).into_iter().map(|skip| skip.1).collect();
    assert_eq!(reasons, [SkipReason::OtherStream; 2]);
    // Vorbis chained after Opus, and Opus after that.
    let bytes = [&ours[..], &begin, &other(7, false, b"data"), &ours].concat();
    let (items, result) = read(&bytes);
    assert_eq!((links(&items).len(), result), (2, Ok(())));
    // Vorbis alone is told at once.
    match read(&[&begin[..], &other(7, false, b"data"), &ours].concat()).1 {
        Err(OggError::NoOpus(what)) => assert!(what.contains("vorbis"), "{what}"),
        other => panic!("{other:?}"),
    }
}

/// Two streams side by side, page by page.
fn side_by_side() -> Vec<u8> {
    let (one, two) = (stream(1, 3, 0, 0, false), stream(2, 3, 0, 7, false));
    let cut = |bytes: &[u8]| {
        let mut scanner = PageScanner::default();
        scanner.push(bytes);
        let mut pages = Vec::new();
        while let Some(Scan::Page(page)) = scanner.next() {
            let at = pages.iter().map(Vec::len).sum::<usize>();
            pages.push(bytes[at..at + page.len_bytes()].to_vec());
        }
        pages
    };
    let pairs = cut(&one).into_iter().zip(cut(&two));
    pairs.flat_map(|(a, b)| [a, b]).flatten().collect()
}

#[test]
fn one_of_several_opus_streams_is_chosen_by_its_serial_number() {
    let bytes = side_by_side();
    assert_eq!(read(&bytes).1, Err(OggError::Multiplexed(1, 2)));
    for (serial, stop) in [(1, 6 * 960), (2, 6 * 960 - 7)] {
        let (mut reader, mut items) = (Reader::of_stream(serial), Vec::new());
        reader.feed(&bytes, &mut items).unwrap();
        reader.finish(&mut items).unwrap();
        assert_eq!(packets(&items)[0].1, voice(serial as u8));
        assert_eq!(end(&items), Some((stop, 0, false)));
        assert_eq!(skips(&items).len(), 5);
    }
    let mut reader = Reader::of_stream(3);
    reader.feed(&bytes, &mut Vec::new()).unwrap();
    let missing = Err(OggError::NoSuchStream(3));
    assert_eq!(reader.finish(&mut Vec::new()), missing);
}

/// Offset, length and header of each sound page.
fn pages_of(bytes: &[u8]) -> Vec<(usize, usize, PageHeader)> {
    let mut scanner = PageScanner::default();
    scanner.push(bytes);
    scanner.finish();
    let (mut at, mut pages) = (0, Vec::new());
    while let Some(scan) = scanner.next() {
        match scan {
            Scan::Page(page) => {
                pages.push((at, page.len_bytes(), page.header));
                at += page.len_bytes();
            }
            Scan::Skipped(bytes) => at += bytes as usize,
        }
    }
    pages
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_read_that_goes_on_after_any_page_gives_the_same(
        sent in proptest::collection::vec(any_packet(), 1..40),
        segments in proptest::collection::vec(1usize..=255, 1..5),
        trim in 0i64..120,
        damaged in proptest::collection::vec(any::<prop::sample::Index>(), 0..3),
        start in 0i64..100_000,
    ) {
        let mut mux = Mux::new();
        let headers = mux.bytes.len();
        mux.spread(&sent, &segments, start, trim);
        for at in damaged {
            let at = headers + at.index(mux.bytes.len() - headers);
            mux.bytes[at] ^= 16;
        }
        let (whole, result) = read(&mux.bytes);
        prop_assert_eq!(result, Ok(()));
        let behind = skips(&whole).iter().any(|skip| skip.1 == SkipReason::GranuleBehind);
        prop_assume!(!behind);
        let (whole, start) = (packets(&whole), end(&whole).unwrap().1);
        for (at, bytes, header) in pages_of(&mux.bytes) {
            let page = &mux.bytes[at..at + bytes];
            let Some(mut reader) = Reader::resume(&head(), page, start) else {
                continue;
            };
            let mut items = Vec::new();
            reader.feed(&mux.bytes[at + bytes..], &mut items).unwrap();
            reader.finish(&mut items).unwrap();
            let reached = header.granule - start;
            let after: Vec<_> = whole.iter().filter(|(time, _)| *time >= reached).cloned().collect();
            prop_assert_eq!(packets(&items), after);
        }
    }
}
