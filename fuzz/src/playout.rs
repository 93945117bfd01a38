//! Invariant of playout: whatever is pushed, pulled and said, at whatever times, a pull gives exactly
//! what was asked for; each sample is accounted for once; media time never goes back but where the
//! sender began anew, and none is played twice; what the log says of a sample is what it is; what waits
//! is bounded; and a stream that is finished ends.

use opuscule_core::MEDIA_RATE;
use opuscule_core::conceal::Origin;
use opuscule_core::opus::{Decode, Error};
use opuscule_core::playout::{Incoming, Mode, Playout, PlayoutConfig, Span};

use super::stub::{self, BY_DRED, BY_FEC, MADE_UP, Stub};

/// Samples after made-up ones that may be faded, in milliseconds.
const FADED_MS: i64 = 30;

/// The most that comfort noise, at -40 dB of full scale, adds to a sample.
const NOISE: f32 = 0.1;

/// How long what was made up is faded into what came for it: 5 ms, in 48 kHz samples.
const BLENDED: i64 = 240;

/// The longest stretch of sound that waits on top of `max_buffer_ms`: a packet on each side, and what is
/// decoded ahead, made longer.
const BESIDES_MS: i64 = 2 * 120 + 360;

/// Frames of 10, 20, 40, 60 ms, SILK and hybrid; of 2.5, 5, 20 ms, CELT; and of two and more frames.
const TOCS: [(u8, u8); 16] = [
    (0x00, 0),
    (0x08, 0),
    (0x10, 0),
    (0x18, 0),
    (0x48, 0),
    (0x68, 0),
    (0x80, 0),
    (0x88, 0),
    (0x98, 0),
    (0x4c, 0),
    (0x09, 0),
    (0x19, 0),
    (0x83, 7),
    (0x83, 48),
    (0x0b, 3),
    (0x0b, 6),
];

/// Draws what is done from bytes; zeros when they are used up.
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    pub fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn small(&mut self) -> i64 {
        i64::from(self.next())
    }

    /// Any size, either sign.
    fn far(&mut self) -> i64 {
        let (size, sign) = (self.next(), self.next());
        let value = (1_i64 << (size % 63)) + i64::from(sign >> 1);
        if sign & 1 == 0 { value } else { -value }
    }
}

/// What becomes of one scenario.
pub struct Run<D: Decode<f32>> {
    playout: Playout<f32, D>,
    config: PlayoutConfig,
    scale: i64,
    exact: bool,
    now_us: i64,
    time: i64,
    sequence: i64,
    pulled: u64,
    played_to: i64,
    backwards: u64,
    faded: i64,
    out: Vec<f32>,
}

/// Settings from bytes.
pub fn settings(bytes: &mut Bytes<'_>) -> PlayoutConfig {
    let (kind, waits, more) = (bytes.next(), bytes.next(), bytes.next());
    let least = u32::from(waits & 15) * 10;
    PlayoutConfig {
        // Fewer samples are done sooner, and are as many cases.
        rate: if kind & 3 == 3 && waits & 3 == 3 {
            48_000
        } else {
            8_000
        },
        channels: 1 + (kind >> 2 & 1),
        complexity: if kind & 8 == 0 { 5 } else { 0 },
        least_complexity: None,
        pre_skip: if kind & 16 == 0 { 0 } else { 312 },
        gain_q8: 0,
        begin: (kind & 32 != 0).then_some((0, 0)),
        mode: [Mode::Whole, Mode::Fixed, Mode::Fixed, Mode::Adaptive][usize::from(kind >> 6)],
        target_delay_ms: least,
        max_delay_ms: 1000,
        late_per_mille: u16::from(more),
        max_buffer_ms: (least + 20).max(u32::from(waits >> 4) * 100),
        restart_ms: [5000, 200][usize::from(more >> 7)],
    }
}

impl<D: Decode<f32>> Run<D> {
    pub fn new(config: PlayoutConfig, decoder: D, exact: bool) -> Self {
        Self {
            playout: Playout::with_decoder(config.clone(), decoder).expect("sound settings"),
            scale: i64::from(MEDIA_RATE / config.rate),
            config,
            exact,
            now_us: 1_000_000,
            time: 0,
            sequence: 0,
            pulled: 0,
            played_to: 0,
            backwards: 0,
            faded: 0,
            out: Vec::new(),
        }
    }

