//! What fuzzing has found worth keeping is tried on every run.

use std::path::Path;

#[test]
fn every_invariant_holds_for_every_seed() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    for (name, check) in crate::invariants::ALL {
        let mut tried = 0;
        for entry in std::fs::read_dir(seeds.join(name)).expect("a folder of seeds") {
            let path = entry.expect("a folder that can be read").path();
            println!("{}", path.display());
            check(&std::fs::read(path).expect("a file"));
            tried += 1;
        }
        assert!(tried > 0, "{name} has no seeds");
        check(&[]);
    }
}
