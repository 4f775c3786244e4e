//! `funnels.toml`: read and checked whole, with the line of everything that is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr as _;

use chrono::{FixedOffset, TimeDelta};
use serde::Deserialize;
use service_kit::config::utc_offset;
use service_kit::http::Language;
use store::{Channel, Stops};
use toml::{Spanned, Value};

use super::person::sample;
use super::schedule::{Quiet, delay};
use super::template::{Kind, Text, Variants, check};
use crate::lead::{LeadForm, LeadStatus, UTM_MARKS};

/// Somebody who gets more than this in a day leaves.
const PER_RECIPIENT: u32 = 3;
const QUIET: &str = "21:00-09:00";
const ZONE: &str = "+03:00";
/// A message this late after its time has lost its sense.
const GIVE_UP_AFTER: &str = "3d";
/// WhatsApp's own limits would be met later; this is a plain mistake.
const MOST_STEPS: usize = 50;

/// What is wrong with the file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// All funnels.
#[derive(Clone)]
pub struct Funnels {
    pub(super) zone: FixedOffset,
    pub(super) language: Language,
    pub(super) per_recipient: u32,
    pub(super) give_up_after: TimeDelta,
    pub(crate) list: Vec<Funnel>,
}

impl fmt::Debug for Funnels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.list.iter().map(|funnel| &funnel.name);
        f.debug_list().entries(names).finish()
    }
}

/// A funnel: which leads, and what they get.
#[derive(Clone)]
pub(crate) struct Funnel {
    pub(crate) name: String,
    pub(crate) on: LeadStatus,
    utm: BTreeMap<String, Vec<String>>,
    tags: Vec<String>,
    pub(super) stops: Stops,
    pub(super) quiet: Option<Quiet>,
    pub(super) per_day: Option<u32>,
    pub(crate) steps: Vec<Step>,
}

/// One message.
#[derive(Clone)]
pub(crate) struct Step {
    pub(super) after: TimeDelta,
    pub(super) content: Content,
}

#[derive(Clone)]
pub(super) enum Content {
    Email {
        subject: Text,
        text: Text,
        html: Option<Text>,
    },
    Whatsapp {
        template: Variants,
        /// The template's language; `None`: the lead's.
        language: Option<String>,
        parameters: Vec<Text>,
    },
}

impl Step {
    pub(super) fn channel(&self) -> Channel {
        match self.content {
            Content::Email { .. } => Channel::Email,
            Content::Whatsapp { .. } => Channel::Whatsapp,
        }
    }
}

impl Funnel {
    /// Whether a lead with this form is meant: every condition has to hold, and of several values one.
    pub(super) fn is_for(&self, form: &LeadForm) -> bool {
        let is_one_of = |texts: &[String], text: &str| {
            texts
                .iter()
                .any(|wanted| wanted.to_lowercase() == text.to_lowercase())
        };
        let marks = self.utm.iter().all(|(mark, wanted)| {
            form.utm
                .get(mark)
                .is_some_and(|value| is_one_of(wanted, value))
        });
        let tags = self.tags.is_empty() || form.tags.iter().any(|tag| is_one_of(&self.tags, tag));
        marks && tags
    }
}

