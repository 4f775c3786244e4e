//! What counts as an answer of the client, wherever it comes from.

use amocrm_sdk::webhook::{Action, Event, MessageEvent, NoteBody};
use serde::Deserialize;
use store::{Channel, Heard, Identity, Receipt, Replied, Store, StoreError};

use super::file::Funnels;
use super::note::{self, message_of_id};
use super::whatsapp::number_of_callback;

/// amoCRM's numbers of note types in webhooks, from its older lists: a call that came in, a message that came in.
const INCOMING_NOTES: [u32; 2] = [10, 102];
/// A letter of the account's mailbox; its text says which way it went.
const MAIL_NOTE: u32 = 15;
/// Words by which a person asks for no more, alone in a message.
const ENOUGH: [&str; 9] = [
    "стоп",
    "stop",
    "отписаться",
    "отпишите",
    "отпишите меня",
    "не пишите",
    "не пишите мне",
    "unsubscribe",
    "end",
];

/// Stops what an event of amoCRM stops: an incoming message, call or letter at a deal or its contact, or a new talk.
pub(crate) async fn hear_amocrm(
    store: &Store,
    account: &str,
    event: &Event,
) -> Result<(), StoreError> {
    let raw = |id: u64| i64::try_from(id).unwrap_or_default();
    let deal = |id: u64| Heard::Deal {
        account: account.to_owned(),
        id: raw(id),
    };
    let mut heard = Vec::new();
    match event {
        Event::Lead(lead) => {
            let came_in = match &lead.action {
                Action::MailIn | Action::CallIn | Action::Chat => true,
                Action::Note => lead.note.as_ref().is_some_and(is_incoming),
                _ => false,
            };
            if came_in {
                heard.push(deal(lead.id.get()));
            }
        }
        Event::Contact(contact) => {
            let is_note = contact.action == Action::Note;
            if is_note && contact.note.as_ref().is_some_and(is_incoming) {
                heard.push(Heard::Contact(raw(contact.id.get())));
            }
        }
        Event::Message(message) if comes_in(message) => {
            if message.entity_type.as_deref() == Some("lead") {
                heard.extend(message.entity_id.map(deal));
            }
            heard.extend(message.contact_id.map(|id| Heard::Contact(raw(id.get()))));
        }
        Event::Talk(talk) if talk.action == Action::Add => {
            if talk.entity_type.as_deref() == Some("lead") {
                heard.extend(talk.entity_id.map(deal));
            }
            heard.extend(talk.contact_id.map(|id| Heard::Contact(raw(id.get()))));
        }
        _ => {}
    }
    for from in heard {
        tell(&store.funnels().reply(from, None).await?, "amocrm");
    }
    Ok(())
}

fn comes_in(message: &MessageEvent) -> bool {
    match message.direction.as_deref() {
        Some(direction) => direction == "incoming",
        None => {
            message
                .author
                .as_ref()
                .and_then(|author| author.kind.as_deref())
                == Some("external")
        }
    }
}

fn is_incoming(note: &NoteBody) -> bool {
    #[derive(Deserialize)]
    struct Mail {
        income: serde_json::Value,
    }
    match note.note_type {
        Some(MAIL_NOTE) => note
            .text
            .as_deref()
            .and_then(|text| serde_json::from_str::<Mail>(text).ok())
            .is_some_and(|mail| {
                mail.income == true
                    || mail.income == 1
                    || mail.income == "1"
                    || mail.income == "true"
            }),
        Some(other) => INCOMING_NOTES.contains(&other),
        None => false,
    }
}

/// Stops what a letter stops: known by the message it answers, else by its sender.
pub(crate) async fn hear_email(
    store: &Store,
    from: Option<&str>,
    in_reply_to: Option<&str>,
) -> Result<Replied, StoreError> {
    let funnels = store.funnels();
    if let Some((number, intake_id)) = in_reply_to.and_then(message_of_id)
        && let Some(message) = funnels.message(number).await?
        && let Some(lead) = store.leads().get(message.lead_id).await?
        && lead.intake_id.to_string() == intake_id
    {
        let replied = funnels.reply(Heard::Message(number), None).await?;
        tell(&replied, "email");
        return Ok(replied);
    }
    let Some(from) = from else {
        return Ok(Replied::default());
    };
    let replied = funnels
        .reply(Heard::Address(Identity::email(from)), None)
        .await?;
    tell(&replied, "email");
    Ok(replied)
}

