//! Playout's invariant with scenarios drawn at random, without libFuzzer's slow instruments.

use crate::invariants::playout::check;
use crate::random::Random;

impl Random {
    /// Bytes of which the small are more frequent, as they are the ones that do more; every other
    /// time one of the seeds, with some of its bytes changed or with another's end.
    fn scenario(&mut self, seeds: &[Vec<u8>], bytes: &mut Vec<u8>) {
        bytes.clear();
        if self.below(2) == 0 && !seeds.is_empty() {
            bytes.extend(&seeds[self.below(seeds.len())]);
            if self.below(2) == 0 {
                let other = &seeds[self.below(seeds.len())];
                bytes.truncate(self.below(bytes.len() + 1));
                bytes.extend(&other[self.below(other.len() + 1)..]);
            }
            for _ in 0..self.below(5) {
                let place = self.below(bytes.len().max(1));
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = self.next() as u8;
                }
            }
            return;
        }
        let most = if self.below(8) == 0 { 200 } else { 40 };
        let length = 4 + self.below(most);
        for _ in 0..length {
            let drawn = self.next();
            let masks = [0xff, 0xff, 0x7f, 0x1f];
            bytes.push((drawn as u8) & masks[(drawn >> 8) as usize & 3]);
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/playout");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder of seeds")
        .map(|entry| entry.expect("a folder that can be read").path())
        .collect();
    paths.sort();
    let read = |path| std::fs::read(path).expect("a file");
    paths.into_iter().map(read).collect()
}

fn run(scenarios: u64, seed: u64) {
    let (mut random, seeds, mut bytes) = (Random::new(seed), seeds(), Vec::new());
    for n in 0..scenarios {
        if n > 0 && n.is_multiple_of(1_000_000) {
            println!("{n} scenarios");
        }
        random.scenario(&seeds, &mut bytes);
        let done = std::panic::catch_unwind(|| check(&bytes));
        assert!(done.is_ok(), "scenario {n} of seed {seed}: {bytes:?}");
    }
}

#[test]
fn the_invariant_holds_for_scenarios_at_random() {
    run(5_000, 0x9e37_79b9_7f4a_7c15);
}

/// By hand, as docs/fuzzing.md says: `SCENARIOS` and `SEED` from the environment.
#[test]
#[ignore = "takes as long as it is told to"]
fn the_invariant_holds_for_very_many() {
    let number = |name: &str, else_: u64| {
        std::env::var(name).map_or(else_, |text| text.parse().expect("a number"))
    };
    let (scenarios, seed) = (number("SCENARIOS", 1_000_000), number("SEED", 1));
    let begun = std::time::Instant::now();
    run(scenarios, seed);
    let seconds = begun.elapsed().as_secs_f64();
    let rate = scenarios as f64 / seconds;
    println!("{scenarios} scenarios, seed {seed}: {seconds:.0} s, {rate:.0} a second");
}
