//! Comfort noise: like the background before a gap, as long as it is of use, and never anything else.

use crate::voice::{self, FRAME, cases};
use opuscule_core::conceal::Origin;
use opuscule_core::opus::{Encoder, EncoderSettings, MAX_ENCODED_BYTES};
use opuscule_core::playout::{Incoming, Mode, Playout, PlayoutConfig, Span, Stats};
use proptest::prelude::*;

const RATE: usize = 48_000;

/// The last packet before the gap.
const LAST: usize = 150;

/// White noise with one pole, of power 1.
fn noise(pole: f32, samples: usize) -> Vec<f32> {
    let (mut state, mut value) = (1_u32, 0.0);
    (0..samples)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = (state as f32 / u32::MAX as f32 - 0.5) * 12.0_f32.sqrt();
            value = pole * value + (1.0 - pole * pole).sqrt() * white;
            value
        })
        .collect()
}

fn db(level_db: f32) -> f32 {
    10.0_f32.powf(level_db / 20.0)
}

/// Words of 300 ms at -17 dBFS with pauses of 200 ms, over noise.
fn words(level_db: f32, pole: f32, seconds: usize) -> Vec<f32> {
    words_over(noise(pole, seconds * RATE), level_db)
}

fn words_over(noise: Vec<f32>, level_db: f32) -> Vec<f32> {
    noise
        .into_iter()
        .enumerate()
        .map(|(n, noise)| {
            let speaks = n % (RATE / 2) < RATE * 3 / 10;
            let buzz = (n % 400) as f32 / 400.0 - 0.5;
            noise * db(level_db) + if speaks { 0.5 * buzz } else { 0.0 }
        })
        .collect()
}

/// Packets of 20 ms of interleaved sound.
fn encode(sound: &[f32], channels: u8) -> Vec<Vec<u8>> {
    let settings = EncoderSettings::default()
        .with("bitrate", 96_000)
        .and_then(|settings| settings.with("complexity", 2))
        .unwrap();
    let mut encoder = Encoder::new(48_000, channels, 0, settings).unwrap();
    let mut out = [0; MAX_ENCODED_BYTES];
    sound
        .chunks_exact(FRAME * usize::from(channels))
        .map(|frame| {
            let length = encoder.encode(frame, &mut out).unwrap();
            out[..length].to_vec()
        })
        .collect()
}

struct Played {
    pcm: Vec<f32>,
    spans: Vec<Span>,
    stats: Stats,
}

impl Played {
    /// Sound from `from` to `to` seconds after the gap began.
    fn gap(&self, from: f32, to: f32) -> &[f32] {
        let at = |s: f32| LAST * FRAME + (s * RATE as f32) as usize;
        &self.pcm[at(from)..at(to)]
    }

    fn samples(&self, origin: Origin) -> usize {
        let of = self.spans.iter().filter(|span| span.origin == origin);
        of.map(|span| span.samples).sum()
    }
}

fn config(mode: Mode) -> PlayoutConfig {
    PlayoutConfig {
        max_buffer_ms: 60_000,
        ..voice::config(mode)
    }
}

/// The packets up to `LAST`, then none for so many; each comes in time, or all have come before.
fn play(sent: &[Vec<u8>], config: PlayoutConfig, missing: usize, at_once: bool) -> Played {
    play_by(sent, config, missing, at_once, &[480])
}

fn play_by(
    sent: &[Vec<u8>],
    config: PlayoutConfig,
    missing: usize,
    at_once: bool,
    pulls: &[usize],
) -> Played {
    let channels = usize::from(config.channels);
    let mut playout = Playout::<f32>::new(config).unwrap();
    let total = (sent.len().max(LAST + missing)) * FRAME;
    let (mut played, mut pushed) = (0, 0);
    let (mut pcm, mut spans) = (Vec::new(), Vec::new());
    for samples in pulls.iter().cycle() {
        if played >= total {
            break;
        }
        while pushed < sent.len() && (at_once || pushed * FRAME < played + samples + FRAME) {
            let packet = Incoming {
                sequence: pushed as i64,
                time: (pushed * FRAME) as i64,
                data: &sent[pushed],
                jump: false,
            };
            if !(LAST..LAST + missing).contains(&pushed) {
                let now = if at_once { 0 } else { pushed as i64 * 20_000 };
                playout.push(packet, now).unwrap();
            }
            pushed += 1;
        }
        let samples = (*samples).min(total - played);
        let mut out = vec![0.0; samples * channels];
        let now = if at_once { 0 } else { played as i64 * 125 / 6 };
        playout.pull(&mut out, now).unwrap();
        pcm.extend(out);
        spans.extend(playout.take_log());
        played += samples;
        let s = playout.stats();
        let parts = s.received + s.fec + s.dred + s.plc + s.stretched + s.comfort_noise + s.silence;
        assert_eq!((s.played, parts), (played as u64, played as u64));
    }
    Played {
        pcm,
        spans,
        stats: playout.stats(),
    }
}