/// What of a body of WhatsApp's webhook concerns us; everything else in it is left alone.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    value: Option<ChangeValue>,
}

#[derive(Deserialize)]
struct ChangeValue {
    metadata: Option<Metadata>,
    #[serde(default)]
    statuses: Vec<Status>,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Metadata {
    phone_number_id: Option<String>,
}

#[derive(Deserialize)]
struct Status {
    id: String,
    #[serde(rename = "status")]
    word: String,
    biz_opaque_callback_data: Option<String>,
    #[serde(default)]
    errors: Vec<StatusError>,
}

#[derive(Deserialize)]
struct StatusError {
    code: Option<i64>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    from: String,
    text: Option<MessageText>,
    button: Option<MessageButton>,
}

#[derive(Deserialize)]
struct MessageText {
    body: String,
}

#[derive(Deserialize)]
struct MessageButton {
    text: Option<String>,
}

/// What a webhook of WhatsApp did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HeardWhatsapp {
    /// Reports about messages of ours that were news.
    pub(crate) receipts: usize,
    /// Messages of people that we know.
    pub(crate) answers: usize,
}

/// Takes a body of WhatsApp's webhook; `None` if it cannot be read. What is for another number is left alone.
pub(crate) async fn hear_whatsapp(
    store: &Store,
    funnels: &Funnels,
    number: Option<&str>,
    body: &[u8],
) -> Result<Option<HeardWhatsapp>, StoreError> {
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return Ok(None);
    };
    let mut heard = HeardWhatsapp::default();
    let changes = body.entry.into_iter().flat_map(|entry| entry.changes);
    for value in changes.filter_map(|change| change.value) {
        let theirs = value.metadata.and_then(|metadata| metadata.phone_number_id);
        if theirs.is_some() && theirs.as_deref() != number {
            continue;
        }
        for status in value.statuses {
            let message = status
                .biz_opaque_callback_data
                .as_deref()
                .and_then(number_of_callback);
            if !["sent", "delivered", "read", "failed"].contains(&status.word.as_str()) {
                continue;
            }
            let code = status.errors.first().and_then(|error| error.code);
            let receipt = Receipt {
                message,
                external_id: status.id,
                word: status.word,
                reason: code.map(|code| format!("WhatsApp reports error {code}")),
            };
            let word = receipt.word.clone();
            if store.funnels().receive(receipt).await? {
                heard.receipts += 1;
                metrics::counter!("funnel_receipts_total", "channel" => Channel::Whatsapp.as_str(), "status" => word)
                    .increment(1);
            }
        }
        for message in value.messages {
            heard.answers += usize::from(answer(store, funnels, message).await?);
        }
    }
    Ok(Some(heard))
}

async fn answer(store: &Store, funnels: &Funnels, message: Message) -> Result<bool, StoreError> {
    let digits: String = message.from.chars().filter(char::is_ascii_digit).collect();
    let phone = Identity::phone(format!("+{digits}"));
    let text = message
        .text
        .map(|text| text.body)
        .or_else(|| message.button?.text)
        .unwrap_or_default();
    let from = Heard::Address(phone.clone());
    // First without the note, to know whose note it would be.
    let replied = store.funnels().reply(from.clone(), None).await?;
    tell(&replied, "whatsapp");
    let plain = text.trim().trim_end_matches(['.', '!']).to_lowercase();
    if ENOUGH.contains(&plain.as_str()) {
        store.funnels().unsubscribe_address(phone).await?;
        metrics::counter!("funnel_unsubscriptions_total", "channel" => Channel::Whatsapp.as_str())
            .increment(1);
    }
    let Some(lead) = replied.leads.first() else {
        return Ok(false);
    };
    if let Some(row) = store.leads().get(*lead).await?
        && !text.trim().is_empty()
    {
        let note = note::of_answer(&row, funnels.language, &message.id, &text);
        store.funnels().reply(from, Some(note)).await?;
    }
    Ok(true)
}

fn tell(replied: &Replied, from: &'static str) {
    if replied.leads.is_empty() {
        return;
    }
    metrics::counter!("funnel_replies_total", "from" => from).increment(1);
    if replied.stopped > 0 {
        tracing::info!(
            lead.id = replied.leads.first(),
            stopped = replied.stopped,
            "an answer stops messages"
        );
    }
}
