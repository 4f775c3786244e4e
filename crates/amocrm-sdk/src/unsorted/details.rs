//! What is known of an incoming lead, by its category.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::UnsortedCategory;
use crate::calls::CallParty;
use crate::de::Loose;
use crate::notes::MailAddress;

/// What is known of the form, call, letter or chat that an incoming lead came as. `Debug` shows only the category.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum UnsortedDetails {
    /// A web form.
    Forms(FormDetails),
    /// A call.
    Sip(SipDetails),
    /// A letter.
    Mail(MailDetails),
    /// A chat.
    Chats(ChatDetails),
    /// A category that this version does not know.
    Unknown(Value),
}

impl UnsortedDetails {
    pub(super) fn read(category: &UnsortedCategory, metadata: &Value) -> Self {
        let part = Loose::of(metadata);
        match category {
            UnsortedCategory::Forms => Self::Forms(FormDetails::read(part)),
            UnsortedCategory::Sip => Self::Sip(SipDetails::read(part)),
            UnsortedCategory::Mail => Self::Mail(MailDetails::read(part)),
            UnsortedCategory::Chats => Self::Chats(ChatDetails::read(part)),
            UnsortedCategory::Unknown(_) => Self::Unknown(metadata.clone()),
        }
    }
}

impl fmt::Debug for UnsortedDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forms(_) => "Forms(..)",
            Self::Sip(_) => "Sip(..)",
            Self::Mail(_) => "Mail(..)",
            Self::Chats(_) => "Chats(..)",
            Self::Unknown(_) => "Unknown(..)",
        })
    }
}

/// Declares the details of a category: public fields, read one by one, missing if they cannot be.
macro_rules! details {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $key:literal $read:ident;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$doc])* pub $field: Option<$type>,)+
        }

        impl $name {
            fn read(part: Loose<'_>) -> Self {
                Self { $($field: $read(part.get($key)),)+ }
            }
        }

        crate::entity::quiet_debug!($name);
    };
}

details! {
    /// A web form.
    pub struct FormDetails {
        /// Its id.
        form_id: String = "form_id" text;
        /// Its name.
        form_name: String = "form_name" text;
        /// The page it is on.
        form_page: String = "form_page" text;
        /// When it was sent.
        form_sent_at: DateTime<Utc> = "form_sent_at" time;
        /// Its type.
        form_type: String = "form_type" text;
        /// The visitor's address.
        ip: String = "ip" text;
        /// The page that the visitor came from.
        referer: String = "referer" text;
        /// The id that amoCRM's pixel gave to the visitor.
        visitor_uid: String = "visitor_uid" text;
    }
}

details! {
    /// A call.
    pub struct SipDetails {
        /// Who called.
        phone: String = "phone" text;
        /// When.
        called_at: DateTime<Utc> = "called_at" time;
        /// How long, in seconds.
        duration: u64 = "duration" number;
        /// Where the record is.
        link: String = "link" text;
        /// Code of the telephony service.
        service_code: String = "service_code" text;
        /// Unique id of the call on the telephony's side.
        uniq: String = "uniq" text;
        /// How the caller is shown.
        from: String = "from" text;
        /// Who was called.
        call_responsible: CallParty = "call_responsible" party;
    }
}

details! {
    /// A letter.
    pub struct MailDetails {
        /// Who sent it.
        from: MailAddress = "from" address;
        /// When it came.
        received_at: DateTime<Utc> = "received_at" time;
        /// Its subject.
        subject: String = "subject" text;
        /// Its thread.
        thread_id: u64 = "thread_id" number;
        /// Its id.
        message_id: u64 = "message_id" number;
        /// How it begins.
        content_summary: String = "content_summary" text;
    }
}

details! {
    /// A chat.
    pub struct ChatDetails {
        /// Who wrote.
        from: String = "from" text;
        /// To whom.
        to: String = "to" text;
        /// When the message came.
        received_at: DateTime<Utc> = "received_at" time;
        /// The messenger.
        service: String = "service" text;
        /// The client.
        client: ChatClient = "client" client;
        /// The chat.
        origin: ChatOrigin = "origin" origin;
        /// The last message.
        last_message_text: String = "last_message_text" text;
        /// Where it came from, as users see it.
        source_name: String = "source_name" text;
    }
}

details! {
    /// Who writes in a chat.
    pub struct ChatClient {
        /// The name.
        name: String = "name" text;
        /// Where the picture is.
        avatar: String = "avatar" text;
    }
}

details! {
    /// Where a chat began.
    pub struct ChatOrigin {
        /// The chat.
        chat_id: String = "chat_id" text;
        /// What led to it.
        reference: String = "ref" text;
        /// The id that amoCRM's pixel gave to the visitor.
        visitor_uid: String = "visitor_uid" text;
    }
}

fn text(part: Loose<'_>) -> Option<String> {
    part.text()
}

fn number(part: Loose<'_>) -> Option<u64> {
    part.number()
}

fn time(part: Loose<'_>) -> Option<DateTime<Utc>> {
    part.time()
}

fn party(part: Loose<'_>) -> Option<CallParty> {
    CallParty::read(&part.value())
}

fn address(part: Loose<'_>) -> Option<MailAddress> {
    part.items().first().copied().map(MailAddress::read)
}

fn client(part: Loose<'_>) -> Option<ChatClient> {
    part.items().first().copied().map(ChatClient::read)
}

fn origin(part: Loose<'_>) -> Option<ChatOrigin> {
    part.items().first().copied().map(ChatOrigin::read)
}
