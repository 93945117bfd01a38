//! Playout through its public calls: whatever is pushed, everything is accounted for.

mod voice;

use opuscule_core::conceal::Origin;
use opuscule_core::opus::{Decoder, Error};
use opuscule_core::playout::{Incoming, Playout, PlayoutConfig, Pushed, Span, Stats};
use proptest::prelude::*;
use voice::{FRAME, cases, packets};

fn config() -> PlayoutConfig {
    PlayoutConfig {
        rate: 48_000,
        channels: 1,
        complexity: 0,
        pre_skip: 312,
        gain_q8: 0,
        begin: None,
        target_delay_ms: 0,
        max_buffer_ms: 10_000,
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
    s.received + s.fec + s.dred + s.plc + s.silence == s.played
}

/// Media time never goes back and is never played twice.
fn in_order(log: &[Span]) -> bool {
    let placed: Vec<_> = log
        .iter()
        .filter_map(|span| Some((span.time?, span.samples as i64)))
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
    ) {
        let sent = packets();
        let settings = PlayoutConfig { rate, max_buffer_ms, ..config() };
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
                    let longest = i64::from(max_buffer_ms).max(120) + 120;
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
        prop_assert!(in_order(&playout.take_log()));
    }
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
