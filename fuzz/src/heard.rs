//! Invariant of what playout gives: a pull is exactly as long as was asked for; each sample is accounted
//! for once, by the counts and by the log, whenever that is taken; media time never goes back but where the
//! sender began anew, and none is played twice; what the log says of a sample is what it is; and at another
//! clock's pace exactly so much is left out or put in as the clocks part.

use opuscule_core::MEDIA_RATE;
use opuscule_core::conceal::Origin;
use opuscule_core::opus::Decode;
use opuscule_core::playout::{Mode, Pace, Playout, PlayoutConfig, Span, Stats};

use super::stub::{self, BY_DRED, BY_FEC, MADE_UP};

/// Samples after made-up ones that may be faded, in milliseconds.
const FADED_MS: i64 = 30;

/// The most that comfort noise, at -40 dB of full scale, adds to a sample.
const NOISE: f32 = 0.1;

/// How long what was made up is faded into what came for it: 5 ms, in 48 kHz samples.
const BLENDED: i64 = 240;

/// Spans that the log keeps.
const MAX_LOG_SPANS: usize = 2048;

/// How fast the part of a sample is made up that is left when no pace is kept any more.
const PARKING: f64 = 50e-6;

/// What was heard so far.
pub struct Heard {
    channels: usize,
    scale: i64,
    adaptive: bool,
    /// Samples say where they belong.
    exact: bool,
    /// Where media time has been played to.
    pub played_to: i64,
    /// The pace is another stream's.
    pub given: bool,
    pulled: u64,
    backwards: u64,
    faded: i64,
    /// What the log has not been asked about, and whether some of it was at another clock's pace.
    out: Vec<f32>,
    paced: bool,
}

impl Heard {
    pub fn new(config: &PlayoutConfig, exact: bool) -> Self {
        Self {
            channels: config.channels.into(),
            scale: i64::from(MEDIA_RATE / config.rate),
            adaptive: config.mode == Mode::Adaptive,
            exact,
            played_to: 0,
            given: false,
            pulled: 0,
            backwards: 0,
            faded: 0,
            out: Vec::new(),
            paced: false,
        }
    }

    pub fn pull<D: Decode<f32>>(
        &mut self,
        playout: &mut Playout<f32, D>,
        samples: usize,
        now_us: i64,
    ) {
        let before = self.out.len();
        self.out.resize(before + samples * self.channels, f32::NAN);
        let (pace, parted) = (playout.pace(), parted(&playout.stats()));
        playout
            .pull(&mut self.out[before..], now_us)
            .expect("a pull");
        assert!(self.out[before..].iter().all(|sample| !sample.is_nan()));
        self.pulled += samples as u64;
        let s = playout.stats();
        assert_eq!(s.played, self.pulled);
        let made = s.fec + s.dred + s.plc + s.stretched + s.comfort_noise;
        assert_eq!(s.received + made + s.silence, s.played);
        assert!(s.silent_concealed <= s.concealed && s.concealed <= s.played);
        assert!(s.concealment_events <= s.concealed && s.interruption_samples <= s.concealed);
        let after = playout.pace();
        self.paced |= [pace, after]
            .iter()
            .any(|p| p.rate != 0.0 || p.phase != 0.0);
        if self.given && !self.adaptive {
            let parted = (self::parted(&s) - parted) as f64 + after.phase - pace.phase;
            is_as_far_as_told(pace, parted, samples as f64);
        }
    }

    /// Takes the log of all that was heard since it was taken last, and compares both.
    pub fn check_log<D: Decode<f32>>(&mut self, playout: &mut Playout<f32, D>) {
        let log = playout.take_log();
        let logged: usize = log.iter().map(|span| span.samples).sum();
        let samples = self.out.len() / self.channels;
        assert!(logged == samples || (logged < samples && log.len() == MAX_LOG_SPANS));
        let out = std::mem::take(&mut self.out);
        let mut at = (samples - logged) * self.channels;
        for span in log {
            let heard = &out[at..at + span.samples * self.channels];
            self.in_order(&span);
            if self.exact && !self.paced {
                self.is_what_it_says(&span, heard);
            }
            self.note_faded(&span);
            at += heard.len();
        }
        assert!(self.backwards <= playout.stats().restarts);
        self.out = out;
        self.out.clear();
        self.paced = false;
    }

    fn in_order(&mut self, span: &Span) {
        let Some(time) = span.time else { return };
        let media = span.media.unwrap_or(span.samples as i64 * self.scale);
        assert!(media >= 0);
        self.backwards += u64::from(time < self.played_to);
        self.played_to = time + media;
    }

    fn is_what_it_says(&self, span: &Span, samples: &[f32]) {
        let more = match span.origin {
            Origin::Received => 0.0,
            Origin::Fec => BY_FEC,
            Origin::Dred => BY_DRED,
            _ => f32::NAN,
        };
        if let (Some(time), None, false) = (span.time, span.media, more.is_nan()) {
            // Media times between two samples are played at one of them.
            let off = if self.scale == 1 { 0.0 } else { 1.0 };
            let faded = usize::try_from(self.faded / self.scale).unwrap_or(0);
            let frames = samples.chunks_exact(self.channels).skip(faded);
            let expected = stub::values(time, self.scale).skip(faded);
            let mut blended = 0;
            for (frame, expected) in frames.zip(expected) {
                let near = |s: &f32| (*s - expected - more).abs() <= off || *s == 0.0;
                // What was made up and not heard is faded into what came for it.
                let blend = |s: &f32| (MADE_UP..=expected + off).contains(s);
                blended += self.scale;
                if frame.iter().all(near) {
                    blended = 0;
                }
                assert!(
                    blended <= BLENDED && (blended == 0 || frame.iter().all(blend)),
                    "{span:?}: {frame:?} for {expected} + {more}"
                );
            }
        } else if span.media.is_none() && span.origin == Origin::Silence {
            assert!(samples.iter().all(|s| *s == 0.0));
        } else if span.media.is_none() && span.origin == Origin::ComfortNoise {
            // What the decoder made of a pause, filled up, or noise alone.
            let near = |s: &f32| s.abs() < NOISE || (s - MADE_UP).abs() < NOISE;
            assert!(samples.iter().all(near), "{span:?}: {samples:?}");
        } else if span.time.is_none() && span.origin == Origin::Plc {
            assert!(samples.iter().all(|s| (s - MADE_UP).abs() < NOISE));
        }
    }

    fn note_faded(&mut self, span: &Span) {
        let made_up = !matches!(span.origin, Origin::Received) || span.media.is_some();
        let length = span.samples as i64 * self.scale;
        self.faded = match made_up {
            true => FADED_MS * i64::from(MEDIA_RATE / 1000),
            false => (self.faded - length).max(0),
        };
    }
}

/// Samples of the stream that were played beyond those that were heard.
fn parted(stats: &Stats) -> i64 {
    stats.removed.cast_signed() - stats.inserted.cast_signed()
}

/// `parted` is so much more of the stream, with the parts of a sample, as `samples` took at a pace.
fn is_as_far_as_told(pace: Pace, parted: f64, samples: f64) {
    if pace.rate == 0.0 {
        assert!(parted.abs() <= PARKING * samples + 1e-6, "{parted} of none");
    } else {
        let told = pace.rate * samples;
        assert!((parted - told).abs() < 1e-6, "{parted} of {told}");
    }
}
