//! The two header packets of an Ogg Opus stream: OpusHead and OpusTags (RFC 7845 §5).

use std::fmt;

/// How an OpusHead begins.
pub const HEAD_MAGIC: &[u8; 8] = b"OpusHead";
/// How OpusTags begins.
pub const TAGS_MAGIC: &[u8; 8] = b"OpusTags";

/// A header packet that is wrong, or of a kind that is not read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderError {
    /// The packet contradicts RFC 7845; what is wrong.
    Malformed(String),
    /// It may be right, but this release does not read it; what it is.
    Unsupported(String),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) | Self::Unsupported(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for HeaderError {}

fn malformed<T>(what: String) -> Result<T, HeaderError> {
    Err(HeaderError::Malformed(what))
}

/// What a decoder has to know before the first packet (RFC 7845 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Output channels: 1 to 255.
    pub channels: u8,
    /// 48 kHz samples to leave out at the beginning.
    pub pre_skip_samples: u16,
    /// The rate in Hz before encoding; for information only.
    pub input_rate: u32,
    /// Gain to apply, in 1/256 dB.
    pub gain_q8: i16,
    /// What the channels mean: 0 (mono, stereo), 1 (surround), 255 (no meaning).
    pub mapping_family: u8,
    /// Opus streams in each packet: at least 1.
    pub streams: u8,
    /// How many of them, the first ones, are stereo.
    pub coupled: u8,
    /// For each output channel the decoded channel that it is, or 255 for silence.
    pub mapping: Vec<u8>,
}

impl Head {
    /// Mono or stereo, mapping family 0.
    ///
    /// # Errors
    /// `channels` is neither 1 nor 2.
    pub fn simple(
        channels: u8,
        pre_skip_samples: u16,
        input_rate: u32,
        gain_q8: i16,
    ) -> Result<Self, HeaderError> {
        let head = Self {
            channels,
            pre_skip_samples,
            input_rate,
            gain_q8,
            mapping_family: 0,
            streams: 1,
            coupled: channels.saturating_sub(1),
            mapping: (0..channels).collect(),
        };
        head.check()?;
        Ok(head)
    }

    /// Read an OpusHead packet.
    ///
    /// # Errors
    /// Malformed: too short, or its numbers contradict each other. Unsupported: a version above 15
    /// or a mapping family other than 0, 1 and 255.
    pub fn parse(packet: &[u8]) -> Result<Self, HeaderError> {
        let bytes = packet.len();
        if !packet.starts_with(HEAD_MAGIC) || bytes < 19 {
            return malformed(format!("OpusHead has {bytes} bytes; it needs 19"));
        }
        // §5.1: the upper four bits are the major version, and this is version 0 of it.
        if packet[8] & 0xf0 != 0 {
            let what = format!("OpusHead is version {}; up to 15 is read", packet[8]);
            return Err(HeaderError::Unsupported(what));
        }
        let (channels, family) = (packet[9], packet[18]);
        let mut head = Self {
            channels,
            pre_skip_samples: u16::from_le_bytes([packet[10], packet[11]]),
            input_rate: u32::from_le_bytes([packet[12], packet[13], packet[14], packet[15]]),
            gain_q8: i16::from_le_bytes([packet[16], packet[17]]),
            mapping_family: family,
            streams: 1,
            coupled: channels.saturating_sub(1),
            mapping: (0..channels).collect(),
        };
        if family != 0 {
            let end = 21 + usize::from(channels);
            let Some(table) = packet.get(19..end) else {
                return malformed(format!("OpusHead has {bytes} bytes; its map needs {end}"));
            };
            head.streams = table[0];
            head.coupled = table[1];
            head.mapping = table[2..].to_vec();
        }
        head.check()?;
        Ok(head)
    }

    /// The packet that says this.
    pub fn build(&self) -> Vec<u8> {
        let mut packet = HEAD_MAGIC.to_vec();
        packet.extend_from_slice(&[1, self.channels]);
        packet.extend_from_slice(&self.pre_skip_samples.to_le_bytes());
        packet.extend_from_slice(&self.input_rate.to_le_bytes());
        packet.extend_from_slice(&self.gain_q8.to_le_bytes());
        packet.push(self.mapping_family);
        if self.mapping_family != 0 {
            packet.extend_from_slice(&[self.streams, self.coupled]);
            packet.extend_from_slice(&self.mapping);
        }
        packet
    }

