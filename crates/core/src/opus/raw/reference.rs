//! libopus's own packet functions, to compare ours with: for tests and fuzz targets only.
//!
//! Two of them libopus keeps to itself, so they are declared here; their signatures are those of
//! `opus_private.h` in libopus 1.6.

use std::ffi::c_int;
use std::ops::Range;
use std::ptr;

use opusic_sys as sys;

use super::{has_lbrr, length};

#[repr(C)]
#[derive(Clone, Copy)]
struct ExtensionData {
    id: c_int,
    frame: c_int,
    data: *const u8,
    len: i32,
}

unsafe extern "C" {
    fn opus_packet_parse_impl(
        data: *const u8,
        len: i32,
        self_delimited: c_int,
        out_toc: *mut u8,
        frames: *mut *const u8,
        size: *mut i16,
        payload_offset: *mut c_int,
        packet_offset: *mut i32,
        padding: *mut *const u8,
        padding_len: *mut i32,
    ) -> c_int;

    fn opus_packet_extensions_parse(
        data: *const u8,
        len: i32,
        extensions: *mut ExtensionData,
        nb_extensions: *mut i32,
        nb_frames: c_int,
    ) -> i32;
}

/// ID, frame and content of an extension.
pub type Extension = (u8, usize, Range<usize>);

/// A range of `bytes` by its address, if it lies in them.
fn range(bytes: &[u8], start: *const u8, len: usize) -> Range<usize> {
    let at = (start as usize).wrapping_sub(bytes.as_ptr() as usize);
    assert!(
        at <= bytes.len() && len <= bytes.len() - at,
        "outside the packet"
    );
    at..at + len
}

/// Where libopus finds the frames and the padding of a packet; none where it refuses it.
#[must_use]
pub fn parse(bytes: &[u8], self_delimited: bool) -> Option<(Vec<Range<usize>>, Range<usize>)> {
    let (mut frames, mut sizes) = ([ptr::null(); 48], [0_i16; 48]);
    let (mut padding, mut padding_len, mut end) = (ptr::null(), 0, 0);
    // SAFETY: pointer and length describe one live slice; the arrays have room for 48 frames, and
    // the other pointers are to live locals or null where that is allowed.
    let count = unsafe {
        opus_packet_parse_impl(
            bytes.as_ptr(),
            length(bytes.len()),
            self_delimited.into(),
            ptr::null_mut(),
            frames.as_mut_ptr(),
            sizes.as_mut_ptr(),
            ptr::null_mut(),
            &raw mut end,
            &raw mut padding,
            &raw mut padding_len,
        )
    };
    let count = usize::try_from(count).ok()?;
    let size = |size: i16| usize::try_from(size).expect("a length");
    let frames = frames[..count].iter().zip(&sizes[..count]);
    let frames = frames.map(|(&at, &bytes_)| range(bytes, at, size(bytes_)));
    let padding = range(bytes, padding, usize::try_from(padding_len).ok()?);
    assert_eq!(padding.end, usize::try_from(end).ok()?);
    Some((frames.collect(), padding))
}

/// ID, frame and content of the extensions that libopus finds in the padding of a packet of so many
/// frames, up to a fault; and whether it was sound. None where there are more than `most`.
#[must_use]
pub fn extensions(padding: &[u8], frames: usize, most: usize) -> Option<(Vec<Extension>, bool)> {
    assert!((1..=48).contains(&frames));
    let empty = ExtensionData {
        id: 0,
        frame: 0,
        data: ptr::null(),
        len: 0,
    };
    let mut found = vec![empty; most];
    let mut count = length(most);
    // SAFETY: pointer and length describe one live slice; `found` has room for `count`.
    let code = unsafe {
        opus_packet_extensions_parse(
            padding.as_ptr(),
            length(padding.len()),
            found.as_mut_ptr(),
            &raw mut count,
            length(frames),
        )
    };
    if code == sys::OPUS_BUFFER_TOO_SMALL {
        return None;
    }
    let whole = |n: c_int| usize::try_from(n).expect("no negative numbers");
    let one = |e: &ExtensionData| {
        let payload = range(padding, e.data, whole(e.len));
        (e.id as u8, whole(e.frame), payload)
    };
    Some((found[..whole(count)].iter().map(one).collect(), code >= 0))
}

/// What libopus's repacketizer makes of packets; none where it refuses them.
#[must_use]
pub fn merge<T: AsRef<[u8]>>(packets: &[T]) -> Option<Vec<u8>> {
    let total: usize = packets.iter().map(|p| p.as_ref().len() + 4).sum();
    let mut out = vec![0; total + 4];
    // SAFETY: the object is made, used and destroyed here; the packets outlive it, and `out` is as
    // long as is said.
    let bytes = unsafe {
        let joiner = sys::opus_repacketizer_create();
        assert!(!joiner.is_null(), "no memory");
        let sound = packets.iter().map(AsRef::as_ref).all(|packet| {
            sys::opus_repacketizer_cat(joiner, packet.as_ptr(), length(packet.len())) == 0
        });
        let bytes = if sound {
            sys::opus_repacketizer_out(joiner, out.as_mut_ptr(), length(out.len()))
        } else {
            -1
        };
        sys::opus_repacketizer_destroy(joiner);
        bytes
    };
    out.truncate(usize::try_from(bytes).ok()?);
    Some(out)
}

/// What libopus makes of a packet without its padding.
#[must_use]
pub fn unpad(packet: &[u8]) -> Option<Vec<u8>> {
    let mut out = packet.to_vec();
    // SAFETY: libopus works within the slice, whose length it is told.
    let bytes = unsafe { sys::opus_packet_unpad(out.as_mut_ptr(), length(out.len())) };
    out.truncate(usize::try_from(bytes).ok()?);
    Some(out)
}

/// Whether libopus finds in-band FEC.
#[must_use]
pub fn carries_fec(packet: &[u8]) -> bool {
    has_lbrr(packet)
}