impl Funnels {
    /// Reads the text of `funnels.toml` and checks every template in it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of its lines.
    pub fn parse(text: &str) -> Result<Self, Vec<FileError>> {
        let raw: RawFile = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            vec![FileError {
                line: line_at(text, at),
                message: error.message().to_owned(),
            }]
        })?;
        let mut reader = Reader {
            text,
            errors: Vec::new(),
            sample: sample(),
        };
        let funnels = reader.file(raw);
        if reader.errors.is_empty() {
            Ok(funnels)
        } else {
            reader.errors.sort_by_key(|error| error.line);
            Err(reader.errors)
        }
    }

    /// Whether any step is an e-mail.
    pub fn sends_email(&self) -> bool {
        self.sends(Channel::Email)
    }

    /// Whether any step is a WhatsApp message.
    pub fn sends_whatsapp(&self) -> bool {
        self.sends(Channel::Whatsapp)
    }

    fn sends(&self, channel: Channel) -> bool {
        let mut steps = self.list.iter().flat_map(|funnel| &funnel.steps);
        steps.any(|step| step.channel() == channel)
    }

    /// A funnel and its step, as stored messages name them.
    pub(super) fn step(&self, funnel: &str, step: i64) -> Option<(&Funnel, &Step)> {
        let funnel = self.list.iter().find(|it| it.name == funnel)?;
        let index = usize::try_from(step).ok()?.checked_sub(1)?;
        Some((funnel, funnel.steps.get(index)?))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    time_zone: Option<Spanned<String>>,
    quiet_hours: Option<Spanned<String>>,
    language: Option<Spanned<String>>,
    per_recipient_per_day: Option<Spanned<u32>>,
    give_up_after: Option<Spanned<String>>,
    #[serde(default)]
    funnel: Vec<Spanned<RawFunnel>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFunnel {
    name: Spanned<String>,
    on: Spanned<String>,
    #[serde(default)]
    utm: BTreeMap<String, Spanned<Value>>,
    tags: Option<Spanned<Value>>,
    stop_on: Option<Vec<Spanned<String>>>,
    quiet_hours: Option<Spanned<String>>,
    per_day: Option<Spanned<u32>>,
    #[serde(default)]
    step: Vec<Spanned<RawStep>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    after: Spanned<String>,
    channel: Spanned<String>,
    subject: Option<Spanned<Value>>,
    text: Option<Spanned<Value>>,
    html: Option<Spanned<Value>>,
    template: Option<Spanned<Value>>,
    language: Option<Spanned<String>>,
    parameters: Option<Vec<Spanned<Value>>>,
}

struct Reader<'a> {
    text: &'a str,
    errors: Vec<FileError>,
    sample: minijinja::Value,
}

