//! Playout through its public calls: whatever is pushed, everything is accounted for.

mod voice;

use opuscule_core::conceal::Origin;
use opuscule_core::opus::{Decoder, Error};
use opuscule_core::playout::{Incoming, Mode, Playout, PlayoutConfig, Pushed, Span, Stats};
use proptest::prelude::*;
use voice::{FRAME, cases, packets};

fn config() -> PlayoutConfig {
    PlayoutConfig {
        pre_skip: 312,
        ..voice::config(Mode::Whole)
    }
}

fn push(playout: &mut Playout<i16>, number: usize, data: &[u8]) -> Pushed {
    let packet = Incoming {
        sequence: number as i64,
        time: (number * FRAME) as i64,
        data,
        jump: false,
    };
    playout.push(packet, 0).unwrap()
}

fn balanced(s: &Stats) -> bool {
    let made = s.fec + s.dred + s.plc + s.stretched + s.comfort_noise;
    s.received + made + s.silence == s.played
}

/// Media time never goes back and is never played twice.
fn in_order(log: &[Span]) -> bool {
    let placed: Vec<_> = log
        .iter()
        .filter_map(|span| Some((span.time?, span.media.unwrap_or(span.samples as i64))))
        .collect();
    placed.windows(2).all(|w| w[0].0 + w[0].1 <= w[1].0)
}

#[test]
fn undamaged_is_the_sequential_decode() {
    let sent = packets();
    let mut decoder = Decoder::new(48_000, 1, 0).unwrap();
    let mut expected = Vec::<i16>::new();
    let mut playout = Playout::new(config()).unwrap();
    for (number, data) in sent.iter().enumerate() {
        decoder.decode(data, &mut expected).unwrap();
        assert_eq!(push(&mut playout, number, data), Pushed::Kept);
    }
    let end = sent.len() * FRAME - 100;
    playout.finish(end as i64, sent.len() as i64).unwrap();
    let mut out = vec![0; end - 312 + 50];
    playout.pull(&mut out, 0).unwrap();
    assert_eq!(out[..end - 312], expected[312..end]);
    assert_eq!(out[end - 312..], [0; 50]);
    assert!(playout.is_finished());
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn losses_and_disorder_keep_the_length(
        lost in proptest::collection::btree_set(0usize..50, 0..49),
        order in Just((0usize..50).collect::<Vec<_>>()).prop_shuffle(),
        pulls in proptest::collection::vec(1usize..3000, 1..6),
    ) {
        let sent = packets();
        let mut playout = Playout::new(config()).unwrap();
        for number in order.into_iter().filter(|n| !lost.contains(n)) {
            push(&mut playout, number, &sent[number]);
            prop_assert_eq!(push(&mut playout, number, &sent[number]), Pushed::Duplicate);
        }
        playout.finish((50 * FRAME) as i64, 50).unwrap();
        for samples in pulls.iter().cycle() {
            if playout.is_finished() {
                break;
            }
            playout.pull(&mut vec![0; *samples], 0).unwrap();
        }
        let (stats, log) = (playout.stats(), playout.take_log());
        prop_assert!(balanced(&stats));
        prop_assert!(in_order(&log));
        let placed: usize = log.iter().filter(|s| s.time.is_some()).map(|s| s.samples).sum();
        prop_assert_eq!(placed, 50 * FRAME - 312);
        prop_assert_eq!(stats.packets_lost, lost.len() as u64);
        prop_assert_eq!(stats.packets_duplicate, 50 - lost.len() as u64);
        prop_assert!(log.iter().any(|span| span.origin == Origin::Received));
    }

    #[test]
    fn nothing_that_is_pushed_does_harm(
        steps in proptest::collection::vec(any_step(), 1..60),
        rate in proptest::sample::select(vec![8_000u32, 12_000, 48_000]),
        max_buffer_ms in 20u32..500,
        mode in any_mode(),
    ) {
        let sent = packets();
        let settings = PlayoutConfig { rate, max_buffer_ms, mode, ..config() };
        let mut playout = Playout::<i16>::new(settings).unwrap();
        let mut pulled = 0;
        for step in steps {
            match step {
                Step::Push { sequence, time, real, bytes, jump, now } => {
                    let data = real.map_or(&bytes, |number| &sent[number]);
                    let packet = Incoming { sequence, time, data, jump };
                    match playout.push(packet, now) {
                        Ok(_) | Err(Error::Packet(_) | Error::Argument(_)) => {}
                        Err(other) => prop_assert!(false, "{other}"),
                    }
                    // What is decoded ahead of its time, made longer, comes on top.
                    let ahead = if mode == Mode::Adaptive { 360 } else { 0 };
                    let longest = i64::from(max_buffer_ms).max(120) + 120 + ahead;
                    prop_assert!(playout.buffered_ms() <= longest);
                }
                Step::Pull { samples, now } => {
                    playout.pull(&mut vec![0; samples], now).unwrap();
                    pulled += samples as u64;
                }
                Step::Finish { time, sequence } => {
                    let _ = playout.finish(time, sequence);
                }
            }
            let stats = playout.stats();
            prop_assert!(balanced(&stats));
            prop_assert_eq!(stats.played, pulled);
        }
        let log = playout.take_log();
        prop_assert!(in_order(&log), "{log:?}");
    }
}

