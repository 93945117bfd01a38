//! Invariant of self-delimiting framing: our parser accepts exactly what libopus accepts, and finds
//! the same frames, padding and end, whatever follows. Taking the framing away and putting it back
//! gives the same bytes. Of a packet that is cut nothing is made, and more bytes could mend it.

use opuscule_core::opus::reference;
use opuscule_core::packet::{Rule, delimit, parse, parse_delimited, undelimit};

/// `data` begins with a self-delimited packet.
pub fn check(data: &[u8]) {
    let theirs = reference::parse(data, true);
    let info = match parse_delimited(data) {
        Ok(info) => info,
        Err(error) => {
            assert_eq!(theirs, None, "{error}");
            assert_eq!(undelimit(data), Err(error));
            assert!(error.offset <= data.len());
            return;
        }
    };
    let end = info.padding.end;
    let (packet, used) = undelimit(data).expect("it was parsed");
    assert_eq!(used, end);
    assert_eq!(delimit(&packet).as_deref(), Ok(&data[..end]));
    let inside = parse(&packet).expect("an ordinary packet");
    assert_eq!(inside.toc, info.toc);
    let frames = |bytes: &[u8], ranges: &[std::ops::Range<usize>]| -> Vec<Vec<u8>> {
        ranges.iter().map(|at| bytes[at.clone()].to_vec()).collect()
    };
    assert_eq!(frames(&packet, &inside.frames), frames(data, &info.frames));
    assert_eq!(packet[inside.padding], data[info.padding.clone()]);
    let cut = data[0] as usize * 7 % end;
    let error = parse_delimited(&data[..cut]).expect_err("bytes are missing");
    assert_ne!(error.rule, Rule::R5);
    assert_eq!(Some((info.frames, info.padding)), theirs);
}
