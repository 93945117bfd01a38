//! Invariant of the packet parser: it accepts exactly what libopus accepts, and finds the same
//! frames and padding; frames and padding follow on one another up to the packet's end; the duration
//! of the first two bytes is that of the whole; in-band FEC is seen where libopus sees it. What is
//! refused names a byte of the packet, or the one after its last.

use opuscule_core::opus::reference;
use opuscule_core::packet::{MAX_FRAME_BYTES, carries_fec, duration_samples, parse};

/// `data` is a packet.
pub fn check(data: &[u8]) {
    let theirs = reference::parse(data, false);
    let info = match parse(data) {
        Ok(info) => info,
        Err(error) => {
            assert_eq!(theirs, None, "{error}");
            assert!(error.offset <= data.len());
            return;
        }
    };
    let mut at = info.frames[0].start;
    for frame in info.frames.iter().chain([&info.padding]) {
        assert_eq!(frame.start, at);
        at = frame.end;
    }
    assert_eq!(at, data.len());
    assert!(
        info.frames
            .iter()
            .all(|frame| frame.len() <= MAX_FRAME_BYTES)
    );
    assert_eq!(duration_samples(data), Ok(info.duration_samples()));
    assert!((120..=5760).contains(&info.duration_samples()));
    assert_eq!(carries_fec(data), Ok(reference::carries_fec(data)));
    assert_eq!(Some((info.frames, info.padding)), theirs);
}
