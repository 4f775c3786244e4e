//! Texts with places for a lead's fields.
//!
//! The syntax is Jinja's, as minijinja reads it. A template knows the fields of [`person`](super::person) and nothing
//! else: a misspelt one is found at the start. In HTML every value is escaped.

use std::collections::BTreeMap;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use service_kit::http::Language;

use super::person::{FIELDS, nobody};

/// Nobody's letter is longer; a loop without end is.
const LONGEST: usize = 256 * 1024;

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Html,
}

/// A text in one language, or in several.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) kind: Kind,
    pub(super) variants: Variants,
}

#[derive(Clone)]
pub(super) enum Variants {
    Any(String),
    Each(BTreeMap<Language, String>),
}

impl Variants {
    /// The text for `wanted`, else for `default`, else any.
    pub(super) fn get(&self, wanted: Language, default: Language) -> &str {
        match self {
            Self::Any(text) => text,
            Self::Each(texts) => texts
                .get(&wanted)
                .or_else(|| texts.get(&default))
                .or_else(|| texts.values().next())
                .map_or("", String::as_str),
        }
    }

    /// All texts.
    pub(super) fn all(&self) -> Vec<&str> {
        match self {
            Self::Any(text) => vec![text],
            Self::Each(texts) => texts.values().map(String::as_str).collect(),
        }
    }
}

/// What is wrong with a template: the line within it, from 1, and a sentence.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) message: String,
}

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_auto_escape_callback(|name| {
        if name == "html" {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Plain => "text",
        Kind::Html => "html",
    }
}

/// Parses a template, looks at the fields it names, and fills it in once to find filters that do not exist.
pub(super) fn check(text: &str, kind: Kind, sample: &Value) -> Result<(), Wrong> {
    // Fields that leads do not have are the lead's business, not the template's.
    let environment = environment(UndefinedBehavior::Chainable);
    let wrong = |error: &minijinja::Error| Wrong {
        line: error.line().unwrap_or(1),
        message: format!("the template cannot be used: {}", say(error, true)),
    };
    let template = environment
        .template_from_named_str(name(kind), text)
        .map_err(|error| wrong(&error))?;
    for unknown in template.undeclared_variables(false) {
        if !FIELDS.contains(&unknown.as_str())
            && !environment.globals().any(|(it, _)| it == unknown)
        {
            return Err(Wrong {
                line: line_of(text, &unknown),
                message: format!(
                    "there is no field `{unknown}`; there are {}",
                    FIELDS.join(", ")
                ),
            });
        }
    }
    environment
        .render_named_str(name(kind), text, sample.clone())
        .map_err(|error| wrong(&error))?;
    // The other branches. What such a lead's values cannot do is not the template's fault; what does not exist is.
    match environment.render_named_str(name(kind), text, nobody()) {
        Err(error) if is_unknown(error.kind()) => Err(wrong(&error)),
        _ => Ok(()),
    }
}

fn is_unknown(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
    )
}

/// Fills a template in. The error repeats no values.
pub(super) fn fill(text: &str, kind: Kind, fields: &Value) -> Result<String, String> {
    let environment = environment(UndefinedBehavior::SemiStrict);
    let filled = environment
        .render_named_str(name(kind), text, fields.clone())
        .map_err(|error| {
            format!(
                "the template cannot be filled in: {}, line {}",
                say(&error, false),
                error.line().unwrap_or(1)
            )
        })?;
    if filled.len() > LONGEST {
        return Err("the text is too long".to_owned());
    }
    Ok(filled)
}

/// The kind of an error in words; its detail may quote a value, which for a sample is no secret.
fn say(error: &minijinja::Error, with_detail: bool) -> String {
    let kind = match error.kind() {
        ErrorKind::UndefinedError => "the lead has no such value".to_owned(),
        other => other.to_string(),
    };
    match error.detail().filter(|_| with_detail) {
        Some(detail) => format!("{kind} ({detail})"),
        None => kind,
    }
}

fn line_of(text: &str, word: &str) -> usize {
    text.find(word)
        .map_or(1, |at| text[..at].matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::super::person::sample;
    use super::*;

    #[test]
    fn a_value_is_escaped_in_html_and_nowhere_else() {
        let fields = Value::from_pairs([("name", Value::from("<b>\"A\"&B</b>"))]);
        let html = fill("<p>{{ name }}</p>", Kind::Html, &fields).unwrap();
        assert!(
            !html.contains("<b>") && html.contains("&lt;b&gt;"),
            "{html}"
        );
        let text = fill("{{ name }}", Kind::Plain, &fields).unwrap();
        assert_eq!(text, "<b>\"A\"&B</b>");
    }

    #[test]
    fn what_is_wrong_with_a_template_is_told_with_its_line() {
        let sample = sample();
        for (text, line, words) in [
            ("a\nb {{ nmae }}", 2, "no field `nmae`"),
            ("a\n\n{{ name", 3, "cannot be used"),
            ("{{ name | shout }}", 1, "cannot be used"),
            ("{% include 'x' %}", 1, "cannot be used"),
            ("{{ range(1) }}\n{{ debug() }}", 2, "cannot be used"),
        ] {
            let wrong = check(text, Kind::Plain, &sample);
            let Err(wrong) = wrong else { continue };
            assert!(wrong.message.contains(words), "{text}: {}", wrong.message);
            assert_eq!(wrong.line, line, "{text}");
        }
        assert!(check("{{ nmae }}", Kind::Plain, &sample).is_err());
        assert!(check("{{ name | shout }}", Kind::Plain, &sample).is_err());
        for good in [
            "{{ first_name or \"друг\" }}",
            "{% if price %}{{ price }}{% endif %}",
            "{{ custom_fields[\"Объект\"] | default(\"вилла\") }} {{ tags | join(\", \") }}",
            "{% for tag in tags %}{{ tag }}{% endfor %}",
        ] {
            assert!(check(good, Kind::Plain, &sample).is_ok(), "{good}");
        }
    }

    #[test]
    fn an_error_at_a_lead_says_nothing_about_the_lead() {
        let fields = Value::from_pairs([("name", Value::from("Canary"))]);
        for text in [
            "{{ name.first }}",
            "{{ name | int }}",
            "{{ name + 1 }}",
            "{{ gone }}",
        ] {
            let Err(error) = fill(text, Kind::Plain, &fields) else {
                continue;
            };
            assert!(!error.contains("Canary"), "{error}");
        }
        assert!(fill("{{ gone }}", Kind::Plain, &fields).is_err());
    }
}
