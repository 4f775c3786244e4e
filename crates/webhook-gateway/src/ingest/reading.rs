//! What a body says, as far as it can be read.

use amocrm_sdk::webhook::{self, AccountRef, Event, ParseError, Payload};

use crate::account::Account;

/// The media type that is read as JSON; everything else is a form.
pub(super) const JSON: &str = "application/json";
/// How the problem of a webhook of another account begins.
pub(super) const STRANGE: &str = "it is about the account ";

/// A body, read.
#[derive(Debug)]
pub(super) struct Reading {
    /// The account that it is about, as it says.
    pub(super) from: AccountRef,
    /// What is to be delivered.
    pub(super) events: Vec<Event>,
    /// What is not delivered, and why. No values of the body.
    pub(super) problem: Option<String>,
    /// Whether it is about another account than that of the address.
    pub(super) is_strange: bool,
}

impl Reading {
    /// Reads a body that came to an account's address as this type.
    pub(super) fn of(account: &Account, content_type: Option<&str>, body: &[u8]) -> Self {
        let parsed = if media_type(content_type.unwrap_or_default()) == JSON {
            webhook::parse_json(body)
        } else {
            webhook::parse(body)
        };
        match parsed {
            Ok(payload) => Self::of_payload(account, payload),
            Err(error) => Self {
                from: AccountRef::default(),
                events: Vec::new(),
                problem: Some(error.to_string()),
                is_strange: false,
            },
        }
    }

    fn of_payload(account: &Account, payload: Payload) -> Self {
        if let Some(problem) = strange_account(account, &payload.account) {
            return Self {
                from: payload.account,
                events: Vec::new(),
                problem: Some(problem),
                is_strange: true,
            };
        }
        let is_empty = payload.events.is_empty();
        Self {
            problem: lost(&payload.problems)
                .or_else(|| is_empty.then(|| "there are no events in it".to_owned())),
            from: payload.account,
            events: payload.events,
            is_strange: false,
        }
    }
}

/// `application/json` of `Application/JSON; charset=utf-8`.
pub(super) fn media_type(content_type: &str) -> String {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

/// Why a webhook of another account is not delivered to the subscribers of this one.
fn strange_account(account: &Account, from: &AccountRef) -> Option<String> {
    let theirs = from.id?.get();
    let ours = account.id()?;
    (theirs != ours).then(|| format!("{STRANGE}{theirs}, and this address is that of {ours}"))
}

/// The items that could not be read beside others that could.
fn lost(problems: &[ParseError]) -> Option<String> {
    let (first, more) = problems.split_first()?;
    Some(match more.len() {
        0 => first.to_string(),
        more => format!("{first} (and {more} more)"),
    })
}
