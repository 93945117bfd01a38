//! Frames from packet to packet: split, merge, pad, unpad. No frame is changed.

use std::fmt;

use super::extensions::{self, ExtensionError, Part};
use super::pack::{Padding, counted, shortest};
use super::parse::{PacketError, PacketInfo, parse};
use super::toc::Toc;
use super::{MAX_DURATION_SAMPLES, MAX_PACKET_BYTES};

/// Why packets cannot be made of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// One of them is no packet: its place among those given, from 0.
    Packet(usize, PacketError),
    /// The extensions of one cannot be read, and would be lost.
    Extension(usize, ExtensionError),
    /// There are none to merge.
    Nothing,
    /// A packet's frames are of another kind than the first one's: its place.
    Kind(usize, Toc, Toc),
    /// Together they hold more than 120 ms: samples at 48 kHz.
    Long(u32),
    /// The packet would be longer than [`MAX_PACKET_BYTES`]: its length.
    Large(usize),
    /// The packet is longer than it is to become: from, to.
    Shrink(usize, usize),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(0, error) => error.fmt(f),
            Self::Packet(i, error) => write!(f, "packet {i}: {error}"),
            Self::Extension(i, error) => {
                write!(f, "packet {i}: {error}: unpad it first to drop them")
            }
            Self::Nothing => f.write_str("no packets are given; expected at least one"),
            Self::Kind(i, first, other) => write!(
                f,
                "packet {i} is {other} and packet 0 is {first}; packets of one kind can be merged"
            ),
            Self::Long(samples) => write!(
                f,
                "the packets hold {samples} samples; one packet holds up to \
                 {MAX_DURATION_SAMPLES} (120 ms): merge fewer"
            ),
            Self::Large(bytes) => write!(
                f,
                "the packet would have {bytes} bytes; expected {MAX_PACKET_BYTES} or fewer"
            ),
            Self::Shrink(from, to) => write!(
                f,
                "the packet has {from} bytes and cannot be padded to {to}: unpad makes it shorter"
            ),
        }
    }
}

impl std::error::Error for EditError {}

/// Part a packet into packets of one frame each, in order; each frame keeps its extensions.
///
/// # Errors
/// It is no packet, or its extensions cannot be read.
pub fn split(packet: &[u8]) -> Result<Vec<Vec<u8>>, EditError> {
    let source = Source::read(0, packet)?;
    let frames = source.frames().enumerate();
    let one = |(i, frame): (usize, &[u8])| {
        let parts = source.parts().filter(|part| part.1 == i);
        let parts = parts.map(|(id, _, payload)| (id, 0, payload)).collect();
        build(source.info.toc, &[frame], parts)
    };
    frames.map(one).collect()
}

/// Join the frames of packets into one packet, the shortest that holds them and their extensions.
///
/// # Errors
/// There are none, one is no packet or of another mode, bandwidth, frame duration or channel count
/// than the first, its extensions cannot be read, or together they are too much for one packet.
pub fn merge<T: AsRef<[u8]>>(packets: &[T]) -> Result<Vec<u8>, EditError> {
    let (mut sources, mut samples) = (Vec::<Source<'_>>::new(), 0);
    for (i, packet) in packets.iter().enumerate() {
        let source = Source::read(i, packet.as_ref())?;
        let toc = sources.first().map_or(source.info.toc, |s| s.info.toc);
        // RFC 6716 §3.2: one TOC speaks for all frames of a packet; only the code may differ.
        if toc.with_code(0) != source.info.toc.with_code(0) {
            return Err(EditError::Kind(i, toc, source.info.toc));
        }
        samples += source.info.duration_samples();
        // §3.2.5, rule R5; also the bound on what is kept here.
        if samples > MAX_DURATION_SAMPLES {
            return Err(EditError::Long(samples));
        }
        sources.push(source);
    }
    let toc = sources.first().ok_or(EditError::Nothing)?.info.toc;
    let (mut frames, mut parts) = (Vec::new(), Vec::new());
    for source in &sources {
        let before = frames.len();
        parts.extend(
            source
                .parts()
                .map(|(id, frame, payload)| (id, before + frame, payload)),
        );
        frames.extend(source.frames());
    }
    build(toc, &frames, parts)
}

/// Lengthen a packet to `bytes`; extensions stay.
///
/// # Errors
/// It is no packet, is longer already, or `bytes` is more than a packet may have.
pub fn pad(packet: &[u8], bytes: usize) -> Result<Vec<u8>, EditError> {
    let info = parse(packet).map_err(|error| EditError::Packet(0, error))?;
    if bytes > MAX_PACKET_BYTES {
        return Err(EditError::Large(bytes));
    }
    if bytes < packet.len() {
        return Err(EditError::Shrink(packet.len(), bytes));
    }
    if bytes == packet.len() {
        return Ok(packet.to_vec());
    }
    let frames = frames_of(packet, &info);
    let bare = counted(info.toc, &frames, None).len();
    // Any packet has a code 3 form that is at most one byte longer, so there is room.
    let padding = Padding::filling(bytes - bare, &packet[info.padding.clone()]);
    Ok(counted(info.toc, &frames, padding))
}

/// The shortest packet of the same frames: padding is dropped, and extensions such as DRED with it.
///
/// # Errors
/// It is no packet.
pub fn unpad(packet: &[u8]) -> Result<Vec<u8>, EditError> {
    let info = parse(packet).map_err(|error| EditError::Packet(0, error))?;
    Ok(shortest(info.toc, &frames_of(packet, &info)))
}

fn frames_of<'a>(packet: &'a [u8], info: &PacketInfo) -> Vec<&'a [u8]> {
    info.frames.iter().map(|at| &packet[at.clone()]).collect()
}

/// A packet from which frames and extensions are taken.
struct Source<'a> {
    packet: &'a [u8],
    info: PacketInfo,
    extensions: Vec<extensions::Extension>,
}

impl<'a> Source<'a> {
    fn read(place: usize, packet: &'a [u8]) -> Result<Self, EditError> {
        let info = parse(packet).map_err(|error| EditError::Packet(place, error))?;
        let (extensions, fault) = extensions::list(packet, &info);
        if let Some(fault) = fault {
            return Err(EditError::Extension(place, fault));
        }
        Ok(Self {
            packet,
            info,
            extensions,
        })
    }

    fn frames(&self) -> impl Iterator<Item = &'a [u8]> {
        self.info.frames.iter().map(|at| &self.packet[at.clone()])
    }

    fn parts(&self) -> impl Iterator<Item = Part<'a>> {
        let part = |e: &extensions::Extension| (e.id, e.frame, &self.packet[e.payload.clone()]);
        self.extensions.iter().map(part)
    }
}

fn build(toc: Toc, frames: &[&[u8]], parts: Vec<Part<'_>>) -> Result<Vec<u8>, EditError> {
    let packet = match Padding::around(extensions::write(parts)) {
        None => shortest(toc, frames),
        padding => counted(toc, frames, padding),
    };
    if packet.len() > MAX_PACKET_BYTES {
        return Err(EditError::Large(packet.len()));
    }
    Ok(packet)
}
