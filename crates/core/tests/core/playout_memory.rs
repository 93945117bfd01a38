//! What playout allocates: nothing in the steady state, and never more than is stated.

use crate::random::Random;
use crate::voice::{self, FRAME, packets};
use allocation_counter::measure;
use opuscule_core::playout::{Incoming, Mode, Playout, PlayoutConfig};

fn config(mode: Mode) -> PlayoutConfig {
    PlayoutConfig {
        target_delay_ms: 60,
        max_buffer_ms: 1000,
        ..voice::config(mode)
    }
}

#[test]
fn neither_a_push_nor_a_pull_allocates_in_the_steady_state() {
    let sent = packets();
    for mode in [Mode::Whole, Mode::Fixed, Mode::Adaptive] {
        let mut playout = Playout::<i16>::new(config(mode)).unwrap();
        let mut out = vec![0; FRAME];
        // Longer than the half minute for which lateness is remembered.
        let mut turn = |number: usize| {
            let packet = Incoming {
                sequence: number as i64,
                time: (number * FRAME) as i64,
                data: &sent[number % sent.len()],
                jump: false,
            };
            let now_us = number as i64 * 20_000;
            // Each third comes early, so that the number that wait changes.
            let early_us = if number.is_multiple_of(3) { 9_000 } else { 0 };
            let push = measure(|| {
                playout.push(packet, now_us - early_us).unwrap();
            });
            let pull = measure(|| {
                playout.pull(&mut out, now_us + 5_000).unwrap();
            });
            (push.count_total, pull.count_total)
        };
        let (mut pushes, mut pulls) = (0, 0);
        for number in 0..2400 {
            let (push, pull) = turn(number);
            if number >= 1800 {
                (pushes, pulls) = (pushes + push, pulls + pull);
            }
        }
        assert_eq!((pushes, pulls), (0, 0), "{mode:?}");
        let stats = playout.stats();
        assert_eq!(stats.concealed, 0);
        assert!(stats.received + stats.stretched > 2300 * FRAME as u64);
    }
}

/// What may wait by `max_buffer_ms`, once for the stream and once for what is kept aside of another,
/// and at most twice as much where memory grows; and what has no part in that.
const fn most_bytes(max_buffer_ms: usize) -> u64 {
    (2 * 2 * (max_buffer_ms * 510 + 65_535) + 1_500_000) as u64
}

#[test]
fn memory_is_bounded_whatever_is_pushed() {
    let mut random = Random::new(1);
    // Code 3, one frame and padding up to the longest packet that is taken (RFC 6716 §3.2.5).
    let padding = |bytes: usize| {
        let mut packet = vec![0x83, 0x41];
        packet.extend(vec![0xff; bytes / 255]);
        packet.push(0);
        packet.resize(packet.len() + bytes / 255 * 254, 0);
        packet
    };
    let huge = [padding(400), padding(10_000), padding(65_000)];
    for mode in [Mode::Whole, Mode::Fixed, Mode::Adaptive] {
        let mut playout = Playout::<i16>::new(config(mode)).unwrap();
        let mut out = vec![0; 9600];
        let spent = measure(|| {
            let (mut place, mut now_us) = (1_i64 << 40, 0);
            for number in 0..30_000 {
                // Now and then the sender begins anew, or a stray comes.
                place += random.below(600) as i64 - 100;
                let far = match random.below(500) {
                    0 => {
                        place = random.below(1 << 50) as i64;
                        0
                    }
                    n if n < 5 => 1 << (20 + 5 * n),
                    _ => 0,
                };
                let data = match random.below(4) {
                    0 => &huge[random.below(3)],
                    n => &packets()[random.below(50) * n % 50],
                };
                let packet = Incoming {
                    sequence: number,
                    time: place + far,
                    data,
                    jump: random.one_in(5),
                };
                playout.push(packet, now_us).unwrap();
                now_us += random.below(3000) as i64;
                if random.one_in(3) {
                    let samples = random.below(1000);
                    playout.pull(&mut out[..samples], now_us).unwrap();
                }
            }
        });
        assert!(
            spent.bytes_max < most_bytes(1000),
            "{mode:?}: {} bytes",
            spent.bytes_max
        );
        let stats = playout.stats();
        assert!(
            stats.packets_overflow > 0 && stats.restarts > 0,
            "{stats:?}"
        );
    }
}
