//! E-mail addresses, in lower case.

use email_address::{EmailAddress, Options};

/// Reads an address somebody can write to from outside: with a domain that has a dot.
pub fn normalise_email(text: &str) -> Option<String> {
    let options = Options::default()
        .with_required_tld()
        .without_domain_literal()
        .without_display_text();
    let address = EmailAddress::parse_with_options(text.trim(), options).ok()?;
    Some(address.as_str().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_lowercased() {
        assert_eq!(
            normalise_email(" Test.User+1@Example.COM ").as_deref(),
            Some("test.user+1@example.com")
        );
        assert_eq!(
            normalise_email("иван@почта.рф").as_deref(),
            Some("иван@почта.рф")
        );
        for text in [
            "",
            "a",
            "a@",
            "@b.ru",
            "a@b",
            "a b@c.ru",
            "a@b..ru",
            "a@[127.0.0.1]",
        ] {
            assert_eq!(normalise_email(text), None, "{text}");
        }
    }
}
