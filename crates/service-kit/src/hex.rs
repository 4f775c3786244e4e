//! Bytes as people and headers write them.

use std::fmt::Write as _;

/// Two lower-case digits for each byte.
///
/// ```
/// assert_eq!(service_kit::hex(&[0, 171]), "00ab");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
