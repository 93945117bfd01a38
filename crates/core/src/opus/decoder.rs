//! A decoder of one Opus stream or of several, with plain concealment and in-band FEC.

use std::borrow::Cow;

use super::raw::{self, Query, RawDecoder, Sample};
use super::settings::{self, Value, bandwidth_word};
use super::{Error, Layout, MAX_PACKET_MS, check_rate};
use crate::MEDIA_RATE;
use crate::packet::{self, Mode, Toc};

/// Decodes packets to PCM and fills in for those that are missing.
///
/// `complexity` is spent on what is missing and on enhancement: from 5 on concealment is neural
/// (and DRED works), from 6 on speech is enhanced (LACE, NoLACE) and output no longer becomes
/// independent of where decoding began. A clone continues on its own from where this one is.
#[derive(Clone)]
pub struct Decoder {
    pub(super) raw: RawDecoder,
    pub(super) rate: u32,
    /// Of each stream: its last packet was CELT, on which libopus builds no FEC: it conceals and
    /// says nothing.
    after_celt: Vec<bool>,
    /// The last packet of a single stream was SILK in wideband, where concealment is neural.
    pub(super) after_wide_silk: bool,
}

impl Decoder {
    /// Of one stream with one or two channels.
    ///
    /// # Errors
    /// [`Error::Argument`] when rate, channels or complexity (0 to 10) are out of range.
    pub fn new(rate: u32, channels: u8, complexity: u8) -> Result<Self, Error> {
        let mut decoder = Self::of(rate, &Layout::single(channels)?)?;
        decoder.set("complexity", i32::from(complexity))?;
        Ok(decoder)
    }

    /// Of any layout, with complexity 0.
    ///
    /// # Errors
    /// [`Error::Argument`] when the rate is none of libopus's or the layout contradicts itself.
    pub fn of(rate: u32, layout: &Layout) -> Result<Self, Error> {
        check_rate(rate)?;
        layout.check()?;
        Ok(Self {
            raw: RawDecoder::new(rate, layout)?,
            rate,
            after_celt: vec![false; usize::from(layout.streams)],
            after_wide_silk: false,
        })
    }

    /// All that it remembers of what it decoded, as 16-byte words without meaning of their own:
    /// only good to be compared with those of another decoder of the same rate and layout.
    #[must_use]
    pub fn words(&self) -> &[u128] {
        self.raw.words()
    }

    /// CELT's memory of how loud each band was, from which the next packets are decoded, bit for
    /// bit; of a decoder of one stream.
    #[must_use]
    pub fn band_energies(&self) -> Vec<u32> {
        self.raw.band_energies()
    }