fn any_mode() -> impl Strategy<Value = Mode> {
    proptest::sample::select(vec![Mode::Whole, Mode::Fixed, Mode::Adaptive])
}

/// A minute's beginning: the packets over and over.
fn sent(count: usize) -> Vec<Vec<u8>> {
    packets().iter().cycle().take(count).cloned().collect()
}

/// Plays packets of 20 ms that come when `arrival_ms` says, pulled 10 ms at a time; the delay of each
/// pull in milliseconds with what was played.
fn play(
    mode: Mode,
    delay_ms: u32,
    sent: &[Vec<u8>],
    arrival_ms: impl Fn(usize) -> Option<i64>,
) -> (Playout<i16>, Vec<i16>, Vec<Span>) {
    let settings = PlayoutConfig {
        mode,
        target_delay_ms: delay_ms,
        pre_skip: 0,
        ..config()
    };
    play_as(settings, sent, arrival_ms)
}

fn play_as(
    settings: PlayoutConfig,
    sent: &[Vec<u8>],
    arrival_ms: impl Fn(usize) -> Option<i64>,
) -> (Playout<i16>, Vec<i16>, Vec<Span>) {
    let mut playout = Playout::new(settings).unwrap();
    let mut coming: Vec<_> = (0..sent.len())
        .filter_map(|n| Some((arrival_ms(n)?, n)))
        .collect();
    coming.sort_unstable();
    let mut coming = coming.into_iter().peekable();
    let (mut pcm, mut log) = (Vec::new(), Vec::new());
    for turn in 0..sent.len() as i64 * 2 + 100 {
        let now_ms = turn * 10 + 5;
        while let Some((at, n)) = coming.next_if(|(at, _)| *at <= now_ms) {
            let time = (n * FRAME) as i64;
            let packet = Incoming {
                sequence: n as i64,
                time,
                data: &sent[n],
                jump: false,
            };
            playout.push(packet, at * 1000).unwrap();
        }
        let mut out = vec![0; 480];
        playout.pull(&mut out, now_ms * 1000).unwrap();
        pcm.extend(out);
        log.extend(playout.take_log());
    }
    (playout, pcm, log)
}

/// Media time that was played, from its own packets.
fn heard_ms(log: &[Span]) -> i64 {
    let received = log.iter().filter(|span| span.origin == Origin::Received);
    received
        .map(|span| span.media.unwrap_or(span.samples as i64))
        .sum::<i64>()
        / 48
}

/// How long after it was sent each span was played, by its end.
fn delays_ms(log: &[Span]) -> Vec<(i64, i64)> {
    let mut played = 0;
    log.iter()
        .filter_map(|span| {
            played += span.samples as i64;
            let end = span.time? + span.media.unwrap_or(span.samples as i64);
            Some((played / 48, 5 + (played - end) / 48))
        })
        .collect()
}

