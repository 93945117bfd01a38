//! Playout at its edges: the shortest pulls, packets that overlap, numbers of any size, clocks that are
//! set.

use crate::voice::{FRAME, config, packets};
use opuscule_core::conceal::Origin;
use opuscule_core::opus::Error;
use opuscule_core::playout::{Incoming, Mode, Pace, Playout, PlayoutConfig, Pushed};

/// Pushes a packet that says 20 ms.
fn push(playout: &mut Playout<i16>, sequence: i64, time: i64, now_us: i64) -> Pushed {
    let sent = packets();
    let packet = Incoming {
        sequence,
        time,
        data: &sent[sequence as usize % sent.len()],
        jump: false,
    };
    playout.push(packet, now_us).unwrap()
}

#[test]
fn the_shortest_pulls_are_accounted_for_at_any_pace() {
    for rate in [-0.002, -0.0003, 0.0003, 0.002] {
        let mut playout = Playout::new(config(Mode::Fixed)).unwrap();
        for n in 0..5 {
            push(&mut playout, n, n * FRAME as i64, 0);
        }
        playout.keep_pace(Pace { rate, phase: 0.0 }).unwrap();
        for n in 1..=2 * FRAME as u64 {
            playout.pull(&mut [0], 0).unwrap();
            assert_eq!(playout.stats().played, n, "at {rate}");
        }
        let followed = (rate * 2.0 * FRAME as f64).floor() as i64;
        let stats = playout.stats();
        let both = stats.removed as i64 - stats.inserted as i64;
        assert!((both - followed).abs() <= 1, "{both} at {rate}");
    }
}

#[test]
fn a_pace_at_which_more_than_one_sample_is_left_out_at_a_time_is_refused() {
    let mut playout = Playout::<i16>::new(config(Mode::Fixed)).unwrap();
    for rate in [-0.01, -0.0021, 0.0021, f64::NAN] {
        let refused = playout.keep_pace(Pace { rate, phase: 0.0 });
        assert!(matches!(refused, Err(Error::Argument(_))), "{rate}");
    }
}

#[test]
fn a_pull_of_half_a_frame_is_refused() {
    let settings = PlayoutConfig {
        channels: 2,
        ..config(Mode::Fixed)
    };
    let mut playout = Playout::<i16>::new(settings).unwrap();
    push(&mut playout, 0, 0, 0);
    let refused = playout.pull(&mut [0; 3], 0);
    assert!(matches!(refused, Err(Error::Argument(_))));
    assert_eq!(playout.stats().played, 0);
}

#[test]
fn a_loss_before_a_packet_that_comes_late_is_counted() {
    for mode in [Mode::Fixed, Mode::Adaptive] {
        let mut playout = Playout::new(config(mode)).unwrap();
        push(&mut playout, 0, 0, 0);
        let mut out = [0; FRAME];
        playout.pull(&mut out, 0).unwrap();
        // The next is lost, and the one behind it late by half.
        playout.pull(&mut out, 20_000).unwrap();
        playout.pull(&mut out[..480], 40_000).unwrap();
        push(&mut playout, 2, 2 * FRAME as i64, 50_000);
        playout.pull(&mut out, 50_000).unwrap();
        assert_eq!(playout.stats().packets_lost, 1, "{mode:?}");
    }
}

#[test]
fn packets_that_overlap_and_come_late_are_played_once() {
    for mode in [Mode::Fixed, Mode::Adaptive] {
        let mut playout = Playout::new(config(mode)).unwrap();
        let mut out = [0; FRAME];
        push(&mut playout, 0, 0, 0);
        playout.pull(&mut out, 0).unwrap();
        playout.pull(&mut out[..120], 20_000).unwrap();
        // Both hold what is next.
        push(&mut playout, 1, FRAME as i64 - 480, 30_000);
        push(&mut playout, 2, FRAME as i64 - 240, 30_000);
        push(&mut playout, 3, 2 * FRAME as i64 - 240, 30_000);
        for n in 0..4 {
            playout.pull(&mut out, 30_000 + n * 20_000).unwrap();
        }
        let mut played_to = 0;
        for span in playout.take_log() {
            let Some(time) = span.time else { continue };
            assert!(time >= played_to, "{mode:?}: {time} after {played_to}");
            played_to = time + span.media.unwrap_or(span.samples as i64);
        }
    }
}

#[test]
fn numbers_that_jump_to_and_fro_are_counted_without_end() {
    let settings = PlayoutConfig {
        restart_ms: 0,
        ..config(Mode::Fixed)
    };
    let mut playout = Playout::new(settings).unwrap();
    let (mut before, mut out) = (0, [0; 120]);
    for n in 0..4200 {
        let number = if n % 2 == 0 { 0 } else { (1 << 53) - 1 };
        let packet = Incoming {
            sequence: number,
            time: n * 120,
            data: &[0xe0, 0, 0], // 2.5 ms of CELT
            jump: false,
        };
        playout.push(packet, n * 2500).unwrap();
        playout.pull(&mut out, n * 2500).unwrap();
        let lost = playout.stats().packets_lost;
        assert!(lost >= before, "{lost} after {before}");
        before = lost;
    }
}

#[test]
fn an_end_that_the_stream_leads_to_is_its_own() {
    let mut playout = Playout::new(config(Mode::Fixed)).unwrap();
    let second = 50 * FRAME as i64;
    for n in 0..3 {
        push(&mut playout, n, n * FRAME as i64, 0);
    }
    // Far ahead, and not further from the end than the stream is.
    assert_eq!(push(&mut playout, 300, 6 * second, 0), Pushed::Stray);
    playout.finish(3 * second, 150).unwrap();
    playout.pull(&mut [0; 3 * FRAME], 10_000).unwrap();
    let stats = playout.stats();
    assert_eq!((stats.received, stats.restarts), (3 * FRAME as u64, 0));
    assert_eq!((stats.packets_overflow, stats.packets_stray), (0, 1));
}

