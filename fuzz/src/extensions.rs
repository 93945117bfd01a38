//! Invariant of the extension list: it has what libopus finds in the same padding, in the same order
//! and up to the same fault; every payload lies in the padding; a fault names a byte of it. No
//! padding makes it longer than its bound.

use opuscule_core::opus::reference;
use opuscule_core::packet::extensions::{Fault, MAX_EXTENSIONS, list};
use opuscule_core::packet::parse;

/// The first byte says of how many frames the packet is, the rest is its padding.
pub fn check(data: &[u8]) {
    let Some((&first, padding)) = data.split_first() else {
        return;
    };
    let frames = first % 48 + 1;
    // Code 3 at 2.5 ms a frame, all of them empty.
    let mut packet = vec![31 << 3 & 0xe3 | 3, 0x40 | frames];
    let more = padding.len().saturating_sub(1) / 254;
    packet.resize(2 + more, 255);
    packet.push((padding.len() - more * 254) as u8);
    packet.extend_from_slice(padding);
    let info = parse(&packet).expect("a packet");
    assert_eq!(packet[info.padding.clone()], *padding);
    let (found, fault) = list(&packet, &info);
    let start = info.padding.start;
    assert!(found.len() <= MAX_EXTENSIONS);
    for one in &found {
        assert!((3..=127).contains(&one.id) && one.frame < frames.into());
        assert!(one.payload.start >= start && one.payload.end <= info.padding.end);
    }
    if let Some(fault) = fault {
        assert!((start..packet.len()).contains(&fault.offset));
    }
    let most = MAX_EXTENSIONS.min(found.len() + 1);
    let theirs = reference::extensions(padding, frames.into(), most);
    let Some((theirs, sound)) = theirs else {
        assert_eq!(fault.expect("too many").fault, Fault::TooMany);
        return;
    };
    let ours: Vec<_> = found
        .into_iter()
        .map(|e| {
            (
                e.id,
                e.frame,
                e.payload.start - start..e.payload.end - start,
            )
        })
        .collect();
    assert_eq!((ours, fault.is_none()), (theirs, sound));
}
