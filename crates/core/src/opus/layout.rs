//! How channels lie in streams (RFC 7845 §5.1.1).

use super::Error;

/// Which streams a packet has, and which of their channels each output channel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The mapping family: 0 mono or stereo, 1 surround in Vorbis order, 255 without meaning.
    pub family: u8,
    /// Opus streams in each packet.
    pub streams: u8,
    /// How many of them, the first ones, are stereo.
    pub coupled: u8,
    /// For each output channel the decoded channel that it is, or 255 for silence.
    pub mapping: Vec<u8>,
}

impl Layout {
    /// One stream of one or two channels, mapping family 0.
    ///
    /// # Errors
    /// [`Error::Argument`] when there are more or none.
    pub fn single(channels: u8) -> Result<Self, Error> {
        if !(1..=2).contains(&channels) {
            return Err(Error::argument(format!(
                "channels is {channels}; one Opus stream has 1 or 2"
            )));
        }
        Ok(Self {
            family: 0,
            streams: 1,
            coupled: channels - 1,
            mapping: (0..channels).collect(),
        })
    }

    /// Output channels, interleaved.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.mapping.len()
    }

    /// Whether it is one stream whose channels come out as they are, whatever the family says.
    #[must_use]
    pub fn is_single(&self) -> bool {
        let channels = usize::from(self.streams) + usize::from(self.coupled);
        self.streams == 1 && channels <= 2 && self.mapping.iter().copied().eq(0..channels as u8)
    }

    /// # Errors
    /// [`Error::Argument`] when no decoder can be of this layout.
    pub fn check(&self) -> Result<(), Error> {
        let (channels, streams, coupled) = (self.channels(), self.streams, self.coupled);
        let decoded = u16::from(streams) + u16::from(coupled);
        if !(1..=255).contains(&channels) {
            return Err(Error::argument(format!(
                "the mapping is of {channels} channels; expected 1 to 255"
            )));
        }
        if streams == 0 || coupled > streams || decoded > 255 {
            return Err(Error::argument(format!(
                "there are {streams} streams, {coupled} of them coupled; expected at least 1, no \
                 more coupled than there are, and no more than 255 channels in them"
            )));
        }
        let unknown = |to: &&u8| u16::from(**to) >= decoded && **to != 255;
        match self.mapping.iter().find(unknown) {
            Some(to) => Err(Error::argument(format!(
                "the mapping names channel {to}; the streams have {decoded}, and 255 is silence"
            ))),
            None => Ok(()),
        }
    }
}