#[test]
fn on_a_good_network_adaptive_playout_is_the_sequential_decode() {
    let sent = sent(100);
    let mut decoder = Decoder::new(48_000, 1, 0).unwrap();
    let mut expected = Vec::<i16>::new();
    for data in &sent {
        decoder.decode(data, &mut expected).unwrap();
    }
    for mode in [Mode::Fixed, Mode::Adaptive] {
        let (playout, pcm, _) = play(mode, 20, &sent, |n| Some(n as i64 * 20));
        // Held for 20 ms, and pulled first at 5 ms: two pulls of silence.
        assert_eq!(pcm[..960], [0; 960]);
        assert_eq!(pcm[960..][..expected.len()], expected);
        assert_eq!(playout.stats().stretched, 0);
    }
}

#[test]
fn after_a_stall_little_is_left_out_and_the_delay_comes_back() {
    let sent = sent(400);
    let held = |n: usize| Some((n as i64 * 20).max(if (100..125).contains(&n) { 2500 } else { 0 }));
    let (playout, _, log) = play(Mode::Adaptive, 20, &sent, held);
    // 280 ms, and the rest is played faster.
    assert_eq!(playout.stats().packets_late, 14);
    assert_eq!(heard_ms(&log), 400 * 20 - 280);
    assert!(in_order(&log));
    let delays = delays_ms(&log);
    assert!(delays.iter().any(|(_, delay)| *delay > 500 - 280));
    let back = delays.iter().filter(|(at, _)| *at > 2500 + 2000);
    assert!(back.clone().count() > 100);
    assert!(
        back.clone().all(|(_, delay)| *delay <= 25 + 20),
        "{delays:?}"
    );

    // With a fixed delay it stays, and what came later is lost.
    let (playout, _, log) = play(Mode::Fixed, 20, &sent, held);
    assert!(playout.stats().packets_late >= 23);
    assert!(
        delays_ms(&log)
            .iter()
            .all(|(_, delay)| (15..=25).contains(delay))
    );
}

#[test]
fn a_packet_that_is_late_by_half_is_heard_by_half() {
    let sent = sent(100);
    let late = |n: usize| Some((n as i64 * 20).max(if n == 50 || n == 51 { 1034 } else { 0 }));
    // What was made up meanwhile is left out, or the delay is larger from then on.
    let expected = [
        (Mode::Fixed, 1980..2000, 25),
        (Mode::Adaptive, 2000..2001, 25 + 34),
    ];
    for (mode, heard, most_ms) in expected {
        let (playout, _, log) = play(mode, 20, &sent, late);
        let stats = playout.stats();
        assert_eq!(stats.packets_late, 0, "{mode:?}");
        assert!(
            heard.contains(&heard_ms(&log)),
            "{mode:?}: {}",
            heard_ms(&log)
        );
        assert!(stats.plc > 0 && in_order(&log));
        let delays = delays_ms(&log);
        assert!(
            delays.iter().all(|(_, delay)| *delay <= most_ms),
            "{mode:?} {delays:?} {log:?}"
        );
    }
}

#[test]
fn a_delay_that_is_nearly_right_is_no_reason_to_play_what_is_late_late() {
    let sent = sent(100);
    // The target is 27 ms and the delay 25; at 1034 comes what should have been played from 1025 on.
    let settings = PlayoutConfig {
        mode: Mode::Adaptive,
        target_delay_ms: 20,
        max_delay_ms: 27,
        pre_skip: 0,
        ..config()
    };
    let late = |n: usize| Some(n as i64 * 20 + if n == 50 { 34 } else { 10 * (n as i64 % 2) });
    let (playout, _, log) = play_as(settings, &sent, late);
    let stats = playout.stats();
    assert_eq!((heard_ms(&log), stats.inserted), (2000 - 10, 0));
    assert_eq!(stats.preferred_us, 27_000);
    let delays = delays_ms(&log);
    assert!(delays.iter().all(|(_, delay)| *delay <= 25), "{delays:?}");
}

