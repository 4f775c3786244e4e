//! What the pages say, in both languages.

use std::time::Duration;

use service_kit::http::Language;

use crate::account::Standing;

/// Everything the templates say, in one language.
macro_rules! words {
    ($($name:ident: $russian:literal, $english:literal;)*) => {
        /// Everything the templates say.
        #[derive(Debug)]
        pub(super) struct Words {
            $(pub(super) $name: &'static str,)*
        }

        impl Words {
            pub(super) fn of(language: Language) -> Self {
                Self {
                    $($name: language.pick($russian, $english),)*
                }
            }
        }
    };
}

words! {
    table: "Таблица", "Table";
    period: "Период", "Period";
    webhooks: "Вебхуков", "Webhooks";
    rates: "Что пришло", "What came in";
    subscribers: "Подписчики", "Subscribers";
    subscriber: "Подписчик", "Subscriber";
    no_subscribers: "Подписчиков пока нет. Добавьте:", "There are no subscribers yet. Add one:";
    state: "Состояние", "State";
    waiting: "Ждёт", "Waiting";
    lag: "Отставание", "Lag";
    delivered: "Доставлено", "Delivered";
    failed: "Неудач", "Failures";
    dead: "Отложено", "Given up";
    lags: "Время до доставки", "Time to delivery";
    lags_note: "Среднее от приёма до ответа подписчика 2xx.", "On average, from being stored to the subscriber's 2xx.";
    failures: "Неудачные попытки", "Failed attempts";
    failures_note: "Они повторяются сами; причины — у события и у подписчика.", "They are repeated; reasons are shown with the event and the subscriber.";
    events: "События", "Events";
    search: "Поиск событий", "Search for events";
    event: "Событие", "Event";
    event_type: "Тип", "Type";
    subject: "Объект", "Subject";
    account: "Аккаунт", "Account";
    show: "Показать", "Show";
    no_events: "Таких событий нет.", "There are no such events.";
    received: "Принято", "Received";
    deliveries: "Доставки", "Deliveries";
    older: "Более ранние", "Older ones";
    given_up: "Не доставлено: нужен человек", "Given up: somebody has to look";
    none_given_up: "Ничего такого нет.", "Nothing was given up.";
    attempts: "Попыток", "Attempts";
    since: "Отложено", "Given up";
    reason: "Причина", "Reason";
    retry: "Повторить", "Retry";
    retry_note: "Когда причина устранена, повторите; всё сразу:", "Retry once the cause is mended; all at once:";
    accounts: "Аккаунты", "Accounts";
    subscription: "Подписка в amoCRM", "Subscription in amoCRM";
    taken: "Принято", "Received";
    duplicates: "Повторов", "Duplicates";
    unparsed: "Не разобрано", "Unparsed";
    unparsed_requests: "Не разобранные запросы", "Requests that could not be read";
    no_unparsed: "Все разобраны.", "All of them could be read.";
    problem: "Что не так", "What is wrong";
    kept: "Хранение", "What is kept";
    back: "← К обзору", "← Overview";
    to: "Кому:", "To:";
    all_subscribers: "всем, кому предназначалось", "all it was for";
    replay: "Доставить снова", "Deliver again";
    replay_note: "Подписчик получит то же событие с тем же идентификатором (webhook-id).",
        "The subscriber gets the same event under the same id (webhook-id).";
    no_deliveries: "На него никто не подписан.", "Nobody had subscribed to it.";
    begun: "Начата", "Begun";
    result: "Итог", "Result";
    took: "Заняла", "Took";
    answer: "Ответ", "Answer";
    envelope: "Событие, как его получает подписчик", "The event as subscribers get it";
    not_kept: "Больше не хранится.", "Not kept any more.";
    body: "Тело вебхука, как прислала amoCRM", "The webhook's body as amoCRM sent it";
    download: "Скачать", "Download";
    last_attempts: "Последние попытки", "Latest attempts";
    no_attempts: "Попыток пока нет.", "No attempts yet.";
    lag_histogram: "Сколько событий за какое время", "How many events took how long";
}

/// A state and its colour.
pub(super) fn state(state: &str, language: Language) -> (&'static str, String) {
    let (class, russian, english) = match state {
        "active" => ("good", "получает", "active"),
        "paused" => ("warn", "пауза", "paused"),
        "disabled" => ("bad", "отключён", "disabled"),
        "failing" => ("bad", "не отвечает", "failing"),
        "pending" => ("warn", "ждёт", "pending"),
        "delivered" => ("good", "доставлено", "delivered"),
        "dead" => ("bad", "не доставлено", "given up"),
        "discarded" => ("warn", "отброшено", "discarded"),
        "failed" => ("bad", "неудача", "failed"),
        other => return ("warn", other.to_owned()),
    };
    (class, language.pick(russian, english).to_owned())
}

/// A state as a mark, for those who do not see its colour.
pub(super) fn mark(state: &str) -> &'static str {
    match state {
        "delivered" => "✓",
        "pending" => "…",
        "dead" => "✗",
        _ => "–",
    }
}

/// How a subscription in amoCRM stands, and its colour.
pub(super) fn standing(standing: Standing, language: Language) -> (&'static str, &'static str) {
    let (class, russian, english) = match standing {
        Standing::Active => ("good", "действует", "active"),
        Standing::Disabled => ("bad", "отключена amoCRM", "switched off by amoCRM"),
        Standing::Lacking => ("warn", "не все события", "lacks events"),
        Standing::Missing => ("warn", "нет", "none"),
        Standing::Unknown => ("warn", "amoCRM не отвечает", "amoCRM cannot be asked"),
    };
    (class, language.pick(russian, english))
}

/// Milliseconds as people write them.
pub(super) fn millis(language: Language, millis: Option<u64>) -> String {
    match millis {
        None => "–".to_owned(),
        Some(millis @ 0..1_000) => {
            format!("{millis}\u{a0}{}", language.pick("мс", "ms"))
        }
        Some(millis) => language.duration(Duration::from_millis(millis)),
    }
}

/// `12 МБ`.
pub(super) fn bytes(language: Language, bytes: u64) -> String {
    let units = language.pick(["Б", "КБ", "МБ", "ГБ", "ТБ"], ["B", "KB", "MB", "GB", "TB"]);
    let mut number = bytes;
    let mut unit = 0;
    while number >= 10 * 1_024 && unit + 1 < units.len() {
        number /= 1_024;
        unit += 1;
    }
    format!("{}\u{a0}{}", language.count(number), units[unit])
}
