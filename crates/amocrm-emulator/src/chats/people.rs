//! Senders and receivers: people outside, managers by their `amojo_id`, the channel's bot.

use uuid::Uuid;

use crate::api::Reader;
use crate::problem::Violations;
use crate::world::Account;
use crate::world::services::{Channel, Person, Writer};

/// Reads somebody outside.
pub(super) fn read_person(item: &Reader<'_>, out: &mut Violations) -> Person {
    let text = |key, out: &mut Violations| item.string(key, out).map(str::to_owned);
    let client_id = item.required_string("id", out).unwrap_or_default();
    let name = item.required_string("name", out).unwrap_or_default();
    let avatar = text("avatar", out).unwrap_or_default();
    text("profile_link", out);
    let profile = item.child("profile", out);
    let from_profile = |key, out: &mut Violations| {
        let text = profile.as_ref()?.string(key, out)?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    Person {
        id: Uuid::new_v4().to_string(),
        client_id: client_id.to_owned(),
        name: name.to_owned(),
        avatar,
        phone: from_profile("phone", out),
        email: from_profile("email", out),
    }
}

/// Who a sender is: without a `ref_id` somebody outside, with one a manager or the channel's bot.
pub(super) fn read_writer(
    account: &Account,
    channel: &Channel,
    sender: &Reader<'_>,
    out: &mut Violations,
) -> Writer {
    let Some(ref_id) = sender.string("ref_id", out) else {
        return Writer::Client;
    };
    if ref_id == channel.bot_id {
        return Writer::Bot;
    }
    let mut users = account.users.iter();
    if let Some(user) = users.find(|user| user.amojo_id(account.id) == ref_id) {
        return Writer::Manager(user.id);
    }
    out.choice(sender.path("ref_id"));
    Writer::Bot
}
