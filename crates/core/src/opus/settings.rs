//! Every setting of encoder and decoder: one table each.
//!
//! A row says what a setting is called, which of libopus's requests sets it, and what it may be. The
//! enums name the rows; a value is libopus's own number, words have theirs in the row. What libopus
//! would accept and then not act on is refused here, with the reason and the nearest that works.

use opusic_sys as sys;

use super::Error;
use super::raw::Control;

/// What a setting is given: a number (a truth value is 0 or 1) or a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// In the setting's own unit.
    Number(i64),
    /// One of the setting's words.
    Word(&'a str),
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Value<'_> {
    fn from(on: bool) -> Self {
        Self::Number(on.into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(word: &'a str) -> Self {
        Self::Word(word)
    }
}

/// How a value becomes libopus's.
#[derive(Debug, Clone, Copy)]
enum Form {
    Same,
    /// libopus counts in tens.
    Tens,
    /// libopus asks whether to switch it off.
    Not,
    /// The range is that of one channel; the whole is checked where the channels are known.
    PerChannel,
}

/// One setting.
#[derive(Debug)]
struct Row {
    name: &'static str,
    control: Control,
    low: i32,
    high: i32,
    words: &'static [(&'static str, i32)],
    form: Form,
}

impl Row {
    fn for_libopus(&self, value: i32) -> i32 {
        match self.form {
            Form::Same | Form::PerChannel => value,
            Form::Tens => value / 10,
            Form::Not => 1 - value,
        }
    }

    /// The number that `value` stands for.
    fn read(&self, value: Value<'_>) -> Result<i32, Error> {
        let Self {
            name, low, high, ..
        } = *self;
        let most = match self.form {
            Form::PerChannel => high * 255,
            _ => high,
        };
        let given = match value {
            Value::Number(number) => {
                if let Some(number) = i32::try_from(number)
                    .ok()
                    .filter(|number| (low..=most).contains(number))
                {
                    return Ok(number);
                }
                number.to_string()
            }
            Value::Word(word) => {
                if let Some(&(_, number)) = self.words.iter().find(|(known, _)| *known == word) {
                    return Ok(number);
                }
                format!("{word:?}")
            }
        };
        let mut fitting: Vec<String> = self
            .words
            .iter()
            .map(|(word, _)| format!("'{word}'"))
            .collect();
        if low <= high {
            let each = match self.form {
                Form::PerChannel => " a channel",
                _ => "",
            };
            fitting.insert(0, format!("{low} to {high}{each}"));
        }
        let last = fitting.pop().unwrap_or_default();
        let fitting = match fitting.join(", ") {
            none if none.is_empty() => last,
            most => format!("{most} or {last}"),
        };
        Err(Error::argument(format!(
            "{name} is {given}; expected {fitting}"
        )))
    }
}

/// The word that stands for libopus's number of a bandwidth; none before the first packet.
pub(super) fn bandwidth_word(number: i32) -> Option<&'static str> {
    let (word, _) = BANDWIDTHS.iter().find(|(_, known)| *known == number)?;
    Some(word)
}

const AUTO: (&str, i32) = ("auto", sys::OPUS_AUTO);
const BANDWIDTHS: &[(&str, i32)] = &[
    ("narrowband", sys::OPUS_BANDWIDTH_NARROWBAND),
    ("mediumband", sys::OPUS_BANDWIDTH_MEDIUMBAND),
    ("wideband", sys::OPUS_BANDWIDTH_WIDEBAND),
    ("superwideband", sys::OPUS_BANDWIDTH_SUPERWIDEBAND),
    ("fullband", sys::OPUS_BANDWIDTH_FULLBAND),
];

const AUTO_OR_BANDWIDTHS: &[(&str, i32)] = &[
    AUTO,
    BANDWIDTHS[0],
    BANDWIDTHS[1],
    BANDWIDTHS[2],
    BANDWIDTHS[3],
    BANDWIDTHS[4],
];

/// `low > high` is a setting of words alone.
const fn row(
    name: &'static str,
    control: Control,
    (low, high): (i32, i32),
    words: &'static [(&'static str, i32)],
    form: Form,
) -> Row {
    Row {
        name,
        control,
        low,
        high,
        words,
        form,
    }
}

/// Bits a second that libopus takes, for each channel.
pub(super) const BITRATES_PER_CHANNEL: (i32, i32) = (500, 750_000);
const WORDS_ONLY: (i32, i32) = (1, 0);

/// An encoder's setting: its row in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
#[expect(missing_docs, reason = "the table below says what each is")]
pub enum Setting {
    Application,
    Bitrate,
    Vbr,
    ConstrainedVbr,
    Complexity,
    Bandwidth,
    MaxBandwidth,
    Signal,
    Fec,
    LossPercent,
    Dtx,
    LsbDepth,
    Prediction,
    PhaseInversion,
    ForceChannels,
    DredMs,
}

const ROWS: usize = Setting::DredMs as usize + 1;

