//! Complexity under loads of all kinds, with the time that decoding takes told by the test.

use super::*;

const PULL: usize = 960;
const PULL_US: i64 = 20_000;

/// Pulls 20 ms `seconds` long, each of which takes as long as `took` says of the complexity.
struct Puller {
    load: Load,
    now_us: i64,
    due_us: i64,
    chance: i64,
}

impl Puller {
    fn new(least: u8, highest: u8) -> Self {
        Self {
            load: Load::new(least, highest),
            now_us: 0,
            due_us: 0,
            chance: 0,
        }
    }

    fn run(&mut self, seconds: i64, mut took_us: impl FnMut(u8) -> i64) -> Vec<(i64, u8)> {
        let end_us = self.now_us + seconds * 1_000_000;
        let mut changes = Vec::new();
        while self.now_us < end_us {
            if let Some(complexity) = self.load.observe(PULL, 48_000, self.now_us, self.chance) {
                changes.push((self.now_us, complexity));
            }
            self.due_us += PULL_US;
            self.now_us = self
                .due_us
                .max(self.now_us + took_us(self.load.complexity()));
        }
        changes
    }
}

/// Of a processor that is too slow for 7, and not for 6.
fn slow_us(complexity: u8) -> i64 {
    if complexity > 6 { 26_000 } else { 15_000 }
}

#[test]
fn a_processor_that_is_too_slow_is_noticed_within_a_second() {
    let mut puller = Puller::new(5, 10);
    let changes = puller.run(10, slow_us);
    assert_eq!(changes.len(), 1);
    assert!(changes[0].0 < 1_000_000 && changes[0].1 == 6, "{changes:?}");
    assert_eq!(puller.now_us, puller.due_us, "caught up");
}

#[test]
fn what_was_too_much_is_tried_less_and_less_often() {
    let mut puller = Puller::new(5, 7);
    let changes = puller.run(3_600, slow_us);
    let up: Vec<i64> = changes
        .iter()
        .filter(|(_, c)| *c == 7)
        .map(|(at, _)| *at)
        .collect();
    let apart: Vec<i64> = up
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) / 1_000_000)
        .collect();
    assert!(
        apart[0] < 60 && apart.is_sorted() && apart.last() > Some(&300),
        "{apart:?}"
    );
}

#[test]
fn once_there_is_time_it_goes_up_step_by_step_and_stays() {
    let mut puller = Puller::new(0, 9);
    puller.run(20, |_| 30_000);
    assert_eq!(puller.load.complexity(), 0);
    let changes = puller.run(1_800, |_| 5_000);
    let steps: Vec<u8> = changes.iter().map(|(_, complexity)| *complexity).collect();
    assert_eq!(steps, [5, 6, 9]);
    let again = puller.run(60, slow_us);
    assert_eq!(again.first().map(|(_, complexity)| *complexity), Some(6));
}

#[test]
fn pauses_and_late_pulls_are_no_load() {
    let mut puller = Puller::new(0, 7);
    let mut n = 0;
    let changes = puller.run(120, |_| {
        n += 1;
        match n % 200 {
            0 => 900_000,
            k if k % 9 == 0 => 60_000,
            _ => 1_000,
        }
    });
    assert_eq!(changes, []);
    // Nor a puller that does not make up for a pause, nor one whose clock is set.
    for step_us in [3_000_000, -3_000_000, i64::MAX / 2, i64::MIN / 2] {
        puller.now_us = puller.now_us.saturating_add(step_us).min(i64::MAX / 2 + 1);
        puller.due_us = puller.now_us;
        assert_eq!(puller.run(5, |_| 1_000), []);
    }
}

#[test]
fn clocks_that_part_are_no_load() {
    let mut load = Load::new(0, 7);
    for n in 0..100_000 {
        assert_eq!(load.observe(PULL, 48_000, n * 20_020, n), None);
    }
}

#[test]
fn many_streams_find_what_the_processor_bears() {
    // Of a hundred streams twenty may be enhanced.
    let mut streams: Vec<Load> = (0..100).map(|_| Load::new(5, 6)).collect();
    let (mut now_us, mut due_us) = (0, 0);
    let (mut late_us, mut enhanced) = (Vec::new(), Vec::new());
    while now_us < 1_800_000_000 {
        let mut took_us = 0;
        for (n, load) in (0_i64..).zip(&mut streams) {
            load.observe(PULL, 48_000, now_us, now_us + n);
            took_us += if load.complexity() > 5 { 300 } else { 175 };
        }
        due_us += PULL_US;
        now_us = due_us.max(now_us + took_us);
        if now_us > 10_000_000 {
            late_us.push(now_us - due_us);
            enhanced.push(streams.iter().filter(|load| load.complexity() > 5).count());
        }
    }
    let mean = enhanced.iter().sum::<usize>() as f64 / enhanced.len() as f64;
    assert!((15.0..=20.0).contains(&mean), "{mean}");
    assert!(
        late_us.iter().max() < Some(&(2 * PULL_US)),
        "{:?}",
        late_us.iter().max()
    );
}
