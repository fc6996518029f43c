//! A hash for what is kept in files.
//!
//! Any thread. No I/O, no clock.

/// FNV-1a, 64 bits: small, and the same on every machine and in every version, which the standard
/// library's hasher does not promise.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
