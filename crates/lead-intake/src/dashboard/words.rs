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

/// Why an attempt failed.
pub(super) fn reason(reason: &str, language: Language) -> String {
    let (russian, english) = match reason {
        "connect" => ("нет связи с amoCRM", "no connection to amoCRM"),
        "timeout" | "deadline" => ("amoCRM не ответил вовремя", "no answer in time"),
        "transport" => ("связь прервалась", "the connection broke"),
        "rate_limited" => ("слишком много запросов (429)", "too many requests (429)"),
        "blocked" => ("amoCRM блокирует (403)", "blocked by amoCRM (403)"),
        "not_configured" => ("не настроено", "not configured"),
        "not_connected" => ("аккаунт не подключён", "not connected"),
        "needs_reconnect" | "unauthorized" | "refused" => (
            "доступ отозван: подключите снова",
            "access refused: connect again",
        ),
        "payment_required" => ("не оплачен тариф (402)", "payment required (402)"),
        "forbidden" => ("не хватает прав (403)", "not allowed (403)"),
        "not_found" => ("не найдено (404)", "not found (404)"),
        "validation" => ("amoCRM отверг значение", "a value was refused"),
        "rejected" => ("amoCRM отверг запрос", "the request was refused"),
        "server" => ("ошибка amoCRM (5xx)", "amoCRM failed (5xx)"),
        "decode" => ("непонятный ответ", "an answer nobody understands"),
        "missing" => ("нет поля или воронки", "a field or pipeline is missing"),
        "gone" => ("сделки больше нет", "the deal is gone"),
        other => return other.to_owned(),
    };
    language.pick(russian, english).to_owned()
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
