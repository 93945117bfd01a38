#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| opuscule_fuzz::playout::check(data));
