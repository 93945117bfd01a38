//! The Ogg Opus reader against streams built page by page.

use crate::common::*;
use opuscule_core::ogg::opus::{Head, HeaderError, Tags};
use opuscule_core::ogg::reader::{Item, OggError, SkipReason};

#[test]
fn a_plain_stream() {
    let (items, result) = read(&voice_pages(3, 0, &[], 500));
    assert_eq!(result, Ok(()));
    let link = Item::Link {
        serial: SERIAL,
        offset_bytes: 0,
    };
    let start = Item::Start {
        granule: 0,
        offset_bytes: 47 + 28 + tags().build().len() as u64,
    };
    let begin = [link, Item::Head(head()), Item::Tags(tags()), start];
    assert_eq!(items[..4], begin);
    let expected: Vec<_> = (0..6).map(|i| (i * 960, voice(i as u8))).collect();
    assert_eq!(packets(&items), expected);
    assert_eq!(end(&items), Some((6 * 960 - 500, 0, false)));
    assert_eq!((gaps(&items), skips(&items)), (vec![], vec![]));
}

#[test]
fn a_stream_that_was_joined_late_keeps_its_start() {
    let (items, _) = read(&voice_pages(3, 1_000_000, &[], 0));
    assert_eq!(packets(&items)[0].0, 0);
    assert_eq!(end(&items), Some((6 * 960, 1_000_000, false)));
}

#[test]
fn lost_pages_are_gaps() {
    for (lost, gap) in [
        (&[0][..], (0, 1920)),
        (&[1], (1920, 1920)),
        (&[1, 2], (1920, 3840)),
    ] {
        let (items, result) = read(&voice_pages(4, 0, lost, 100));
        assert_eq!(result, Ok(()));
        assert_eq!(gaps(&items), [gap]);
        assert_eq!(skips(&items), [(0, SkipReason::MissingPages)]);
        assert_no_silent_hole(&items);
        assert_eq!(end(&items), Some((8 * 960 - 100, 0, false)));
    }
    // The page after the hole is the last one, and trimmed: the gap is whole packets all the same.
    let (items, _) = read(&voice_pages(4, 0, &[2], 100));
    assert_eq!(gaps(&items), [(3840, 1920)]);
    assert_eq!(packets(&items).last(), Some(&(7 * 960, voice(7))));
    assert_eq!(end(&items), Some((8 * 960 - 100, 0, false)));
    // The last page is lost: the end is unknown.
    let (items, _) = read(&voice_pages(4, 0, &[3], 100));
    assert_eq!(end(&items), Some((6 * 960, 0, true)));
}

#[test]
fn granule_positions_that_jump_are_gaps_and_those_behind_are_not_believed() {
    let mut mux = Mux::new();
    mux.page(&[&voice(0)], 960, false);
    mux.page(&[&voice(1)], 960 + 4800 + 960, false);
    mux.page(&[&voice(2)], 100, false);
    mux.page(&[&voice(3)], 1060, true);
    let (items, result) = read(&mux.bytes);
    assert_eq!(result, Ok(()));
    assert_eq!(gaps(&items), [(960, 4800)]);
    let times: Vec<_> = packets(&items).iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [0, 5760, 6720, 7680]);
    assert_eq!(
        skips(&items),
        [
            (0, SkipReason::GranuleAhead),
            (0, SkipReason::GranuleBehind)
        ]
    );
    assert_eq!(end(&items), Some((8640, 0, false)));
}

#[test]
fn the_first_page_may_be_the_last() {
    // §4.5: its end may be trimmed, and then not below the pre-skip.
    for (granule, stop, start, sound) in [
        (500, 500, 0, true),
        (960, 960, 0, true),
        (1960, 960, 1000, true),
        (311, 311, 0, false),
    ] {
        let mut mux = Mux::new();
        mux.page(&[&voice(0)], granule, true);
        let (items, result) = read(&mux.bytes);
        assert_eq!(packets(&items), [(0, voice(0))]);
        assert_eq!((end(&items), result), (Some((stop, start, false)), Ok(())));
        let faults = [(0, SkipReason::BadStart)];
        assert_eq!(skips(&items), faults[usize::from(sound)..]);
    }
}

#[test]
fn a_start_below_zero_is_read_and_reported() {
    let bytes = voice_pages(3, -700, &[], 40);
    let (items, result) = read(&bytes);
    assert_eq!(result, Ok(()));
    let expected: Vec<_> = (0..6).map(|i| (i * 960, voice(i as u8))).collect();
    assert_eq!(packets(&items), expected);
    assert_eq!(end(&items), Some((6 * 960 - 40, -700, false)));
    assert_eq!(skips(&items), [(0, SkipReason::BadStart)]);
}

#[test]
fn last_pages_without_packets() {
    for (granule, stop) in [(1920, 1920), (1700, 1700), (-1, 1920), (0, 960)] {
        let mut mux = Mux::new();
        mux.page(&[&voice(0)], 960, false);
        mux.page(&[&voice(1)], 1920, false);
        mux.page(&[], granule, true);
        assert_eq!(end(&read(&mux.bytes).0), Some((stop, 0, false)));
    }
    let mut mux = Mux::new();
    mux.page(&[], 0, true);
    let (items, result) = read(&mux.bytes);
    assert_eq!((end(&items), result), (Some((0, 0, false)), Ok(())));
}