/// In the order of [`Setting`], which is that in which they are set: the maximum bandwidth after the
/// bandwidth, because in libopus the later one says at which rate SILK may run.
#[rustfmt::skip]
static ENCODER: [(Row, i32); ROWS] = [
    (row("application", Control::APPLICATION, WORDS_ONLY, &[
        ("voip", sys::OPUS_APPLICATION_VOIP),
        ("audio", sys::OPUS_APPLICATION_AUDIO),
        ("lowdelay", sys::OPUS_APPLICATION_RESTRICTED_LOWDELAY),
    ], Form::Same), sys::OPUS_APPLICATION_AUDIO),
    (row("bitrate", Control::BITRATE, BITRATES_PER_CHANNEL, &[AUTO, ("max", sys::OPUS_BITRATE_MAX)], Form::PerChannel), sys::OPUS_AUTO),
    (row("vbr", Control::VBR, (0, 1), &[], Form::Same), 1),
    (row("constrained_vbr", Control::VBR_CONSTRAINT, (0, 1), &[], Form::Same), 1),
    (row("complexity", Control::COMPLEXITY, (0, 10), &[], Form::Same), 9),
    (row("bandwidth", Control::BANDWIDTH, WORDS_ONLY, AUTO_OR_BANDWIDTHS, Form::Same), sys::OPUS_AUTO),
    (row("max_bandwidth", Control::MAX_BANDWIDTH, WORDS_ONLY, BANDWIDTHS, Form::Same), sys::OPUS_BANDWIDTH_FULLBAND),
    (row("signal", Control::SIGNAL, WORDS_ONLY, &[
        AUTO, ("voice", sys::OPUS_SIGNAL_VOICE), ("music", sys::OPUS_SIGNAL_MUSIC),
    ], Form::Same), sys::OPUS_AUTO),
    (row("fec", Control::FEC, (0, 1), &[("not_in_music", 2)], Form::Same), 0),
    (row("loss_percent", Control::LOSS_PERCENT, (0, 100), &[], Form::Same), 0),
    (row("dtx", Control::DTX, (0, 1), &[], Form::Same), 0),
    (row("lsb_depth", Control::LSB_DEPTH, (8, 24), &[], Form::Same), 24),
    (row("prediction", Control::NO_PREDICTION, (0, 1), &[], Form::Not), 1),
    (row("phase_inversion", Control::NO_PHASE_INVERSION, (0, 1), &[], Form::Not), 1),
    (row("force_channels", Control::FORCE_CHANNELS, (1, 2), &[AUTO], Form::Same), sys::OPUS_AUTO),
    (row("dred_ms", Control::DRED_DURATION, (0, 1040), &[], Form::Tens), 0),
];

/// What a decoder can be told, in the order of its rows.
static DECODER: [Row; 4] = [
    row("complexity", Control::COMPLEXITY, (0, 10), &[], Form::Same),
    row("gain_q8", Control::GAIN, (-32_768, 32_767), &[], Form::Same),
    row(
        "phase_inversion",
        Control::NO_PHASE_INVERSION,
        (0, 1),
        &[],
        Form::Not,
    ),
    row(
        "bandwidth_extension",
        Control::BANDWIDTH_EXTENSION,
        (0, 1),
        &[],
        Form::Same,
    ),
];

fn named<'a>(mut rows: impl Iterator<Item = &'a Row>, name: &str) -> Result<&'a Row, Error> {
    rows.find(|row| row.name == name)
        .ok_or_else(|| Error::argument(format!("there is no setting {name:?}")))
}

/// A decoder's setting by name, and the number that `value` is for libopus.
pub(super) fn for_decoder(name: &str, value: Value<'_>) -> Result<(Control, i32), Error> {
    let row = named(DECODER.iter(), name)?;
    Ok((row.control, row.for_libopus(row.read(value)?)))
}

/// All settings of an encoder; libopus's own defaults at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderSettings([i32; ROWS]);

impl Default for EncoderSettings {
    fn default() -> Self {
        Self(std::array::from_fn(|at| ENCODER[at].1))
    }
}

impl EncoderSettings {
    /// The same with one changed.
    ///
    /// # Errors
    /// [`Error::Argument`] when there is none of that name or the value is out of its range.
    pub fn with<'a>(mut self, name: &str, value: impl Into<Value<'a>>) -> Result<Self, Error> {
        let at = ENCODER.iter().position(|(row, _)| row.name == name);
        let at = at.ok_or_else(|| Error::argument(format!("there is no setting {name:?}")))?;
        self.0[at] = ENCODER[at].0.read(value.into())?;
        Ok(self)
    }

    /// The number that one has.
    #[must_use]
    pub fn get(&self, setting: Setting) -> i32 {
        self.0[setting as usize]
    }

    /// What libopus is to be told, in the order in which to tell it: neither the application, which
    /// an encoder has from its beginning, nor what is off and may not even be named (DRED, of which
    /// encoders of several streams know nothing).
    pub(super) fn controls(&self, single: bool) -> impl Iterator<Item = (Control, i32)> {
        let settings = ENCODER.iter().zip(self.0).enumerate();
        settings
            .filter(move |(at, _)| {
                *at != Setting::Application as usize && (single || *at != Setting::DredMs as usize)
            })
            .map(|(_, ((row, _), value))| (row.control, row.for_libopus(value)))
    }
}