#[test]
fn a_late_packet_whose_body_is_none_is_concealed_and_said_to_be() {
    let mut sent = sent(100);
    // Two frames of 20 ms of unequal length: rule R3 of RFC 6716.
    sent[50] = vec![0x49, 0, 0, 0];
    let came = |n: usize| match n {
        50 => Some(1034),
        51 => None,
        _ => Some(n as i64 * 20),
    };
    for mode in [Mode::Fixed, Mode::Adaptive] {
        let (playout, _, log) = play(mode, 20, &sent, came);
        let its = |span: &&Span| {
            let time = span.time.unwrap_or(0);
            (50 * FRAME..52 * FRAME).contains(&usize::try_from(time).unwrap())
        };
        assert!(log.iter().filter(its).count() > 0);
        assert!(
            log.iter().filter(its).all(|s| s.origin == Origin::Plc),
            "{log:?}"
        );
        assert_eq!(playout.stats().packets_late, 0);
        assert_eq!(playout.stats().packets_lost, 2);
    }
}

#[test]
fn a_late_last_packet_is_not_played_beyond_the_end() {
    let sent = packets();
    for mode in [Mode::Fixed, Mode::Adaptive] {
        let settings = PlayoutConfig {
            mode,
            pre_skip: 0,
            ..config()
        };
        let mut playout = Playout::new(settings).unwrap();
        let mut out = [0; 480];
        for (number, data) in sent[..2].iter().enumerate() {
            push(&mut playout, number, data);
        }
        for _ in 0..5 {
            playout.pull(&mut out, 0).unwrap(); // 10 ms more than there is
        }
        // The third is late by half, and the end lies 5 ms behind that half.
        push(&mut playout, 2, &sent[2]);
        playout.finish((2 * FRAME + 720) as i64, 3).unwrap();
        while !playout.is_finished() {
            playout.pull(&mut out, 0).unwrap();
        }
        let last = playout
            .take_log()
            .into_iter()
            .filter_map(|s| Some((s.time?, s.samples)));
        let end = last.map(|(time, samples)| time + samples as i64).max();
        assert_eq!(end, Some((2 * FRAME + 720) as i64), "{mode:?}");
    }
}

#[test]
fn the_delay_grows_until_little_is_late() {
    // Every third packet is 70 ms late, by which those behind it are held up.
    let sent = sent(600);
    let late = |n: usize| Some((n as i64 / 3 * 60) + 70);
    let (playout, _, log) = play(Mode::Adaptive, 20, &sent, late);
    let before = playout.stats().packets_late;
    assert!(before < 10, "{before}");
    let learnt = log
        .iter()
        .filter(|span| span.time.is_some_and(|time| time > 2 * 48_000));
    assert!(learnt.clone().count() > 3);
    assert!(
        learnt.clone().all(|span| span.origin == Origin::Received),
        "{log:?}"
    );
}

#[derive(Debug, Clone)]
enum Step {
    Push {
        sequence: i64,
        time: i64,
        real: Option<usize>,
        bytes: Vec<u8>,
        jump: bool,
        now: i64,
    },
    Pull {
        samples: usize,
        now: i64,
    },
    Finish {
        time: i64,
        sequence: i64,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let number = || prop_oneof![8 => 0i64..20, 1 => any::<i64>()];
    let time = || prop_oneof![8 => 0i64..20_000, 1 => any::<i64>()];
    let now = || prop_oneof![8 => 0i64..1_000_000, 1 => any::<i64>()];
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    let real = proptest::option::weighted(0.8, 0usize..50);
    prop_oneof![
        8 => (number(), time(), real, bytes, any::<bool>(), now()).prop_map(
            |(sequence, time, real, bytes, jump, now)| Step::Push { sequence, time, real, bytes, jump, now }
        ),
        4 => (0usize..3000, now()).prop_map(|(samples, now)| Step::Pull { samples, now }),
        1 => (time(), number()).prop_map(|(time, sequence)| Step::Finish { time, sequence }),
    ]
}
