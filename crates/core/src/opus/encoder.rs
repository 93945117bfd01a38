//! An encoder of one Opus stream, or of several in one packet.

use super::combinations;
use super::raw::{Query, RawEncoder, Sample};
use super::settings::{EncoderSettings, Setting, bandwidth_word};
use super::{Error, Layout, check_rate};

/// Room for any packet that an encoder of one stream makes: 120 ms are six frames of at most 1275
/// bytes, and the header of a code-3 packet (RFC 6716 §3.2.5).
pub const MAX_ENCODED_BYTES: usize = 6 * 1275 + 16;

/// The packet lengths that libopus makes, in units of 2.5 ms, the shortest (RFC 6716 §2.1.4).
const FRAME_UNITS: [usize; 9] = [1, 2, 4, 8, 16, 24, 32, 40, 48];

/// Encodes frames of PCM to packets. A clone continues on its own from where this one is.
#[derive(Clone)]
pub struct Encoder {
    raw: RawEncoder,
    rate: u32,
    layout: Layout,
    settings: EncoderSettings,
    lookahead: u32,
}

impl Encoder {
    /// Of `channels` by mapping family 0 (1 or 2), 1 (1 to 8, surround in Vorbis order) or 255 (1 to
    /// 255, each for itself).
    ///
    /// # Errors
    /// [`Error::Argument`] when rate or channels are none of libopus's, or settings do not go
    /// together.
    pub fn new(
        rate: u32,
        channels: u8,
        family: u8,
        settings: EncoderSettings,
    ) -> Result<Self, Error> {
        check_rate(rate)?;
        let most = match family {
            0 => 2,
            1 => 8,
            255 => 255,
            _ => {
                return Err(Error::argument(format!(
                    "mapping_family is {family}; expected 0, 1 or 255"
                )));
            }
        };
        if !(1..=most).contains(&channels) {
            return Err(Error::argument(format!(
                "channels is {channels}; mapping family {family} has 1 to {most}"
            )));
        }
        let application = settings.get(Setting::Application);
        let (mut raw, layout) = if family == 0 || channels == 1 || (family == 1 && channels == 2) {
            let layout = Layout {
                family,
                ..Layout::single(channels)?
            };
            combinations::check(&settings, rate, &layout)?;
            (RawEncoder::single(rate, channels, application)?, layout)
        } else {
            RawEncoder::surround(rate, channels, family, application)?
        };
        combinations::check(&settings, rate, &layout)?;
        tell(&mut raw, &layout, &settings)?;
        let lookahead = raw.get(Query::LOOKAHEAD)?.cast_unsigned();
        Ok(Self {
            raw,
            rate,
            layout,
            settings,
            lookahead,
        })
    }

    /// Changes settings from the next frame on.
    ///
    /// # Errors
    /// [`Error::Argument`] when they do not go together, or the application is another one: the
    /// look-ahead depends on it. Nothing is changed then.
    pub fn update(&mut self, settings: EncoderSettings) -> Result<(), Error> {
        let fixed = Setting::Application;
        if settings.get(fixed) != self.settings.get(fixed) {
            return Err(Error::argument(
                "the application cannot change while encoding: the look-ahead depends on it; make \
                 another encoder",
            ));
        }
        combinations::check(&settings, self.rate, &self.layout)?;
        tell(&mut self.raw, &self.layout, &settings)?;
        self.settings = settings;
        Ok(())
    }

    /// The settings that it runs with.
    #[must_use]
    pub fn settings(&self) -> &EncoderSettings {
        &self.settings
    }

    /// How the channels lie in streams.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Samples at the encoder's own rate by which the decoded audio lags the input.
    #[must_use]
    pub fn lookahead_samples(&self) -> u32 {
        self.lookahead
    }

    /// Room for any packet that it makes.
    #[must_use]
    pub fn max_packet_bytes(&self) -> usize {
        MAX_ENCODED_BYTES * usize::from(self.layout.streams)
    }

    /// The range coder's state after the last frame, which a decoder of the packet must arrive at.
    ///
    /// # Errors
    /// [`Error::Codec`] should libopus refuse.
    pub fn final_range(&mut self) -> Result<u32, Error> {
        self.raw.get(Query::FINAL_RANGE).map(i32::cast_unsigned)
    }

    /// Whether the last frame lay in a pause: its packet need not be sent (DTX).
    ///
    /// # Errors
    /// [`Error::Codec`] should libopus refuse.
    pub fn in_dtx(&mut self) -> Result<bool, Error> {
        self.raw.in_dtx()
    }

    /// The bandwidth of the last frame, of the first stream, in the word that sets it.
    ///
    /// # Errors
    /// [`Error::Codec`] should libopus refuse.
    pub fn bandwidth(&mut self) -> Result<Option<&'static str>, Error> {
        self.raw.get(Query::BANDWIDTH).map(bandwidth_word)
    }

    /// Samples per channel of one frame of `pcm`.
    fn frame_samples(&self, values: usize) -> Result<usize, Error> {
        let channels = self.layout.channels();
        let samples = values / channels;
        let unit = (self.rate / 400) as usize;
        let units = samples / unit;
        if values == units * unit * channels && FRAME_UNITS.contains(&units) {
            return Ok(samples);
        }
        let below = FRAME_UNITS.iter().rfind(|&&fits| fits * unit <= samples);
        let above = FRAME_UNITS.iter().find(|&&fits| fits * unit > samples);
        let nearest: Vec<String> = [below, above]
            .into_iter()
            .flatten()
            .map(|fits| (fits * unit).to_string())
            .collect();
        Err(Error::argument(format!(
            "a frame of {values} values ({channels} channel(s), {} Hz) was given; expected 2.5, 5, \
             10, 20, 40, 60, 80, 100 or 120 ms, which is {unit} to {} samples a channel; the \
             nearest: {}",
            self.rate,
            unit * 48,
            nearest.join(" or ")
        )))
    }

    /// Encodes one frame: 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms of interleaved samples.
    /// Returns the packet's length in `out`, which needs [`Self::max_packet_bytes`].
    ///
    /// # Errors
    /// [`Error::Argument`] when `pcm` is not exactly one frame, or `out` too small: libopus would
    /// squeeze the packet into it.
    pub fn encode<T: Sample>(&mut self, pcm: &[T], out: &mut [u8]) -> Result<usize, Error> {
        let samples = self.frame_samples(pcm.len())?;
        let (room, needed) = (out.len(), self.max_packet_bytes());
        if room < needed {
            return Err(Error::argument(format!(
                "out has {room} bytes; a packet may need {needed}"
            )));
        }
        self.raw.encode(pcm, samples, &mut out[..needed])
    }

    /// Encodes `pcm` in frames of `frame_samples` per channel, handing each packet to `sink`; what
    /// is left over at the end is not encoded.
    ///
    /// # Errors
    /// [`Error::Argument`] when libopus has no such frame; nothing is encoded then.
    pub fn encode_frames<T: Sample>(
        &mut self,
        pcm: &[T],
        frame_samples: usize,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let values = frame_samples * self.layout.channels();
        self.frame_samples(values)?;
        let mut out = vec![0; self.max_packet_bytes()];
        for frame in pcm.chunks_exact(values) {
            let bytes = self.raw.encode(frame, frame_samples, &mut out)?;
            sink(&out[..bytes]);
        }
        Ok(())
    }
}

fn tell(raw: &mut RawEncoder, layout: &Layout, settings: &EncoderSettings) -> Result<(), Error> {
    for (control, value) in settings.controls(layout.is_single()) {
        raw.set(control, value)?;
    }
    Ok(())
}