impl Reader<'_> {
    fn wrong<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        let line = line_at(self.text, at.span().start);
        self.errors.push(FileError {
            line,
            message: message.into(),
        });
    }

    fn file(&mut self, raw: RawFile) -> Funnels {
        let quiet = self.quiet(raw.quiet_hours.as_ref(), Quiet::parse(QUIET));
        let zone = self.or_default(
            raw.time_zone.as_ref(),
            ZONE,
            utc_offset,
            "time_zone: expected an offset such as \"+03:00\"",
        );
        let language = self.or_default(
            raw.language.as_ref(),
            "ru",
            Language::parse,
            "language: expected \"ru\" or \"en\"",
        );
        let give_up_after = self.or_default(
            raw.give_up_after.as_ref(),
            GIVE_UP_AFTER,
            delay,
            "give_up_after: expected a time such as \"3d\"",
        );
        let per_recipient =
            self.at_least_one(raw.per_recipient_per_day.as_ref(), "per_recipient_per_day");
        let mut names = BTreeSet::new();
        let mut list = Vec::new();
        for funnel in raw.funnel {
            let name = &funnel.get_ref().name;
            if !names.insert(name.get_ref().clone()) {
                let message = format!("there are two funnels of the name `{}`", name.get_ref());
                self.wrong(name, message);
            }
            if let Some(funnel) = self.funnel(&funnel, quiet) {
                list.push(funnel);
            }
        }
        Funnels {
            zone: zone.unwrap_or_else(|| chrono::Offset::fix(&chrono::Utc)),
            language: language.unwrap_or(Language::Russian),
            per_recipient: per_recipient.unwrap_or(PER_RECIPIENT),
            give_up_after: give_up_after.unwrap_or_default(),
            list,
        }
    }

    fn or_default<T>(
        &mut self,
        given: Option<&Spanned<String>>,
        default: &str,
        parse: impl Fn(&str) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        match given {
            None => parse(default),
            Some(given) => {
                let value = parse(given.get_ref());
                if value.is_none() {
                    self.wrong(given, expected);
                }
                value
            }
        }
    }

    fn quiet(&mut self, given: Option<&Spanned<String>>, default: Option<Quiet>) -> Option<Quiet> {
        let Some(given) = given else { return default };
        if given.get_ref() == "off" {
            return None;
        }
        let quiet = Quiet::parse(given.get_ref());
        if quiet.is_none() {
            self.wrong(
                given,
                "quiet_hours: expected hours such as \"21:00-09:00\", or \"off\"",
            );
        }
        quiet
    }

    fn at_least_one(&mut self, given: Option<&Spanned<u32>>, name: &str) -> Option<u32> {
        let given = given?;
        if *given.get_ref() == 0 {
            self.wrong(given, format!("{name}: expected a number of at least 1"));
        }
        Some(*given.get_ref())
    }

    fn funnel(&mut self, spanned: &Spanned<RawFunnel>, quiet: Option<Quiet>) -> Option<Funnel> {
        let raw = spanned.get_ref();
        let name = raw.name.get_ref();
        // It is in addresses of metrics, lanes and counters.
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            self.wrong(
                &raw.name,
                "name: expected 1 to 64 Latin letters, digits, `-` or `_`",
            );
        }
        let on = LeadStatus::from_str(raw.on.get_ref());
        if let Err(expected) = &on {
            self.wrong(&raw.on, format!("on: {expected}"));
        }
        let mut utm = BTreeMap::new();
        for (mark, wanted) in &raw.utm {
            let mark = mark.strip_prefix("utm_").unwrap_or(mark);
            if !UTM_MARKS.contains(&mark) {
                self.wrong(
                    wanted,
                    format!("utm: expected one of {}", UTM_MARKS.join(", ")),
                );
            }
            utm.insert(mark.to_owned(), self.texts(wanted, "utm"));
        }
        let tags = raw.tags.as_ref().map(|tags| self.texts(tags, "tags"));
        let steps: Vec<_> = raw.step.iter().filter_map(|step| self.step(step)).collect();
        if raw.step.is_empty() || raw.step.len() > MOST_STEPS {
            self.wrong(spanned, format!("step: expected 1 to {MOST_STEPS} steps"));
        }
        if steps.len() == raw.step.len() {
            for (pair, step) in steps.windows(2).zip(&raw.step[1..]) {
                if pair[1].after < pair[0].after {
                    self.wrong(
                        &step.get_ref().after,
                        "after: counts from the status, so it cannot be less than the step's before",
                    );
                }
            }
        }
        Some(Funnel {
            name: name.clone(),
            on: on.ok()?,
            utm,
            tags: tags.unwrap_or_default(),
            stops: self.stops(raw.stop_on.as_deref()),
            quiet: self.quiet(raw.quiet_hours.as_ref(), quiet),
            per_day: self.at_least_one(raw.per_day.as_ref(), "per_day"),
            steps,
        })
    }

    fn stops(&mut self, given: Option<&[Spanned<String>]>) -> Stops {
        let all = given.is_none();
        let mut stops = Stops {
            reply: all,
            status: all,
            unsubscribe: all,
        };
        for word in given.unwrap_or_default() {
            match word.get_ref().as_str() {
                "reply" => stops.reply = true,
                "status" => stops.status = true,
                "unsubscribe" => stops.unsubscribe = true,
                _ => self.wrong(word, "stop_on: expected reply, status or unsubscribe"),
            }
        }
        stops
    }

    /// One text, or a list of them.
    fn texts(&mut self, given: &Spanned<Value>, name: &str) -> Vec<String> {
        let texts = match given.get_ref() {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect(),
            _ => None,
        };
        if texts.as_ref().is_none_or(Vec::is_empty) {
            self.wrong(given, format!("{name}: expected a text or a list of texts"));
        }
        texts.unwrap_or_default()
    }

    fn step(&mut self, spanned: &Spanned<RawStep>) -> Option<Step> {
        let raw = spanned.get_ref();
        let after = delay(raw.after.get_ref());
        if after.is_none() {
            self.wrong(
                &raw.after,
                "after: expected a time such as \"15m\", \"2h\" or \"2d\", at most a year",
            );
        }
        let foreign: &[(&str, bool)] = match raw.channel.get_ref().as_str() {
            "email" => &[
                ("template", raw.template.is_some()),
                ("language", raw.language.is_some()),
                ("parameters", raw.parameters.is_some()),
            ],
            "whatsapp" => &[
                ("subject", raw.subject.is_some()),
                ("text", raw.text.is_some()),
                ("html", raw.html.is_some()),
            ],
            _ => {
                self.wrong(&raw.channel, "channel: expected email or whatsapp");
                return None;
            }
        };
        for (name, _) in foreign.iter().filter(|(_, is_given)| *is_given) {
            let message = format!(
                "{name}: means nothing to the channel {}",
                raw.channel.get_ref()
            );
            self.wrong(&raw.channel, message);
        }
        let content = if raw.channel.get_ref() == "email" {
            self.email(spanned)
        } else {
            self.whatsapp(spanned)
        };
        Some(Step {
            after: after?,
            content: content?,
        })
    }

    fn email(&mut self, spanned: &Spanned<RawStep>) -> Option<Content> {
        let raw = spanned.get_ref();
        for (name, value) in [("subject", &raw.subject), ("text", &raw.text)] {
            if value.is_none() {
                self.wrong(spanned, format!("{name}: an e-mail needs one"));
            }
        }
        let html = raw
            .html
            .as_ref()
            .map(|html| self.template(html, "html", Kind::Html));
        let subject = self.template(raw.subject.as_ref()?, "subject", Kind::Plain);
        let text = self.template(raw.text.as_ref()?, "text", Kind::Plain);
        Some(Content::Email {
            subject: subject?,
            text: text?,
            html: html.flatten(),
        })
    }

    fn whatsapp(&mut self, spanned: &Spanned<RawStep>) -> Option<Content> {
        let raw = spanned.get_ref();
        let Some(template) = &raw.template else {
            self.wrong(
                spanned,
                "template: a WhatsApp message needs the name of one that Meta has approved",
            );
            return None;
        };
        let names = self.variants(template, "template")?;
        let plain =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if names
            .all()
            .iter()
            .any(|name| name.is_empty() || !name.chars().all(plain))
        {
            self.wrong(
                template,
                "template: expected a name of small Latin letters, digits and `_`",
            );
        }
        if let Some(language) = &raw.language {
            let plain = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
            if language.get_ref().len() < 2 || !language.get_ref().chars().all(plain) {
                self.wrong(language, "language: expected the template's language as Meta writes it, such as \"ru\" or \"en_US\"");
            }
        }
        let mut parameters = Vec::new();
        for parameter in raw.parameters.iter().flatten() {
            parameters.push(self.template(parameter, "parameters", Kind::Plain)?);
        }
        Some(Content::Whatsapp {
            template: names,
            language: raw
                .language
                .as_ref()
                .map(|language| language.get_ref().clone()),
            parameters,
        })
    }

    fn template(&mut self, given: &Spanned<Value>, name: &str, kind: Kind) -> Option<Text> {
        let variants = self.variants(given, name)?;
        let start = given.span().start;
        for text in variants.all() {
            if text.trim().is_empty() {
                self.wrong(given, format!("{name}: is empty"));
            }
            if let Err(wrong) = check(text, kind, &self.sample) {
                // A text in three quotes begins a line below them.
                let opening = self.text[start..].find(text.lines().next().unwrap_or_default());
                let first = line_at(self.text, start + opening.unwrap_or(0));
                self.errors.push(FileError {
                    line: first + wrong.line - 1,
                    message: format!("{name}: {}", wrong.message),
                });
            }
        }
        Some(Text { kind, variants })
    }

    /// A text, or `{ ru = "…", en = "…" }`.
    fn variants(&mut self, given: &Spanned<Value>, name: &str) -> Option<Variants> {
        let variants = match given.get_ref() {
            Value::String(text) => Some(Variants::Any(text.clone())),
            Value::Table(table) => table
                .iter()
                .map(|(language, text)| {
                    let language = Language::ALL.into_iter().find(|it| it.code() == language)?;
                    Some((language, text.as_str()?.to_owned()))
                })
                .collect::<Option<BTreeMap<_, _>>>()
                .filter(|texts| !texts.is_empty())
                .map(Variants::Each),
            _ => None,
        };
        if variants.is_none() {
            self.wrong(
                given,
                format!("{name}: expected a text, or {{ ru = \"…\", en = \"…\" }}"),
            );
        }
        variants
    }
}