fn power(sound: &[f32]) -> f32 {
    sound.iter().map(|value| value * value).sum::<f32>() / sound.len() as f32
}

fn level_db(sound: &[f32]) -> f32 {
    10.0 * power(sound).log10()
}

/// How alike neighbours are: 0 for white noise, near 1 for what has low tones only.
fn tilt(sound: &[f32]) -> f32 {
    let both: f32 = sound.windows(2).map(|pair| pair[0] * pair[1]).sum();
    both / sound.len() as f32 / power(sound)
}

#[test]
fn a_long_gap_is_filled_with_what_was_between_the_words() {
    for (floor_db, pole) in [(-50.0, 0.0), (-50.0, 0.9), (-58.0, 0.6), (-42.0, 0.9)] {
        let sent = encode(&words(floor_db, pole, 6), 1);
        for (mode, at_once) in [
            (Mode::Fixed, true),
            (Mode::Fixed, false),
            (Mode::Adaptive, false),
        ] {
            let played = play(&sent, config(mode), 100, at_once);
            let found = played.gap(0.5, 1.9);
            let case = format!("{floor_db} dB, pole {pole}, {mode:?} {at_once}");
            assert!(
                (level_db(found) - floor_db).abs() < 3.0,
                "{case}: {}",
                level_db(found)
            );
            // What codec noise adds is white.
            assert!((tilt(found) - pole).abs() < 0.25, "{case}: {}", tilt(found));
            let silent = found.chunks(480).map(level_db).fold(0.0, f32::min);
            assert!(silent > floor_db - 6.0, "{case}: {silent}");
            assert!(played.samples(Origin::ComfortNoise) > 60_000, "{case}");
            assert_eq!(played.samples(Origin::Silence), 0, "{case}");
            assert_eq!(
                played.stats.silent_concealed, played.stats.comfort_noise,
                "{case}"
            );
            assert_eq!(played.stats.concealment_events, 1, "{case}");
        }
    }
}

#[test]
fn while_concealment_fades_the_line_is_neither_dead_nor_louder() {
    let sent = encode(&words(-50.0, 0.9, 6), 1);
    let played = play(&sent, config(Mode::Adaptive), 100, false);
    for part in played.gap(0.05, 1.9).chunks(960) {
        assert!(
            (-56.0..-15.0).contains(&level_db(part)),
            "{}",
            level_db(part)
        );
    }
}

#[test]
fn no_noise_is_made_of_digital_silence() {
    let mut sound = words(-50.0, 0.0, 6);
    sound[RATE / 2..].fill(0.0);
    for at_once in [false, true] {
        let played = play(&encode(&sound, 1), config(Mode::Adaptive), 100, at_once);
        assert_eq!(played.samples(Origin::ComfortNoise), 0);
        assert!(played.gap(0.6, 1.9).iter().all(|value| *value == 0.0));
        assert!(played.samples(Origin::Silence) > 60_000);
    }
}

#[test]
fn music_leaves_no_noise_at_its_own_level() {
    // A chord, its notes struck twice a second, at three levels.
    for (music_db, most_db) in [(-12.0, -39.0), (-30.0, -44.0), (-50.0, -64.0)] {
        let struck = |n: usize| (-((n % (RATE / 2)) as f32) / (RATE / 5) as f32).exp();
        let sound: Vec<f32> = (0..6 * RATE)
            .map(|n| {
                let note = |hz: f32| (n as f32 / RATE as f32 * hz * std::f32::consts::TAU).sin();
                (note(220.0) + note(277.2) + note(329.6)) * struck(n)
            })
            .collect();
        let gain = db(music_db) / power(&sound).sqrt();
        let sound: Vec<f32> = sound.iter().map(|value| value * gain).collect();
        let played = play(&encode(&sound, 1), config(Mode::Adaptive), 100, false);
        let found = level_db(played.gap(0.6, 1.9));
        assert!(found < most_db, "{music_db} dB: {found}");
    }
}

#[test]
fn nobody_is_deceived_for_long() {
    let sent = &encode(&words(-50.0, 0.9, 4), 1)[..LAST];
    for mode in [Mode::Fixed, Mode::Adaptive] {
        // 1 ms more than 7 s, in pieces that do not end where the noise does.
        let played = play_by(sent, config(mode), 351, false, &[432]);
        let made = played.samples(Origin::Plc) + played.samples(Origin::ComfortNoise);
        assert_eq!(made, 5 * RATE, "{mode:?}");
        assert!((level_db(played.gap(2.5, 2.9)) + 50.0).abs() < 3.0);
        assert!(level_db(played.gap(4.5, 4.9)) < -59.0);
        assert!(played.gap(5.0, 7.0).iter().all(|value| *value == 0.0));
        assert_eq!(played.samples(Origin::Silence), 351 * FRAME - 5 * RATE);
    }
}

