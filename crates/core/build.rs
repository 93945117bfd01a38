//! Puts `src/opus/raw/enhance.rs` between libopus and its speech enhancement, in tests and examples;
//! the extension module and the fuzz targets do the same for themselves, since what a library asks
//! of the linker does not reach the programs that are made of it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-link-arg=-Wl,--wrap=osce_enhance_frame");
    }
}