    /// Does all that the bytes say; `packet` makes one for a media time.
    pub fn all<P: AsRef<[u8]>>(
        mut self,
        bytes: &mut Bytes<'_>,
        mut packet: impl FnMut(&mut Bytes<'_>, i64) -> P,
    ) {
        while !bytes.0.is_empty() {
            let op = bytes.next();
            match op & 7 {
                0..=2 => {
                    let lost = [0, 0, 1, 5][usize::from(op >> 3 & 3)];
                    self.sequence = self.sequence.saturating_add(lost);
                    self.time = self.time.saturating_add(lost * 960);
                    self.now_us += [0, 20_000, 10_000, 60_000][usize::from(op >> 5 & 3)];
                    let data = packet(bytes, self.time);
                    let (sequence, time) = (self.sequence, self.time);
                    self.push(sequence, time, data.as_ref(), false);
                    let ticks = opuscule_core::packet::duration_samples(data.as_ref());
                    self.time = time.saturating_add(i64::from(ticks.unwrap_or(960)));
                    self.sequence = sequence.saturating_add(1);
                }
                3 => {
                    let back = bytes.small();
                    let off = if op & 8 == 0 { 0 } else { back % 7 * 30 };
                    let time = self.time - back * 960 + off;
                    let data = packet(bytes, time);
                    self.push(self.sequence - back, time, data.as_ref(), op & 16 != 0);
                }
                4 => {
                    let time = self.time.saturating_add(bytes.far());
                    let sequence = self.sequence.saturating_add(bytes.far());
                    let data = packet(bytes, time);
                    self.push(sequence, time, data.as_ref(), op & 16 != 0);
                    if op & 8 != 0 && (0..1 << 52).contains(&time) && sequence >= 0 {
                        (self.time, self.sequence) = (time, sequence);
                    }
                }
                5 | 6 => {
                    let samples = bytes.small() << (op >> 3 & 1);
                    self.now_us += match op >> 5 & 1 {
                        0 => samples * self.scale * 125 / 6,
                        _ => 0,
                    };
                    self.pull(usize::try_from(samples).expect("none below 0"));
                }
                _ => match op >> 3 & 3 {
                    0 => self.now_us += bytes.small() * 5_000,
                    1 => {
                        self.now_us = self
                            .now_us
                            .saturating_add(bytes.far())
                            .clamp(-1 << 60, 1 << 60)
                    }
                    2 => self.time = self.time.saturating_add(bytes.small() * 480), // a pause
                    _ => {
                        let time = self.time - 960 + bytes.small() * 8;
                        let _ = self.playout.finish(time, self.sequence);
                    }
                },
            }
        }
        // Some are left as they are: to play all out takes longer than all the rest.
        if self.sequence % 4 == 1 {
            self.end();
        }
    }

    fn push(&mut self, sequence: i64, time: i64, data: &[u8], jump: bool) {
        let incoming = Incoming {
            sequence,
            time,
            data,
            jump,
        };
        match self.playout.push(incoming, self.now_us) {
            Ok(_) | Err(Error::Packet(_) | Error::Argument(_)) => {}
            Err(other) => panic!("{other}"),
        }
        self.bounded();
    }

    fn bounded(&self) {
        let most = i64::from(self.config.max_buffer_ms).max(120) + BESIDES_MS;
        assert!(self.playout.buffered_ms() <= most);
    }

    fn pull(&mut self, samples: usize) {
        let channels = usize::from(self.config.channels);
        self.out.clear();
        self.out.resize(samples * channels, f32::NAN);
        let paced = self.follows();
        self.playout
            .pull(&mut self.out, self.now_us)
            .expect("a pull");
        assert!(self.out.iter().all(|sample| !sample.is_nan()));
        self.pulled += samples as u64;
        let s = self.playout.stats();
        assert_eq!(s.played, self.pulled);
        let made = s.fec + s.dred + s.plc + s.stretched + s.comfort_noise;
        assert_eq!(s.received + made + s.silence, s.played);
        assert!(s.silent_concealed <= s.concealed && s.concealed <= s.played);
        assert!(s.concealment_events <= s.concealed && s.interruption_samples <= s.concealed);
        let mut at = 0;
        for span in self.playout.take_log() {
            self.in_order(&span);
            if self.exact && !paced && !self.follows() {
                self.is_what_it_says(&span, at * channels);
            }
            at += span.samples;
        }
        assert_eq!(at, samples);
        assert!(self.backwards <= self.playout.stats().restarts);
        self.bounded();
    }

    /// Whether sound is played at another clock's pace.
    fn follows(&self) -> bool {
        let pace = self.playout.pace();
        pace.rate != 0.0 || pace.phase != 0.0
    }

    fn in_order(&mut self, span: &Span) {
        let Some(time) = span.time else { return };
        let media = span.media.unwrap_or(span.samples as i64 * self.scale);
        assert!(media >= 0);
        self.backwards += u64::from(time < self.played_to);
        self.played_to = time + media;
    }

    fn is_what_it_says(&mut self, span: &Span, at: usize) {
        let made_up = !matches!(span.origin, Origin::Received) || span.media.is_some();
        let channels = usize::from(self.config.channels);
        let samples = &self.out[at..at + span.samples * channels];
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
            let frames = samples.chunks_exact(channels).skip(faded);
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
        let length = span.samples as i64 * self.scale;
        self.faded = match made_up {
            true => FADED_MS * i64::from(MEDIA_RATE / 1000),
            false => (self.faded - length).max(0),
        };
    }

    /// Finishes the stream and plays it out.
    fn end(mut self) {
        if self
            .playout
            .finish(self.time.max(0), self.sequence.max(0))
            .is_err()
        {
            return;
        }
        let piece = (self.config.rate / 50) as usize;
        let (mut before, mut waited_ms) = (self.played_to, 0);
        while !self.playout.is_finished() {
            self.now_us = self.now_us.saturating_add(20_000);
            self.pull(piece);
            if self.time.saturating_sub(self.played_to) > 100 * i64::from(MEDIA_RATE / 50) {
                return; // It ends, but not soon.
            }
            waited_ms = if self.played_to == before {
                waited_ms + 20
            } else {
                0
            };
            before = self.played_to;
            assert!(waited_ms < i64::from(self.config.max_buffer_ms) + BESIDES_MS);
        }
    }
}

/// `data` is settings and what is done.
pub fn check(data: &[u8]) {
    let mut bytes = Bytes(data);
    let config = settings(&mut bytes);
    let decoder = Stub {
        rate: config.rate,
        channels: config.channels.into(),
    };
    Run::new(config, decoder, true).all(&mut bytes, |bytes, time| {
        let kind = bytes.next();
        let (toc, frames) = TOCS[usize::from(kind & 15)];
        let flags = if kind & 16 == 0 { 0 } else { bytes.next() };
        stub::packet(toc, frames, flags, time)
    });
}