#[test]
fn a_pause_may_last() {
    let mut sent = encode(&words(-50.0, 0.9, 4), 1);
    sent.truncate(LAST);
    // "A pause begins", and nothing more is sent.
    sent[LAST - 1].truncate(1);
    sent[LAST - 1][0] &= !3;
    let played = play(&sent, config(Mode::Adaptive), 500, false);
    assert!((level_db(played.gap(8.0, 9.9)) + 50.0).abs() < 3.0);
    assert_eq!(played.samples(Origin::ComfortNoise), 500 * FRAME);
    assert_eq!(played.stats.concealed, 0);
}

#[test]
fn what_has_to_be_exact_gets_none() {
    let sent = encode(&words(-50.0, 0.9, 6), 1);
    for at_once in [false, true] {
        let played = play(&sent, config(Mode::Whole), 100, at_once);
        assert_eq!(played.samples(Origin::ComfortNoise), 0);
        assert!(played.gap(1.0, 1.9).iter().all(|value| *value == 0.0));
    }
}

#[test]
fn sound_comes_back_without_a_click() {
    let sent = encode(&words(-50.0, 0.9, 6), 1);
    let mut decoder_only = 0.0_f32;
    for (missing, at_once) in [(100, true), (100, false), (107, true), (107, false)] {
        let played = play(&sent, config(Mode::Fixed), missing, at_once);
        let step = |sound: &[f32]| {
            sound
                .windows(2)
                .map(|pair| (pair[1] - pair[0]).abs())
                .fold(0.0, f32::max)
        };
        let join = missing as f32 * 0.02;
        decoder_only = decoder_only.max(step(&played.pcm[RATE..LAST * FRAME]));
        assert!(step(played.gap(join - 0.005, join + 0.02)) <= decoder_only);
        // In a pause there is nothing but noise on both sides.
        if missing == 100 {
            let both = played.gap(1.5, 1.995);
            assert!(step(both) < 8.0 * db(-50.0) * (2.0_f32 - 1.8).sqrt());
        }
    }
}

#[test]
fn channels_have_as_much_in_common_as_before() {
    let config = PlayoutConfig {
        channels: 2,
        ..config(Mode::Adaptive)
    };
    let one = words(-50.0, 0.9, 6);
    let other = noise(0.9, 6 * RATE).into_iter().rev().collect();
    let other = words_over(other, -50.0);
    let likeness = |right: &[f32]| {
        let both: Vec<f32> = one.iter().zip(right).flat_map(|(l, r)| [*l, *r]).collect();
        let played = play(&encode(&both, 2), config.clone(), 100, false);
        let gap = &played.pcm[2 * (LAST + 30) * FRAME..2 * (LAST + 95) * FRAME];
        let of = |channel| {
            gap.iter()
                .copied()
                .skip(channel)
                .step_by(2)
                .collect::<Vec<f32>>()
        };
        let (left, right) = (of(0), of(1));
        let cross: f32 = left.iter().zip(&right).map(|(l, r)| l * r).sum();
        let norm = (power(&left) * power(&right)).sqrt() * left.len() as f32;
        (level_db(&left), level_db(&right), cross / norm)
    };
    let (left, right, alike) = likeness(&one);
    assert!((left + 50.0).abs() < 3.0 && (right + 50.0).abs() < 3.0);
    assert!(alike > 0.9, "{alike}");
    let (left, right, alike) = likeness(&other);
    assert!(
        (left + 50.0).abs() < 4.0 && (right + 50.0).abs() < 4.0,
        "{left} {right}"
    );
    assert!(alike < 0.5, "{alike}");
    let (left, right, _) = likeness(&vec![0.0; one.len()]);
    assert!((left + 50.0).abs() < 4.0 && right < -70.0, "{left} {right}");
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn it_is_the_same_by_whatever_pieces_it_is_pulled(
        pulls in proptest::collection::vec(1usize..2000, 1..5),
    ) {
        let sent = encode(&words(-50.0, 0.9, 6), 1);
        let whole = play(&sent, config(Mode::Fixed), 100, true);
        let pieces = play_by(&sent, config(Mode::Fixed), 100, true, &pulls);
        prop_assert!(whole.pcm == pieces.pcm);
        prop_assert_eq!(whole.stats.comfort_noise, pieces.stats.comfort_noise);
    }
}
