//! Lengths of time as people write them: `10m`, `7d`.

use std::time::Duration;

/// Reads `500ms`, `30s`, `10m`, `2h` or `7d`. `None`: it is no such text, or nothing at all.
pub fn parse_span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let span = match unit.trim() {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" | "min" => Duration::from_secs(number.checked_mul(60)?),
        "h" => Duration::from_secs(number.checked_mul(60 * 60)?),
        "d" => Duration::from_secs(number.checked_mul(24 * 60 * 60)?),
        _ => return None,
    };
    (!span.is_zero()).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        for (text, millis) in [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            (" 10m ", Some(600_000)),
            ("10 min", Some(600_000)),
            ("2h", Some(7_200_000)),
            ("7d", Some(604_800_000)),
            ("0s", None),
            ("10", None),
            ("m", None),
            ("-5m", None),
            ("1w", None),
            ("99999999999999999999d", None),
            ("9999999999999999999d", None),
            ("", None),
        ] {
            let expected = millis.map(Duration::from_millis);
            assert_eq!(parse_span(text), expected, "{text}");
        }
    }
}
