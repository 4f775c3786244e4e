//! `GET /api/v4/events/types`: the codes with their numbers and names.

use serde_json::{Value, json};

use crate::{
    api::call::Context,
    hal::{Answer, Reply, collection},
};

/// The number every per-field code shares with `custom_field_value_changed`.
const FIELD_CHANGED: u16 = 24;

/// Code, number (as one live account of 2025 had it), English name, Russian name.
const TYPES: [(&str, u16, &str, &str); 81] = [
    ("lead_added", 1, "New lead", "Новая сделка"),
    ("contact_added", 2, "New contact", "Новый контакт"),
    ("company_added", 3, "New company", "Новая компания"),
    ("lead_deleted", 7, "Lead deleted", "Сделка удалена"),
    ("contact_deleted", 8, "Contact deleted", "Контакт удалён"),
    ("company_deleted", 9, "Company deleted", "Компания удалена"),
    ("lead_restored", 10, "Lead restored", "Сделка восстановлена"),
    (
        "contact_restored",
        11,
        "Contact restored",
        "Контакт восстановлен",
    ),
    (
        "company_restored",
        12,
        "Company restored",
        "Компания восстановлена",
    ),
    (
        "lead_status_changed",
        14,
        "Lead stage changed",
        "Изменение этапа продажи",
    ),
    ("incoming_mail", 16, "Incoming e-mail", "Входящее письмо"),
    ("incoming_call", 17, "Incoming call", "Входящий звонок"),
    ("site_visit_note_added", 18, "Site visit", "Заход на сайт"),
    ("customer_added", 20, "New customer", "Новый покупатель"),
    (
        "custom_field_value_changed",
        FIELD_CHANGED,
        "Field changed",
        "Изменение поля",
    ),
    (
        "entity_responsible_changed",
        25,
        "Responsible user changed",
        "Ответственный изменён",
    ),
    (
        "transaction_added",
        26,
        "Purchase added",
        "Добавлена покупка",
    ),
    ("common_note_added", 27, "Note added", "Новое примечание"),
    (
        "attachment_note_added",
        28,
        "File added",
        "Добавлен новый файл",
    ),
    ("task_completed", 29, "Task completed", "Завершение задачи"),
    ("outgoing_call", 30, "Outgoing call", "Исходящий звонок"),
    (
        "targeting_in_note_added",
        31,
        "Added to retargeting",
        "Добавление в ретаргетинг",
    ),
    (
        "targeting_out_note_added",
        32,
        "Removed from retargeting",
        "Удаление из ретаргетинга",
    ),
    (
        "task_result_added",
        33,
        "Task result",
        "Результат по задаче",
    ),
    (
        "geo_note_added",
        38,
        "Place added",
        "Новое примечание с гео-меткой",
    ),
    (
        "service_note_added",
        39,
        "Service note",
        "Новое системное примечание",
    ),
    ("dropbox_attachment", 40, "Dropbox file", "Файл Dropbox"),
    ("incoming_sms", 41, "Incoming SMS", "Входящее SMS"),
    ("outgoing_sms", 42, "Outgoing SMS", "Исходящее SMS"),
    ("task_added", 49, "New task", "Новая задача"),
    ("task_deleted", 51, "Task deleted", "Задача удалена"),
    (
        "customer_deleted",
        53,
        "Customer deleted",
        "Покупатель удалён",
    ),
    (
        "customer_status_changed",
        57,
        "Customer stage changed",
        "Изменение этапа покупателя",
    ),
    ("link_followed", 59, "Link followed", "Переход по ссылке"),
    (
        "message_to_cashier_note_added",
        60,
        "Message to the cashier",
        "Сообщение кассиру",
    ),
    ("invoice_paid", 62, "Invoice paid", "Счёт оплачен"),
    ("entity_tag_added", 63, "Tags added", "Теги добавлены"),
    ("entity_tag_deleted", 64, "Tags deleted", "Теги убраны"),
    (
        "sale_field_changed",
        69,
        "Sale changed",
        "Изменение поля «Бюджет»",
    ),
    (
        "name_field_changed",
        70,
        "Name changed",
        "Изменение поля «Название»",
    ),
    ("entity_linked", 72, "Linked", "Прикрепление"),
    ("entity_unlinked", 73, "Unlinked", "Открепление"),
    ("robot_replied", 74, "Bot replied", "Ответ робота"),
    (
        "intent_identified",
        75,
        "Intent identified",
        "Тема вопроса определена",
    ),
    (
        "task_type_changed",
        76,
        "Task type changed",
        "Изменение типа задачи",
    ),
    (
        "task_text_changed",
        77,
        "Task text changed",
        "Изменение текста задачи",
    ),
    (
        "task_deadline_changed",
        78,
        "Task deadline changed",
        "Изменение даты исполнения задачи",
    ),
    (
        "common_note_deleted",
        79,
        "Note deleted",
        "Примечание удалено",
    ),
    ("lead_linked", 80, "Lead linked", "Прикрепление сделки"),
    (
        "contact_linked",
        81,
        "Contact linked",
        "Прикрепление контакта",
    ),
    (
        "company_linked",
        82,
        "Company linked",
        "Прикрепление компании",
    ),
    (
        "customer_linked",
        83,
        "Customer linked",
        "Прикрепление покупателя",
    ),
    ("lead_unlinked", 84, "Lead unlinked", "Открепление сделки"),
    (
        "contact_unlinked",
        85,
        "Contact unlinked",
        "Открепление контакта",
    ),
    (
        "company_unlinked",
        86,
        "Company unlinked",
        "Открепление компании",
    ),
    (
        "customer_unlinked",
        87,
        "Customer unlinked",
        "Открепление покупателя",
    ),
    (
        "ltv_field_changed",
        88,
        "Purchase sum changed",
        "Изменение суммы покупок",
    ),
    (
        "incoming_chat_message",
        89,
        "Incoming message",
        "Входящее сообщение",
    ),
    (
        "outgoing_chat_message",
        90,
        "Outgoing message",
        "Исходящее сообщение",
    ),
    ("nps_rate_added", 91, "NPS rate added", "Новая оценка NPS"),
    ("entity_merged", 92, "Merged", "Объединение"),
    (
        "entity_segment_attached",
        94,
        "Segment attached",
        "Добавлен сегмент",
    ),
    (
        "entity_segment_detached",
        95,
        "Segment detached",
        "Убран сегмент",
    ),
    ("zoom_conference", 96, "Zoom meeting", "Встреча Zoom"),
    ("video_opened", 97, "Video opened", "Видео открыто"),
    ("video_closed", 98, "Video closed", "Видео закрыто"),
    (
        "picture_opened",
        99,
        "Picture opened",
        "Изображение открыто",
    ),
    (
        "picture_closed",
        100,
        "Picture closed",
        "Изображение закрыто",
    ),
    ("segment_created", 101, "Segment created", "Сегмент создан"),
    (
        "key_action_completed",
        116,
        "Key action",
        "Ключевое действие",
    ),
    ("invoice_created", 118, "Invoice created", "Счёт создан"),
    (
        "talk_created",
        119,
        "Conversation started",
        "Беседа создана",
    ),
    ("talk_closed", 120, "Conversation closed", "Беседа закрыта"),
    (
        "talk_missed_event",
        122,
        "Conversation missed",
        "Беседа пропущена",
    ),
    (
        "conversation_answered",
        135,
        "Conversation answered",
        "Ответ в беседе",
    ),
    (
        "meta_chat_subscription_added",
        136,
        "Subscribed to messages",
        "Подписка на сообщения",
    ),
    (
        "meta_chat_subscription_removed",
        137,
        "Unsubscribed from messages",
        "Отписка от сообщений",
    ),
    (
        "entity_direct_message",
        150,
        "Message inside the team",
        "Сообщение внутреннего чата",
    ),
    ("page_mention", 151, "Mentioned", "Упоминание"),
    ("outgoing_mail", 152, "Outgoing e-mail", "Исходящее письмо"),
    ("ai_result", 153, "AI result", "Результат AI"),
];

/// All types in `language_code`, those of the account's own fields included.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let is_russian = match cx.query().get(&["language_code"]) {
        Some(code) => code == "ru",
        None => cx
            .account
            .user(cx.user_id())
            .is_none_or(|user| user.lang == "ru"),
    };
    let fixed = TYPES.iter().map(|(key, number, english, russian)| {
        json!({"key": key, "type": number, "lang": if is_russian { russian } else { english }})
    });
    let fields = cx
        .account
        .fields
        .values()
        .flat_map(|fields| fields.values());
    let own = fields.map(|field| {
        let name = &field.name;
        let lang = if is_russian {
            format!("Изменение поля «{name}»")
        } else {
            format!("Field “{name}” changed")
        };
        let key = format!("custom_field_{}_value_changed", field.id);
        json!({"key": key, "type": FIELD_CHANGED, "lang": lang})
    });
    let mut items: Vec<Value> = fixed.collect();
    for item in own {
        // PHONE and EMAIL are fields of contacts and of companies.
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(Reply::ok(collection(&cx.url(), "events_types", &items)))
}