    /// §5.1.1: what each mapping family allows.
    ///
    /// # Errors
    /// As [`Head::parse`].
    pub fn check(&self) -> Result<(), HeaderError> {
        let Self {
            channels,
            mapping_family,
            streams,
            coupled,
            ..
        } = *self;
        let most = match mapping_family {
            0 => 2,
            1 => 8,
            255 => 255,
            other => {
                let what = format!("channel mapping family {other}; 0, 1 and 255 are read");
                return Err(HeaderError::Unsupported(what));
            }
        };
        if channels == 0 || channels > most {
            return malformed(format!(
                "OpusHead has {channels} channels; mapping family {mapping_family} has 1 to {most}"
            ));
        }
        let decoded = u16::from(streams) + u16::from(coupled);
        if streams == 0 || coupled > streams || decoded > 255 {
            return malformed(format!(
                "OpusHead has {streams} streams, {coupled} of them coupled; at least 1, and no \
                 more coupled than there are"
            ));
        }
        if self.mapping.len() != usize::from(channels) {
            let got = self.mapping.len();
            return malformed(format!("OpusHead maps {got} of its {channels} channels"));
        }
        match self
            .mapping
            .iter()
            .find(|&&to| u16::from(to) >= decoded && to != 255)
        {
            Some(to) => malformed(format!("OpusHead maps to channel {to} of {decoded}")),
            None => Ok(()),
        }
    }
}

/// Who encoded the stream, and comments (RFC 7845 §5.2). Text is UTF-8 by the RFC, unchecked here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// The encoder's name.
    pub vendor: Vec<u8>,
    /// Each `NAME=value`.
    pub comments: Vec<Vec<u8>>,
}

impl Tags {
    /// Read an OpusTags packet; what follows the last comment is left out.
    ///
    /// # Errors
    /// Malformed: a length goes beyond the packet.
    pub fn parse(packet: &[u8]) -> Result<Self, HeaderError> {
        let Some(mut rest) = packet.strip_prefix(TAGS_MAGIC.as_slice()) else {
            return malformed("the second packet is not OpusTags".into());
        };
        let vendor = take_text(&mut rest)?;
        let count = take_u32(&mut rest)?;
        // Each comment takes four bytes at least, so a false count cannot make this large.
        if count as usize > rest.len() / 4 {
            let bytes = rest.len();
            return malformed(format!("OpusTags claims {count} comments in {bytes} bytes"));
        }
        let comments = (0..count).map(|_| take_text(&mut rest));
        Ok(Self {
            vendor,
            comments: comments.collect::<Result<_, _>>()?,
        })
    }

    /// The packet that says this.
    pub fn build(&self) -> Vec<u8> {
        let mut packet = TAGS_MAGIC.to_vec();
        let mut text = |bytes: &[u8]| {
            packet.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            packet.extend_from_slice(bytes);
        };
        text(&self.vendor);
        let count = (self.comments.len() as u32).to_le_bytes();
        packet.extend_from_slice(&count);
        for comment in &self.comments {
            packet.extend_from_slice(&(comment.len() as u32).to_le_bytes());
            packet.extend_from_slice(comment);
        }
        packet
    }
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, HeaderError> {
    let Some((word, tail)) = rest.split_first_chunk::<4>() else {
        return malformed("OpusTags ends inside a length".into());
    };
    *rest = tail;
    Ok(u32::from_le_bytes(*word))
}

fn take_text(rest: &mut &[u8]) -> Result<Vec<u8>, HeaderError> {
    let bytes = take_u32(rest)? as usize;
    let left = rest.len();
    let Some((text, tail)) = rest.split_at_checked(bytes) else {
        return malformed(format!(
            "OpusTags has a text of {bytes} bytes where {left} are left"
        ));
    };
    *rest = tail;
    Ok(text.to_vec())
}
