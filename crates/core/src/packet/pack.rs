//! Writes packets: the shortest form of some frames, or code 3 with padding (RFC 6716 §3.2).

use super::toc::Toc;

/// Padding that is to be written: so many length bytes of 255, one more length byte, and the bytes
/// themselves.
pub(super) struct Padding {
    more: usize,
    content: Vec<u8>,
}

impl Padding {
    /// With the fewest length bytes; none for no content.
    pub(super) fn around(content: Vec<u8>) -> Option<Self> {
        let last = content.len().checked_sub(1)?;
        Some(Self {
            more: last / 254,
            content,
        })
    }

    /// So that lengths and content take `total` bytes; none for 0. `old` stays at the content's end.
    pub(super) fn filling(total: usize, old: &[u8]) -> Option<Self> {
        let rest = total.checked_sub(1)?;
        let more = rest / 255;
        let room = rest - more;
        // §3.2.5: an encoder writes zeros. Where something is there already, it has to be skipped
        // to: as an extension a 1 is one byte of padding, while a 0 would hide all that follows.
        let fill = if old.iter().all(|&byte| byte == 0) {
            0
        } else {
            1
        };
        let mut content = vec![fill; room.saturating_sub(old.len())];
        content.extend_from_slice(old);
        Some(Self { more, content })
    }
}

/// The shortest packet of these frames, 1 to 48.
pub(super) fn shortest(toc: Toc, frames: &[&[u8]]) -> Vec<u8> {
    let mut packet = match frames {
        [_] => vec![toc.with_code(0)],
        [first, second] if first.len() == second.len() => vec![toc.with_code(1)],
        [first, _] => {
            let mut packet = vec![toc.with_code(2)];
            write_length(&mut packet, first.len());
            packet
        }
        _ => return counted(toc, frames, None),
    };
    packet.extend(frames.iter().copied().flatten());
    packet
}

/// A code 3 packet of these frames, 1 to 48 (RFC 6716 §3.2.5).
pub(super) fn counted(toc: Toc, frames: &[&[u8]], padding: Option<Padding>) -> Vec<u8> {
    let variable = frames.iter().any(|frame| frame.len() != frames[0].len());
    let flags = u8::from(variable) << 7 | u8::from(padding.is_some()) << 6;
    let mut packet = vec![toc.with_code(3), flags | frames.len() as u8];
    if let Some(padding) = &padding {
        packet.resize(packet.len() + padding.more, 255);
        packet.push((padding.content.len() - padding.more * 254) as u8);
    }
    if variable {
        for frame in &frames[..frames.len() - 1] {
            write_length(&mut packet, frame.len());
        }
    }
    packet.extend(frames.iter().copied().flatten());
    packet.extend(padding.into_iter().flat_map(|padding| padding.content));
    packet
}

/// Writes a frame's length, 0 to 1275 (RFC 6716 §3.2.1).
pub(super) fn write_length(packet: &mut Vec<u8>, length: usize) {
    if length < 252 {
        packet.push(length as u8);
    } else {
        let first = 252 + (length & 3);
        packet.extend([first as u8, ((length - first) / 4) as u8]);
    }
}
