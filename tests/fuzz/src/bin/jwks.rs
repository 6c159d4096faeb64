#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plausible_mcp_fuzz::targets::jwks(data));