    /// Output rate in Hz.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Output channels, interleaved.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.raw.channels()
    }

    /// Whether packets hold one stream, which alone can have DRED.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.raw.is_single()
    }

    /// Changes `complexity` (0 to 10), `gain_q8` (1/256 dB), `phase_inversion` (0, 1) or
    /// `bandwidth_extension` (0, 1) from the next packet on.
    ///
    /// # Errors
    /// [`Error::Argument`] when there is none of that name or the value is out of its range.
    pub fn set<'a>(&mut self, name: &str, value: impl Into<Value<'a>>) -> Result<(), Error> {
        let (control, value) = settings::for_decoder(name, value.into())?;
        self.raw.set(control, value)
    }

    /// Applies a gain in 1/256 dB (RFC 7845 §5.1, output gain).
    ///
    /// # Errors
    /// [`Error::Codec`] should libopus refuse.
    pub fn set_gain_q8(&mut self, gain: i16) -> Result<(), Error> {
        self.set("gain_q8", i32::from(gain))
    }

    /// The range coder's state after the last packet: that of the encoder that made it.
    ///
    /// # Errors
    /// [`Error::Codec`] should libopus refuse.
    pub fn final_range(&mut self) -> Result<u32, Error> {
        self.raw.get(Query::FINAL_RANGE).map(i32::cast_unsigned)
    }

    /// Samples per channel of the last packet, or of what was concealed for it; 0 before any.
    ///
    /// # Errors
    /// [`Error::Codec`] should libopus refuse.
    pub fn last_packet_samples(&mut self) -> Result<usize, Error> {
        let samples = self.raw.get(Query::LAST_PACKET_DURATION)?;
        Ok(usize::try_from(samples).unwrap_or(0))
    }

    /// The bandwidth of the last packet, of the first stream; none before any.
    ///
    /// # Errors
    /// [`Error::Codec`] should libopus refuse.
    pub fn bandwidth(&mut self) -> Result<Option<&'static str>, Error> {
        self.raw.get(Query::BANDWIDTH).map(bandwidth_word)
    }

    /// Forgets all that was decoded.
    ///
    /// # Errors
    /// [`Error::Codec`] should libopus refuse.
    pub fn reset(&mut self) -> Result<(), Error> {
        self.after_celt.fill(false);
        self.after_wide_silk = false;
        self.raw.reset()
    }

    /// Samples per channel that `packet` decodes to at this decoder's rate, from its first two bytes.
    ///
    /// # Errors
    /// [`Error::Packet`] when they begin no Opus packet; an empty one is none, and is not silence.
    pub fn packet_samples(&self, packet: &[u8]) -> Result<usize, Error> {
        if packet.is_empty() {
            return Err(Error::Packet(
                "the packet is empty; a missing packet is concealed, not decoded".into(),
            ));
        }
        // Not libopus's own count: it takes a packet of no frames for one of no samples.
        let samples = packet::duration_samples(packet).map_err(not_a_packet)?;
        Ok((samples / (MEDIA_RATE / self.rate)) as usize)
    }

    /// Decodes a packet, appending to `out`; returns the samples per channel.
    ///
    /// # Errors
    /// [`Error::Packet`] when it is no Opus packet; nothing is appended then.
    pub fn decode<T: Sample>(&mut self, packet: &[u8], out: &mut Vec<T>) -> Result<usize, Error> {
        let samples = self.packet_samples(packet)?;
        let decoded = self.append(samples, out, |raw, room| {
            // libopus does not say which rule was broken. The packets of several streams begin with
            // self-delimited ones, which this parser is not for.
            let single = raw.is_single();
            raw.decode(Some(packet), room, false).map_err(|error| {
                if single {
                    packet::parse(packet).map_or_else(not_a_packet, |_| error)
                } else {
                    error
                }
            })
        })?;
        self.after_wide_silk = packet.first().is_some_and(|toc| Toc(*toc).is_wide_silk());
        let mut rest = packet;
        for celt in &mut self.after_celt {
            let Some(&toc) = rest.first() else { break };
            *celt = Toc(toc).mode() == Mode::Celt;
            if !self.raw.is_single() {
                // RFC 7845 §3: all but the last are self-delimited.
                rest = packet::parse_delimited(rest).map_or(&[], |info| &rest[info.padding.end..]);
            }
        }
        Ok(decoded)
    }

    /// Samples per channel that `packet` decodes to, after a look at all of it.
    ///
    /// # Errors
    /// [`Error::Packet`] when it is no Opus packet, or one of several streams of unequal length.
    pub fn check_packet(&self, packet: &[u8]) -> Result<usize, Error> {
        let samples = self.packet_samples(packet)?;
        if self.raw.is_single() {
            packet::parse(packet).map_err(not_a_packet)?;
            return Ok(samples);
        }
        let packets = packet::split_streams(packet, self.after_celt.len()).map_err(not_a_packet)?;
        for (stream, packet) in packets.iter().enumerate() {
            let its = self.packet_samples(packet)?;
            if its != samples {
                return Err(Error::Packet(format!(
                    "not an Opus packet of {} streams: stream {stream} has {its} samples, stream 0 \
                     {samples}",
                    packets.len()
                )));
            }
        }
        Ok(samples)
    }

    /// Decodes packets one after the other, appending to `out`; returns the samples per channel.
    ///
    /// # Errors
    /// [`Error::Packet`] with the place of the first that is no Opus packet; none is decoded then.
    pub fn decode_many<T: Sample>(
        &mut self,
        packets: &[impl AsRef<[u8]>],
        out: &mut Vec<T>,
    ) -> Result<usize, Error> {
        let at = |place: usize| {
            move |error| match error {
                Error::Packet(text) => Error::Packet(format!("packet {place}: {text}")),
                other => other,
            }
        };
        let mut samples = 0;
        for (place, packet) in packets.iter().enumerate() {
            samples += self.check_packet(packet.as_ref()).map_err(at(place))?;
        }
        out.reserve(samples * self.channels());
        for (place, packet) in packets.iter().enumerate() {
            self.decode(packet.as_ref(), out).map_err(at(place))?;
        }
        Ok(samples)
    }

    /// Samples per channel that `next`'s in-band FEC can rebuild: its first frame's length before
    /// it, or 0 when it carries none, or when what was decoded last was CELT: libopus takes up FEC
    /// only after SILK. Of several streams one that has it is enough: libopus conceals the others.
    #[must_use]
    pub fn fec_samples(&self, next: &[u8]) -> usize {
        self.fec(next).map_or(0, |(samples, _)| samples)
    }

    /// What FEC can rebuild, and the packet to ask for just that.
    fn fec<'a>(&self, next: &'a [u8]) -> Option<(usize, Cow<'a, [u8]>)> {
        let usable = |packet: &[u8], after_celt: bool| {
            (!after_celt && raw::has_lbrr(packet))
                .then(|| raw::samples_per_frame(packet, self.rate))
        };
        if self.raw.is_single() {
            return Some((usable(next, self.after_celt[0])?, next.into()));
        }
        let packets = packet::split_streams(next, self.after_celt.len()).ok()?;
        let each = packets.iter().zip(&self.after_celt);
        let samples = each
            .filter_map(|(packet, celt)| usable(packet, *celt))
            .max()?;
        if samples == self.packet_samples(next).ok()? {
            return Some((samples, next.into()));
        }
        // Of several streams libopus rebuilds no less than a whole packet: one of fewer frames.
        let first = |packet: &Vec<u8>| {
            let frame = raw::samples_per_frame(packet, self.rate);
            let frames = packet::split(packet).ok()?;
            let first = frames.get(..samples / frame)?;
            packet::merge(first)
                .ok()
                .filter(|_| first.len() * frame == samples)
        };
        let packets: Option<Vec<Vec<u8>>> = packets.iter().map(first).collect();
        Some((samples, packet::join_streams(&packets?).ok()?.into()))
    }

    /// Rebuilds the frame just before `next` from the FEC that `next` carries; `next` itself is to
    /// be decoded after it. Appends [`Self::fec_samples`] samples.
    ///
    /// # Errors
    /// [`Error::Argument`] when [`Self::fec_samples`] is 0: libopus would silently conceal instead.
    pub fn decode_fec<T: Sample>(&mut self, next: &[u8], out: &mut Vec<T>) -> Result<usize, Error> {
        let (samples, packet) = self.fec(next).ok_or_else(|| {
            Error::argument("the packet carries no in-band FEC that can be used: conceal instead")
        })?;
        self.append(samples, out, |raw, room| {
            raw.decode(Some(&packet), room, true)
        })
    }

    /// Conceals `samples` per channel from what was decoded before.
    ///
    /// # Errors
    /// [`Error::Argument`] when `samples` is not a multiple of 2.5 ms from 2.5 to 120 ms.
    pub fn conceal<T: Sample>(&mut self, samples: usize, out: &mut Vec<T>) -> Result<usize, Error> {
        self.check_missing(samples)?;
        self.append(samples, out, |raw, room| raw.decode(None, room, false))
    }

    pub(super) fn check_missing(&self, samples: usize) -> Result<(), Error> {
        let unit = (self.rate / 400) as usize;
        let longest = (self.rate / 1000 * MAX_PACKET_MS) as usize;
        if samples == 0 || !samples.is_multiple_of(unit) || samples > longest {
            return Err(Error::argument(format!(
                "{samples} samples are to be concealed; expected a multiple of {unit} (2.5 ms) up \
                 to {longest} (120 ms)"
            )));
        }
        Ok(())
    }

    /// Lets `fill` write `samples` per channel behind what `out` holds, and keeps what it wrote.
    pub(super) fn append<T: Sample>(
        &mut self,
        samples: usize,
        out: &mut Vec<T>,
        fill: impl FnOnce(&mut RawDecoder, &mut [T]) -> Result<usize, Error>,
    ) -> Result<usize, Error> {
        let channels = self.channels();
        let before = out.len();
        out.resize(before + samples * channels, T::default());
        let written = fill(&mut self.raw, &mut out[before..]);
        out.truncate(before + written.as_ref().map_or(0, |n| n * channels));
        written
    }
}

fn not_a_packet(error: packet::PacketError) -> Error {
    Error::Packet(error.to_string())
}
