//! What our words are called in people's languages.

use service_kit::http::Language;

use crate::config::StageNames;
use crate::lead::LeadStatus;

/// A stage: in Russian as the account calls it.
pub(super) fn status(status: &str, stages: &StageNames, language: Language) -> String {
    let Ok(status) = status.parse::<LeadStatus>() else {
        return status.to_owned();
    };
    match language {
        Language::Russian => stages.get(status).to_owned(),
        Language::English => match status {
            LeadStatus::New => "New",
            LeadStatus::Contacted => "First contact",
            LeadStatus::Presentation => "Presentation",
            LeadStatus::Selection => "Object chosen",
            LeadStatus::Reservation => "Reservation",
            LeadStatus::Deal => "Deal",
            LeadStatus::Completed => "Completed",
            LeadStatus::Lost => "Lost",
        }
        .to_owned(),
    }
}

/// What a kind of jobs does.
pub(super) fn job(kind: &str, language: Language) -> String {
    let (russian, english) = match kind {
        "lead.deliver" => ("доставка лида", "delivering leads"),
        "lead.move" => ("смена этапа", "moving deals"),
        "lead.finish" => ("примечания", "adding notes"),
        "lead.look" => ("проверка сделки", "looking at deals"),
        "lead.contact" => ("дополнение контакта", "completing contacts"),
        "funnel.enter" => ("вход в воронку", "entering funnels"),
        "funnel.email" => ("письма клиентам", "letters to clients"),
        "funnel.whatsapp" => ("сообщения WhatsApp", "WhatsApp messages"),
        "funnel.note" => ("примечания о письмах", "notes about letters"),
        other => return other.to_owned(),
    };
    language.pick(russian, english).to_owned()
}