/// The line of a byte, from 1.
fn line_at(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
time_zone = "+03:00"
[[funnel]]
name = "welcome"
on = "new"
utm = { source = ["Google", "yandex"] }
tags = "vip"
[[funnel.step]]
after = "15m"
channel = "email"
subject = { ru = "Здравствуйте, {{ first_name }}", en = "Hello" }
text = """
Dear {{ name }},
{{ unsubscribe_url }}
"""
[[funnel.step]]
after = "2d"
channel = "whatsapp"
template = "hello"
parameters = ["{{ first_name or 'friend' }}"]
"#;

    #[test]
    fn a_funnel_is_for_leads_that_meet_every_condition() {
        let funnels = Funnels::parse(GOOD).unwrap();
        let form = |source: Option<&str>, tag: &str| LeadForm {
            utm: source
                .map(|source| ("source".to_owned(), source.to_owned()))
                .into_iter()
                .collect(),
            tags: vec![tag.to_owned()],
            ..LeadForm::default()
        };
        for (source, tag, is_meant) in [
            (Some("google"), "VIP", true),
            (Some("Yandex"), "vip", true),
            (Some("bing"), "vip", false),
            (None, "vip", false),
            (Some("google"), "other", false),
        ] {
            assert_eq!(
                funnels.list[0].is_for(&form(source, tag)),
                is_meant,
                "{source:?} {tag}"
            );
        }
        assert!(funnels.sends_email() && funnels.sends_whatsapp());
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        for (from, to, line, words) in [
            ("+03:00", "Moscow", 2, "time_zone"),
            ("\"welcome\"", "\"добро\"", 4, "name"),
            ("\"new\"", "\"newest\"", 5, "expected one of new"),
            ("source =", "sauce =", 6, "utm: expected one of"),
            ("\"vip\"", "7", 7, "tags"),
            ("15m", "soon", 9, "after"),
            ("15m", "3d", 17, "after"),
            ("\"email\"", "\"pigeon\"", 10, "channel"),
            (
                "{{ first_name }}",
                "{{ firstname }}",
                11,
                "no field `firstname`",
            ),
            ("en = \"Hello\"", "de = \"Hallo\"", 11, "subject"),
            ("{{ unsubscribe_url }}", "{{ unsubscribe }}", 14, "no field"),
            ("{{ name }}", "{{ name", 13, "text: the template"),
            ("\"hello\"", "\"Hello!\"", 19, "template"),
            (
                "channel = \"whatsapp\"",
                "chanel = \"whatsapp\"",
                18,
                "chanel",
            ),
            ("template = \"hello\"", "", 16, "template"),
            ("'friend' }}", "'friend' | shout }}", 20, "parameters"),
            ("[[funnel]]", "[[funnel", 3, ""),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let Err(errors) = Funnels::parse(&GOOD.replacen(from, to, 1)) else {
                panic!("{to} was taken");
            };
            let error = &errors[0];
            assert!(error.message.contains(words), "{from}: {error:?}");
            assert_eq!(error.line, line, "{from}: {error:?}");
        }
    }
}