#[test]
fn drift_is_measured_after_the_clock_was_set_back() {
    let mut playout = Playout::new(config(Mode::Fixed)).unwrap();
    let mut out = [0; FRAME];
    for n in 0..4000 {
        // The sender's clock is fast by 300 ppm; after ten seconds the host's is set back by an hour.
        let set_us = if n < 500 { 0 } else { -3_600_000_000 };
        let sent_us = n * 20_000;
        push(
            &mut playout,
            n,
            n * FRAME as i64,
            sent_us - sent_us * 3 / 10_000 + set_us,
        );
        playout.pull(&mut out, sent_us + 5_000 + set_us).unwrap();
    }
    let ppm = playout.stats().drift * 1e6;
    assert!((250.0..350.0).contains(&ppm), "{ppm}");
}

#[test]
fn all_may_come_late_and_no_more() {
    let settings = PlayoutConfig {
        late_per_mille: u16::MAX,
        ..config(Mode::Adaptive)
    };
    let mut playout = Playout::new(settings).unwrap();
    for n in 0..100 {
        push(&mut playout, n, n * FRAME as i64, n * 20_000);
    }
}

#[test]
fn an_end_of_a_stream_that_begins_anew_loses_nothing_of_the_old_one() {
    let hour = 3600 * 48_000;
    for mode in [Mode::Whole, Mode::Fixed, Mode::Adaptive] {
        let mut playout = Playout::new(config(mode)).unwrap();
        let frame = FRAME as i64;
        let mut out = [0; FRAME];
        for n in [0, 1, 2, 4] {
            push(&mut playout, n, hour + n * frame, 0);
        }
        playout.pull(&mut out, 0).unwrap();
        for n in 0..3 {
            assert_eq!(push(&mut playout, n, n * frame, 10_000), Pushed::Stray);
        }
        playout.finish(4 * frame, 4).unwrap();
        // What comes after the end was said belongs to either; what belongs to none is a stray.
        assert_eq!(push(&mut playout, 3, 3 * frame, 10_000), Pushed::Stray);
        assert_eq!(push(&mut playout, 9, 9 * hour, 10_000), Pushed::Stray);
        let late = push(&mut playout, 3, hour + 3 * frame, 10_000);
        assert_eq!(late, Pushed::Kept);
        for n in 1..9 {
            assert!(!playout.is_finished(), "{mode:?}: after {n}");
            playout.pull(&mut out, n * 20_000).unwrap();
        }
        assert!(playout.is_finished(), "{mode:?}");
        let log = playout.take_log();
        let times: Vec<_> = log.iter().map(|s| (s.origin, s.time, s.samples)).collect();
        let received = |time, frames| (Origin::Received, Some(time), frames * FRAME);
        assert_eq!(times, [received(hour, 5), received(0, 4)], "{mode:?}");
        let stats = playout.stats();
        assert_eq!((stats.packets_received, stats.packets_stray), (9, 1));
        let dropped = (stats.packets_overflow, stats.packets_late);
        assert_eq!((stats.restarts, dropped), (1, (0, 0)));
    }
}

#[test]
fn packets_that_come_too_late_do_not_prolong_concealment() {
    for mode in [Mode::Fixed, Mode::Adaptive] {
        for ahead in [0, 1, 3] {
            let mut playout = Playout::new(PlayoutConfig {
                complexity: 5,
                ..config(mode)
            })
            .unwrap();
            let (mut out, frame) = ([0; FRAME], FRAME as i64);
            for n in 0..5 {
                push(&mut playout, n, n * frame, n * 20_000);
                playout.pull(&mut out, n * 20_000).unwrap();
            }
            playout.take_log();
            // From now on each packet comes when its time has been made up, and that of the next
            // ones, too; what adaptive playout plays late ends the gap.
            let (mut run, mut longest) = (0, 0);
            for n in 5..150 {
                playout.pull(&mut out, n * 20_000).unwrap();
                push(
                    &mut playout,
                    n - ahead,
                    (n - ahead) * frame,
                    n * 20_000 + 19_000,
                );
                for span in playout.take_log() {
                    run = match span.origin {
                        Origin::Plc => run + span.samples,
                        Origin::Silence => run,
                        _ => 0,
                    };
                    longest = run.max(longest);
                }
            }
            assert!(longest <= 48 * 500, "{mode:?}: {} ms", longest / 48);
        }
    }
}

#[test]
fn what_both_streams_have_is_played_at_once_when_the_end_is_known() {
    let hour = 3600 * 48_000;
    for mode in [Mode::Whole, Mode::Fixed, Mode::Adaptive] {
        let settings = PlayoutConfig {
            target_delay_ms: 200,
            ..config(mode)
        };
        let mut playout = Playout::new(settings).unwrap();
        let frame = FRAME as i64;
        for n in 0..3 {
            push(&mut playout, n, hour + n * frame, 0);
        }
        for n in 0..2 {
            push(&mut playout, n, n * frame, 0);
        }
        playout.finish(2 * frame, 2).unwrap();
        playout.pull(&mut [0; 5 * FRAME], 0).unwrap();
        assert!(playout.is_finished(), "{mode:?}");
        assert_eq!(playout.stats().received, 5 * FRAME as u64, "{mode:?}");
    }
}
