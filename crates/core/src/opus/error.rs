//! What can go wrong in the codec.

use std::fmt;

/// Why a codec call was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// An argument is out of range; the text says what was got and what is expected.
    Argument(String),
    /// The bytes are not an Opus packet (RFC 6716 §3.4).
    Packet(String),
    /// libopus itself refused; its own words.
    Codec(String),
}

impl Error {
    pub(crate) fn argument(text: impl Into<String>) -> Self {
        Self::Argument(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(text) | Self::Packet(text) | Self::Codec(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}
