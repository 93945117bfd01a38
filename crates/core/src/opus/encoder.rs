//! One Opus stream's encoder.

use opusic_sys as sys;

use super::raw::{Control, RawEncoder, Sample};
use super::{Error, check_format};

/// Room for any packet that the encoder makes: 120 ms are six frames of at most 1275 bytes, and the
/// header of a code-3 packet (RFC 6716 §3.2.5).
pub const MAX_ENCODED_BYTES: usize = 6 * 1275 + 16;

/// What the encoder optimises for (RFC 6716 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// Speech, intelligible above all.
    Voip,
    /// Anything, faithful above all.
    Audio,
    /// 5 ms look-ahead less, CELT only.
    LowDelay,
}

/// What kind of sound the encoder is told to expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It decides for itself.
    Auto,
    /// Speech.
    Voice,
    /// Music.
    Music,
}

/// An encoder's settings; [`Encoder::new`] checks them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Input rate in Hz: one of [`super::RATES`].
    pub rate: u32,
    /// 1 or 2, interleaved.
    pub channels: u8,
    /// What to optimise for.
    pub application: Application,
    /// Bits a second, 500 to 512 000.
    pub bitrate: u32,
    /// Work spent, 0 to 10.
    pub complexity: u8,
    /// Variable bit rate.
    pub vbr: bool,
    /// In-band FEC: a coarse copy of the frame before, worth its bits from 24 kb/s on.
    pub fec: bool,
    /// Loss to be ready for, 0 to 100 %.
    pub loss_percent: u8,
    /// Near-empty packets in silence.
    pub dtx: bool,
    /// Deep redundancy, 0 (none) to 1040 ms.
    pub dred_ms: u16,
    /// What to expect.
    pub signal: Signal,
}

/// Encodes frames of PCM to packets.
pub struct Encoder {
    raw: RawEncoder,
    config: EncoderConfig,
    lookahead: u32,
}

fn within(name: &str, value: u32, low: u32, high: u32) -> Result<i32, Error> {
    if !(low..=high).contains(&value) {
        return Err(Error::argument(format!(
            "{name} is {value}; expected {low} to {high}"
        )));
    }
    Ok(value.cast_signed())
}

impl Encoder {
    /// # Errors
    /// [`Error::Argument`] when a setting is out of its range.
    pub fn new(config: EncoderConfig) -> Result<Self, Error> {
        check_format(config.rate, config.channels)?;
        let application = match config.application {
            Application::Voip => sys::OPUS_APPLICATION_VOIP,
            Application::Audio => sys::OPUS_APPLICATION_AUDIO,
            Application::LowDelay => sys::OPUS_APPLICATION_RESTRICTED_LOWDELAY,
        };
        let signal = match config.signal {
            Signal::Auto => sys::OPUS_AUTO,
            Signal::Voice => sys::OPUS_SIGNAL_VOICE,
            Signal::Music => sys::OPUS_SIGNAL_MUSIC,
        };
        let bitrate = within("bitrate", config.bitrate, 500, 512_000)?;
        let complexity = within("complexity", config.complexity.into(), 0, 10)?;
        let loss = within("loss_percent", config.loss_percent.into(), 0, 100)?;
        let dred = within("dred_ms", config.dred_ms.into(), 0, 1040)?;
        let mut raw = RawEncoder::new(config.rate, config.channels, application)?;
        raw.set(Control::BITRATE, bitrate)?;
        raw.set(Control::COMPLEXITY, complexity)?;
        raw.set(Control::VBR, config.vbr.into())?;
        raw.set(Control::FEC, config.fec.into())?;
        raw.set(Control::LOSS_PERCENT, loss)?;
        raw.set(Control::DTX, config.dtx.into())?;
        raw.set(Control::SIGNAL, signal)?;
        // libopus counts it in units of 10 ms.
        raw.set(Control::DRED_DURATION, dred / 10)?;
        let lookahead = raw.lookahead()?;
        Ok(Self {
            raw,
            config,
            lookahead,
        })
    }

    /// The settings that it runs with.
    #[must_use]
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Samples at the encoder's own rate by which the decoded audio lags the input.
    #[must_use]
    pub fn lookahead_samples(&self) -> u32 {
        self.lookahead
    }

    /// Encodes one frame: 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms of interleaved samples.
    /// Returns the packet's length in `out`, which needs [`MAX_ENCODED_BYTES`].
    ///
    /// # Errors
    /// [`Error::Argument`] when `pcm` is not exactly one frame.
    pub fn encode<T: Sample>(&mut self, pcm: &[T], out: &mut [u8]) -> Result<usize, Error> {
        let channels = usize::from(self.config.channels);
        let samples = pcm.len() / channels;
        // In units of 2.5 ms, the shortest frame (RFC 6716 §2.1.4).
        let unit = (self.config.rate / 400) as usize;
        let units = samples / unit;
        let whole = pcm.len() == units * unit * channels;
        if !whole || ![1, 2, 4, 8, 16, 24, 32, 40, 48].contains(&units) {
            return Err(Error::argument(format!(
                "a frame of {} values ({channels} channel(s), {} Hz) was given; expected 2.5, 5, \
                 10, 20, 40, 60, 80, 100 or 120 ms, which is {unit} to {} samples a channel",
                pcm.len(),
                self.config.rate,
                unit * 48
            )));
        }
        self.raw.encode(pcm, samples, out)
    }
}
