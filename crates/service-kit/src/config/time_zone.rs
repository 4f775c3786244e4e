//! Where people are: an offset from UTC.

use chrono::FixedOffset;

/// `+03:00`, `+5:30`, `-08:00` or `Z`; no zone on Earth is further than 14 hours away.
pub fn utc_offset(text: &str) -> Option<FixedOffset> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
        return FixedOffset::east_opt(0);
    }
    let (sign, rest) = match text.chars().next()? {
        '+' => (1, text.get(1..)?),
        '-' => (-1, text.get(1..)?),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let number = |part: &str, most: i32| {
        let is_plain = (1..=2).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_digit());
        part.parse::<i32>()
            .ok()
            .filter(|number| is_plain && *number <= most)
    };
    let seconds = (number(hours, 14)? * 60 + number(minutes, 59)?) * 60;
    FixedOffset::east_opt(sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::utc_offset;

    #[test]
    fn only_offsets_are_time_zones() {
        for (text, seconds) in [
            ("+03:00", Some(10_800)),
            ("+5:30", Some(19_800)),
            ("-08:00", Some(-28_800)),
            ("+7", Some(25_200)),
            ("Z", Some(0)),
            ("+14:59", Some(53_940)),
            ("03:00", None),
            ("+15:00", None),
            ("+03:60", None),
            ("+003:00", None),
            ("Europe/Moscow", None),
            ("+-3:00", None),
            ("--3", None),
            ("", None),
            ("+", None),
            ("−", None),
        ] {
            let found = utc_offset(text).map(|offset| offset.local_minus_utc());
            assert_eq!(found, seconds, "{text}");
        }
    }
}
