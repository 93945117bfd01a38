//! Every single-bit flip in a small file and every length that it can be cut to: nothing is lost in
//! silence. Each packet of the sound file comes out as it was, or lies in a gap, or behind the end of
//! a link that says it was cut, or in a link whose loss is counted; or the file is refused.

use crate::common::*;
use opuscule_core::ogg::page::{PageHeader, write_page};
use opuscule_core::ogg::reader::{Item, SkipReason};

/// Two chained links, the first beside a stream of another kind: ten packets over six pages.
fn small_file() -> Vec<u8> {
    let mut bytes = Vec::new();
    let other = |bytes: &mut Vec<u8>, sequence: u32| {
        let header = PageHeader {
            continued: false,
            first: sequence == 0,
            last: sequence == 2,
            granule: 0,
            serial: 9,
            sequence,
        };
        write_page(bytes, &header, &[8], b"\x80theora ");
    };
    let mut seed = 0;
    for (serial, start) in [(1, 0), (2, 4800)] {
        let mut mux = Mux::of(serial);
        if serial == 1 {
            let mut tail = mux.bytes.split_off(47);
            bytes.append(&mut mux.bytes);
            other(&mut bytes, 0);
            bytes.append(&mut tail);
            other(&mut bytes, 1);
        } else {
            bytes.append(&mut mux.bytes);
        }
        for (page, count) in [(0, 2), (1, 1), (2, 2)] {
            let sent: Vec<Vec<u8>> = (0..count).map(|i| packet(9, 12, seed + i)).collect();
            seed += count;
            let refs: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
            let ends = [2, 3, 5][page as usize] * 960;
            let trim = if page == 2 { 100 } else { 0 };
            mux.page(&refs, start + ends - trim, page == 2);
            bytes.append(&mut mux.bytes);
            if serial == 1 && page == 1 {
                other(&mut bytes, 2);
            }
        }
    }
    bytes
}

fn serial(link: &[Item]) -> u32 {
    match link[0] {
        Item::Link { serial, .. } => serial,
        _ => unreachable!("links begin with it"),
    }
}

/// What of `whole` is missing in `items` and not spoken of.
fn silent_losses(whole: &[Item], items: &[Item]) -> Vec<(i64, Vec<u8>)> {
    let lost_head = skips(items)
        .iter()
        .any(|(bytes, reason)| *reason == SkipReason::LostHead && *bytes > 0);
    let damage = skips(items)
        .iter()
        .any(|(bytes, reason)| *reason == SkipReason::Damage && *bytes > 0);
    let mut silent = Vec::new();
    for link in links(whole) {
        let found = links(items);
        let same = found.iter().find(|other| serial(other) == serial(link));
        for (time, data) in packets(link) {
            let spoken_of = match same {
                // With nothing left of a link, damage at the end of the file is all there is to say.
                None => lost_head || damage,
                Some(same) => {
                    let (stop, _, truncated) = end(same).unwrap();
                    let inside = |(start, samples): (i64, i64)| {
                        start <= time && time + 960 <= start + samples
                    };
                    packets(same).contains(&(time, data.clone()))
                        || gaps(same).into_iter().any(inside)
                        || (truncated && time >= stop)
                }
            };
            if !spoken_of {
                silent.push((time, data));
            }
        }
    }
    silent
}

/// Nothing comes out that was not in the file.
fn invented(whole: &[Item], items: &[Item]) -> bool {
    let known: Vec<_> = packets(whole).into_iter().map(|(_, data)| data).collect();
    packets(items).iter().any(|(_, data)| !known.contains(data))
}

#[test]
fn every_single_bit_flip() {
    let bytes = small_file();
    let (whole, result) = read(&bytes);
    assert_eq!((packets(&whole).len(), result), (10, Ok(())));
    let mut refused = 0;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let (items, result) = read(&flipped);
            assert!(!invented(&whole, &items), "byte {at} bit {bit}");
            if result.is_err() {
                refused += 1;
                continue;
            }
            assert_ne!(
                skips(&items),
                skips(&whole),
                "byte {at} bit {bit}: not noticed"
            );
            let silent = silent_losses(&whole, &items);
            assert_eq!(silent, [], "byte {at} bit {bit}");
            assert_no_silent_hole(&items);
        }
    }
    // Two links: the loss of a header costs one of them at most.
    assert_eq!(refused, 0);
}

#[test]
fn every_truncation() {
    let bytes = small_file();
    let whole = read(&bytes).0;
    for length in 0..bytes.len() {
        let (items, result) = read(&bytes[..length]);
        assert!(!invented(&whole, &items), "length {length}");
        assert_eq!(
            read_in(&bytes[..length], &[1]),
            (items.clone(), result.clone())
        );
        if result.is_ok() {
            for link in links(&items) {
                let original = *links(&whole)
                    .iter()
                    .find(|other| serial(other) == serial(link))
                    .unwrap();
                let complete = packets(link) == packets(original) && end(link) == end(original);
                assert!(complete || end(link).unwrap().2, "length {length}");
            }
        } else {
            assert_eq!(packets(&items), [], "length {length}");
        }
    }
}

#[test]
fn every_byte_missing_or_doubled() {
    let bytes = small_file();
    let whole = read(&bytes).0;
    for at in 0..bytes.len() {
        for doubled in [false, true] {
            let mut changed = bytes.clone();
            if doubled {
                changed.insert(at, bytes[at]);
            } else {
                changed.remove(at);
            }
            let (items, result) = read(&changed);
            assert!(!invented(&whole, &items), "byte {at}");
            assert_eq!(result, Ok(()), "byte {at}");
            assert_eq!(silent_losses(&whole, &items), [], "byte {at}");
        }
    }
}
