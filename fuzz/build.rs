//! Puts `crates/core/src/opus/raw/enhance.rs` between libopus and its speech enhancement.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-link-arg=-Wl,--wrap=osce_enhance_frame");
    }
}