#[test]
fn what_is_no_ogg_opus() {
    assert_eq!(read(b"").1, Err(OggError::Empty));
    assert_eq!(read(b"RIFF....WAVE").1, Err(OggError::NotOgg));
    assert_eq!(read(&vec![0; 3 << 20]).1, Err(OggError::NotOgg));
    let stream = voice_pages(2, 0, &[], 0);
    assert_eq!(read(&stream[..3]).1, Err(OggError::NotOgg));
    assert_eq!(read(&stream[..40]).1, Err(OggError::HeadersCut));
    assert_eq!(read(&stream[..60]).1, Err(OggError::HeadersCut));
    assert!(matches!(read(&stream[47..]).1, Err(OggError::NoOpus(_))));
}

#[test]
fn heads() {
    let surround = Head {
        channels: 6,
        pre_skip_samples: 312,
        input_rate: 48_000,
        gain_q8: -256,
        mapping_family: 1,
        streams: 4,
        coupled: 2,
        mapping: vec![0, 4, 1, 2, 3, 5],
    };
    let discrete = Head {
        mapping_family: 255,
        mapping: vec![0, 1, 2, 3, 255, 5],
        ..surround.clone()
    };
    for head in [
        &surround,
        &discrete,
        &head(),
        &Head::simple(2, 0, 0, 7).unwrap(),
    ] {
        assert_eq!(Head::parse(&head.build()).as_ref(), Ok(head));
        for cut in 0..head.build().len() {
            let error = Head::parse(&head.build()[..cut]).unwrap_err();
            assert!(matches!(error, HeaderError::Malformed(_)));
        }
    }
    let change = |at: usize, value: u8| {
        let mut packet = surround.build();
        packet[at] = value;
        Head::parse(&packet)
    };
    assert!(change(8, 15).is_ok(), "a minor version is read");
    assert!(matches!(change(8, 16), Err(HeaderError::Unsupported(_))));
    assert!(matches!(change(18, 2), Err(HeaderError::Unsupported(_))));
    // Channels, streams, coupled, a channel that is not decoded.
    for (at, value) in [(9, 0), (9, 9), (19, 0), (20, 5), (21, 6)] {
        assert!(
            matches!(change(at, value), Err(HeaderError::Malformed(_))),
            "byte {at}"
        );
    }
    assert!(Head::simple(3, 0, 0, 0).is_err());
}

#[test]
fn comments() {
    let large = Tags {
        vendor: vec![b'v'; 300],
        comments: vec![vec![b'c'; 200_000], vec![]],
    };
    let packet = large.build();
    assert_eq!(Tags::parse(&packet).as_ref(), Ok(&large));
    for cut in (0..packet.len()).step_by(97) {
        assert!(Tags::parse(&packet[..cut]).is_err());
    }
    let mut greedy = b"OpusTags\0\0\0\0".to_vec();
    greedy.extend_from_slice(&u32::MAX.to_le_bytes());
    assert!(Tags::parse(&greedy).is_err());
}

#[test]
fn lost_comments_do_not_cost_the_audio() {
    let bytes = voice_pages(2, 0, &[], 0);
    let tags_page = 47 + 27 + 1 + tags().build().len();
    let (items, result) = read(&[&bytes[..47], &bytes[tags_page..]].concat());
    assert_eq!(result, Ok(()));
    let lost = [(0, SkipReason::MissingPages), (0, SkipReason::Tags)];
    assert_eq!(skips(&items), lost);
    assert!(items.contains(&Item::Tags(Tags::default())));
    assert_eq!(packets(&items).len(), 4);
}

#[test]
fn wrong_comments_do_not_cost_the_audio() {
    let mut mux = Mux::new();
    mux.bytes.truncate(47);
    mux.sequence = 1;
    mux.page(&[b"OpusTags\xff\xff\xff\xff"], 0, false);
    mux.page(&[&voice(0)], 960, true);
    let (items, result) = read(&mux.bytes);
    assert_eq!((packets(&items), result), (vec![(0, voice(0))], Ok(())));
    assert_eq!(skips(&items), [(12, SkipReason::Tags)]);
}

#[test]
fn packets_that_cannot_be_told_are_reported_and_leave_a_gap() {
    let mut mux = Mux::new();
    mux.page(&[&voice(0)], 960, false);
    mux.page(&[&[], &[9 << 3 | 3, 0], &voice(1)], 960 * 3, false);
    let long = vec![9 << 3; 61_299];
    mux.page(&[&long], 960 * 4, false);
    mux.page(&[&voice(2)], 960 * 5, true);
    let (items, _) = read(&mux.bytes);
    assert_eq!(
        skips(&items),
        [
            (0, SkipReason::InvalidPacket),
            (2, SkipReason::InvalidPacket),
            (61_299, SkipReason::OversizePacket)
        ]
    );
    assert_eq!(gaps(&items), [(960, 960), (2880, 960)]);
    assert_no_silent_hole(&items);
}
