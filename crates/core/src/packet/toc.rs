//! The first byte of a packet: mode, bandwidth, frame duration, channels, code (RFC 6716 §3.1).

use std::fmt;

/// The coding mode that a TOC names (RFC 6716 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Linear prediction, for speech.
    Silk,
    /// Both at once, for speech at wide bandwidths.
    Hybrid,
    /// Transform coding, for music and low delay.
    Celt,
}

impl Mode {
    /// As users read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silk => "silk",
            Self::Hybrid => "hybrid",
            Self::Celt => "celt",
        }
    }
}

/// The audio bandwidth that a TOC names (RFC 6716 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bandwidth {
    /// 4 kHz.
    Narrow,
    /// 6 kHz.
    Medium,
    /// 8 kHz.
    Wide,
    /// 12 kHz.
    SuperWide,
    /// 20 kHz.
    Full,
}

impl Bandwidth {
    /// As users read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Narrow => "narrowband",
            Self::Medium => "mediumband",
            Self::Wide => "wideband",
            Self::SuperWide => "superwideband",
            Self::Full => "fullband",
        }
    }
}

/// The first byte of a packet (RFC 6716 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Toc(pub u8);

impl Toc {
    /// The five bits that stand for mode, bandwidth and frame duration.
    pub const fn config(self) -> u8 {
        self.0 >> 3
    }

    /// How the frames are packed: 0 to 3.
    pub const fn code(self) -> u8 {
        self.0 & 3
    }

    /// Whether the frames are stereo.
    pub const fn stereo(self) -> bool {
        self.0 & 4 != 0
    }

    /// The coding mode.
    pub const fn mode(self) -> Mode {
        match self.config() {
            0..=11 => Mode::Silk,
            12..=15 => Mode::Hybrid,
            _ => Mode::Celt,
        }
    }

    /// The audio bandwidth.
    pub const fn bandwidth(self) -> Bandwidth {
        match self.config() {
            0..=3 | 16..=19 => Bandwidth::Narrow,
            4..=7 => Bandwidth::Medium,
            8..=11 | 20..=23 => Bandwidth::Wide,
            12..=13 | 24..=27 => Bandwidth::SuperWide,
            _ => Bandwidth::Full,
        }
    }

    /// Whether SILK works at 16 kHz in such packets: alone or under CELT.
    pub const fn is_wide_silk(self) -> bool {
        match self.mode() {
            Mode::Silk => matches!(self.bandwidth(), Bandwidth::Wide),
            Mode::Hybrid => true,
            Mode::Celt => false,
        }
    }

    /// What one frame decodes to, in 48 kHz samples: 120 to 2880.
    pub const fn frame_samples(self) -> u32 {
        let config = self.config();
        match self.mode() {
            Mode::Silk => [480, 960, 1920, 2880][(config & 3) as usize],
            Mode::Hybrid => [480, 960][(config & 1) as usize],
            Mode::Celt => 120 << (config & 3),
        }
    }

    /// The same byte with another code, 0 to 3.
    pub(super) const fn with_code(self, code: u8) -> u8 {
        self.0 & !3 | code
    }
}

impl fmt::Display for Toc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels = if self.stereo() { "stereo" } else { "mono" };
        let (mode, bandwidth) = (self.mode().name(), self.bandwidth().name());
        let ms = f64::from(self.frame_samples()) / 48.0;
        write!(f, "{mode}, {bandwidth}, {ms} ms, {channels}")
    }
}
