//! The Ogg Opus reader against any pagination, damage, and any bytes.

use crate::common::*;
use opuscule_core::ogg::page::{PageHeader, write_page};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn any_pagination_gives_the_same(
        sent in proptest::collection::vec(any_packet(), 1..40),
        segments in proptest::collection::vec(1usize..=255, 1..5),
        trim in 0i64..120,
        pieces in proptest::collection::vec(1usize..5000, 1..4),
    ) {
        let total: i64 = sent.iter().map(|p| duration(p)).sum();
        let start = 10_000;
        let mut mux = Mux::new();
        let trim = mux.spread(&sent, &segments, start, trim);
        let (items, result) = read_in(&mux.bytes, &pieces);
        prop_assert_eq!(result, Ok(()));
        let got: Vec<_> = packets(&items).into_iter().map(|(_, data)| data).collect();
        prop_assert_eq!(got, sent);
        assert_no_silent_hole(&items);
        prop_assert_eq!(end(&items), Some((total - trim, start, false)));
        prop_assert_eq!(skips(&items), vec![]);
    }

    #[test]
    fn one_flipped_bit_loses_nothing_in_silence(at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut bytes = voice_pages(12, 0, &[], 33);
        let whole = packets(&read(&bytes).0);
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        let (items, result) = read(&bytes);
        if result.is_ok() {
            assert_no_silent_hole(&items);
            let (stop, start, truncated) = end(&items).unwrap();
            prop_assert!(start == 0 && (truncated || stop == 24 * 960 - 33));
            prop_assert!(packets(&items).iter().all(|packet| whole.contains(packet)));
            prop_assert!(packets(&items).len() >= whole.len() - 2);
            prop_assert_ne!(skips(&items), vec![]);
        }
    }

    #[test]
    fn a_cut_file_gives_the_packets_of_its_whole_pages(at in any::<prop::sample::Index>()) {
        let bytes = voice_pages(12, 0, &[], 33);
        let whole = packets(&read(&bytes).0);
        let headers = 47 + 27 + 1 + tags().build().len();
        let cut = headers + at.index(bytes.len() - headers);
        let (items, result) = read(&bytes[..cut]);
        prop_assert_eq!(result, Ok(()));
        let got = packets(&items);
        prop_assert_eq!(got.len(), (cut - headers) / ((bytes.len() - headers) / 12) * 2);
        prop_assert_eq!(&got[..], &whole[..got.len()]);
        prop_assert_eq!(end(&items), Some((got.len() as i64 * 960, 0, true)));
    }

    #[test]
    fn any_bytes_and_any_pieces(
        parts in proptest::collection::vec(any_part(), 0..12),
        headers in any::<bool>(),
        pieces in proptest::collection::vec(1usize..3000, 1..4),
    ) {
        let mut bytes = if headers { Mux::new().bytes } else { Vec::new() };
        bytes.extend(parts.concat());
        let whole = read(&bytes);
        prop_assert_eq!(&read_in(&bytes, &pieces), &whole);
        prop_assert_eq!(&read_in(&bytes, &[1]), &whole);
        assert_no_silent_hole(&whole.0);
    }
}

/// Junk, capture patterns, and sound pages that say anything.
fn any_part() -> impl Strategy<Value = Vec<u8>> {
    let page = (
        (
            any::<bool>(),
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.2),
        ),
        prop_oneof![0i64..100_000, any::<i64>(), Just(-1)],
        prop_oneof![4 => Just(SERIAL), 1 => Just(7)],
        prop_oneof![0u32..8, any::<u32>()],
        proptest::collection::vec(prop_oneof![any::<u8>(), Just(255)], 0..12),
        any::<u8>(),
    );
    let page = page.prop_map(
        |((continued, first, last), granule, serial, sequence, lacing, fill)| {
            let body = vec![fill; lacing.iter().map(|&v| usize::from(v)).sum()];
            let mut out = Vec::new();
            let header = PageHeader {
                continued,
                first,
                last,
                granule,
                serial,
                sequence,
            };
            write_page(&mut out, &header, &lacing, &body);
            out
        },
    );
    prop_oneof![
        6 => page,
        1 => proptest::collection::vec(any::<u8>(), 0..600),
        1 => Just(b"OggS\0\0OggSOgg".to_vec()),
        1 => Just(Mux::new().bytes),
    ]
}
