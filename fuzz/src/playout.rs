//! Playout driven by bytes: packets in any order, of any length, late, twice, overlapping, far away, of two
//! senders; pulls of any size; clocks that are set and that part; ends said early. What must hold of what
//! is heard is in `heard.rs`; besides, what waits is bounded, and a stream that is finished ends.

use opuscule_core::MEDIA_RATE;
use opuscule_core::opus::{Decode, Error};
use opuscule_core::playout::{Incoming, Mode, Pace, Playout, PlayoutConfig};

use super::heard::Heard;
use super::stub::{self, Stub};

/// The longest stretch of sound that waits on top of `max_buffer_ms`: a packet on each side, and what is
/// decoded ahead, made longer.
const BESIDES_MS: i64 = 2 * 120 + 360;

/// Pulls of 20 ms after the end.
const MOST_PULLS: usize = 150;

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
    heard: Heard,
    now_us: i64,
    time: i64,
    sequence: i64,
    /// Time and number of another sender.
    other: (i64, i64),
    leaves_log: bool,
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
        least_complexity: (kind & 8 == 0 && kind >> 6 > 0).then_some(0),
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
            heard: Heard::new(&config, exact),
            config,
            now_us: 1_000_000,
            time: 0,
            sequence: 0,
            other: (1 << 40, 1 << 20),
            leaves_log: false,
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
                _ => match op >> 3 & 7 {
                    0 => self.now_us += bytes.small() * 5_000,
                    1 => {
                        self.now_us = self
                            .now_us
                            .saturating_add(bytes.far())
                            .clamp(-1 << 60, 1 << 60)
                    }
                    2 => self.time = self.time.saturating_add(bytes.small() * 480), // a pause
                    3 => {
                        let time = self.time - 960 + bytes.small() * 8;
                        let _ = self.playout.finish(time, self.sequence);
                    }
                    4 => self.keep_pace(op >> 6, bytes.next()),
                    5 if op & 128 != 0 => {
                        // Together with another stream, which wants more, or less; or alone again.
                        let own_us = self.playout.lag_us().filter(|_| op & 64 != 0);
                        let more_us = bytes.small() * 4000 - 100_000;
                        let lag_us = own_us.map(|own| own.saturating_add(more_us));
                        self.playout.keep_lag(lag_us);
                    }
                    5 => {
                        self.leaves_log = op & 64 != 0;
                        if !self.leaves_log {
                            self.heard.check_log(&mut self.playout);
                        }
                    }
                    6 => {
                        // Over what was played last, or waits: in part too late, or there twice.
                        let off = bytes.small() * 30 + i64::from(op >> 7);
                        let time = self.heard.played_to.saturating_add(off - 1920);
                        let ahead = self.time.saturating_sub(time) / 960;
                        let data = packet(bytes, time);
                        let sequence = self.sequence.saturating_sub(ahead);
                        self.push(sequence, time, data.as_ref(), op & 64 != 0);
                    }
                    _ => {
                        let here = (self.time, self.sequence);
                        (self.time, self.sequence) = std::mem::replace(&mut self.other, here);
                    }
                },
            }
        }
        self.heard.check_log(&mut self.playout);
        self.leaves_log = false;
        // Some are left as they are: to play all out takes longer than all the rest.
        if self.sequence % 16 == 1 {
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
        self.heard.pull(&mut self.playout, samples, self.now_us);
        if !self.leaves_log {
            self.heard.check_log(&mut self.playout);
        }
        self.bounded();
    }

    /// Another stream's pace, with a phase of its own or as it is; or back to what packets tell.
    fn keep_pace(&mut self, kind: u8, by: u8) {
        let rate = f64::from(by.cast_signed()) / 127.0 * 0.002;
        let before = self.playout.pace();
        let phase = [0.0, 0.5, before.phase, 0.0][usize::from(kind)];
        self.heard.given = kind < 3;
        if kind == 3 {
            self.playout.own_pace();
        } else if self.playout.keep_pace(Pace { rate, phase }).is_err() {
            assert!(by == 0x80, "a sound pace was refused");
            let _ = self.playout.keep_pace(before);
        }
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
        let (mut before, mut waited_ms) = (self.heard.played_to, 0);
        // Where it is far to the end, of this stream or of one before it, it comes, but not soon.
        for _ in 0..MOST_PULLS {
            if self.playout.is_finished() {
                return;
            }
            if self.time.saturating_sub(self.heard.played_to) > 100 * i64::from(MEDIA_RATE / 50) {
                return;
            }
            self.now_us = self.now_us.saturating_add(20_000);
            self.pull(piece);
            waited_ms = if self.heard.played_to == before {
                waited_ms + 20
            } else {
                0
            };
            before = self.heard.played_to;
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
