//! Invariant of split, merge, pad and unpad: frames go through them unchanged and in order, and so do
//! extensions, but for unpad, which drops them. Merging what was split gives the packet back in its
//! shortest form, and splitting that gives the same parts. Unpadding, and merging without extensions,
//! gives what libopus's repacketizer gives; what is padded has the length that was asked for, and
//! libopus reads the same from it.

use opuscule_core::opus::reference;
use opuscule_core::packet::{
    EditError, MAX_PACKET_BYTES, extensions, merge, pad, parse, split, unpad,
};

type Content = (u8, Vec<Vec<u8>>, Vec<(u8, usize, Vec<u8>)>);

/// What may not change: kind, frames, and extensions by frame.
fn content(packet: &[u8]) -> Content {
    let info = parse(packet).expect("a packet");
    let frames = info.frames.iter().map(|at| packet[at.clone()].to_vec());
    let (found, fault) = extensions::list(packet, &info);
    assert_eq!(fault, None);
    let mut found: Vec<_> = found
        .into_iter()
        .map(|e| (e.id, e.frame, packet[e.payload].to_vec()))
        .collect();
    found.sort_by_key(|e| e.1);
    (info.toc.0 & 0xfc, frames.collect(), found)
}

/// `data` is a packet.
pub fn check(data: &[u8]) {
    let Ok(info) = parse(data) else {
        assert!(matches!(unpad(data), Err(EditError::Packet(0, _))));
        assert!(matches!(split(data), Err(EditError::Packet(0, _))));
        assert!(matches!(merge(&[data]), Err(EditError::Packet(0, _))));
        return;
    };
    let bare = unpad(data).expect("a packet");
    assert_eq!(reference::unpad(data).as_ref(), Some(&bare));
    let target = data.len() + usize::from(data[0]) + usize::from(data[data.len() - 1]);
    match pad(data, target) {
        Ok(padded) => {
            assert_eq!(padded.len(), target);
            assert_eq!(reference::unpad(&padded), Some(bare.clone()));
        }
        Err(error) => {
            assert!(target > MAX_PACKET_BYTES);
            assert_eq!(error, EditError::Large(target));
        }
    }
    if let Some(fault) = extensions::list(data, &info).1 {
        assert_eq!(split(data), Err(EditError::Extension(0, fault)));
        assert_eq!(merge(&[data]), Err(EditError::Extension(0, fault)));
        return;
    }
    let whole = content(data);
    if let Ok(padded) = pad(data, target) {
        assert_eq!(content(&padded), whole);
    }
    let parts = match split(data) {
        Ok(parts) => parts,
        Err(error) => return assert!(matches!(error, EditError::Large(_)), "{error}"),
    };
    assert_eq!(parts.len(), info.frames.len());
    for (i, part) in parts.iter().enumerate() {
        let (toc, frames, found) = content(part);
        assert_eq!((toc, &frames[..]), (whole.0, &whole.1[i..=i]));
        let mine = whole.2.iter().filter(|e| e.1 == i);
        let mine: Vec<_> = mine.map(|e| (e.0, 0, e.2.clone())).collect();
        assert_eq!(found, mine);
    }
    let merged = match merge(&parts) {
        Ok(merged) => merged,
        // What repeats wrote briefly can be too long for one packet when it is written out.
        Err(error) => return assert!(matches!(error, EditError::Large(_)), "{error}"),
    };
    assert_eq!(content(&merged), whole);
    assert_eq!(split(&merged).as_ref(), Ok(&parts));
    assert_eq!(merge(&[&merged]).as_ref(), Ok(&merged));
    if whole.2.is_empty() {
        assert_eq!(merged, bare);
        assert_eq!(reference::merge(&parts), Some(merged));
    }
}
