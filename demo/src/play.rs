//! After the story: what to open and what to paste.

use crate::house::House;
use crate::http::Http;
use crate::words::{Language, say};

/// Prints the addresses that answer, and commands to try.
pub(crate) async fn show(house: &House, language: Language) {
    let words = |english, russian| language.pick(english, russian);
    let emulator = house.emulator().map_or("", |emulator| emulator.base_url());
    let pages = [
        (
            house.intake_url("/docs/"),
            words(
                "the API of lead-intake, to read and to try",
                "API lead-intake: читать и пробовать",
            ),
        ),
        (house.intake_url("/health"), words("how it is", "состояние")),
        (
            house.intake_url("/metrics"),
            words("what it counts", "счётчики"),
        ),
        (
            house.gateway_url("/dashboard"),
            words(
                "the events that webhook-gateway takes and delivers",
                "события, которые webhook-gateway принимает и доставляет",
            ),
        ),
        (
            house.lessons_url("/docs/"),
            words(
                "the API of lesson-sync: lessons, and what became of them",
                "API lesson-sync: уроки и что с ними стало",
            ),
        ),
        (
            house.intake_url("/api/auth/amo"),
            words(
                "connect once more: the consent page",
                "подключить ещё раз: страница согласия",
            ),
        ),
        (
            format!("{emulator}/_emulator/requests"),
            words(
                "every request amoCRM has received",
                "все запросы, которые получила amoCRM",
            ),
        ),
    ];
    println!("\n{}", words("Open in a browser:", "Откройте в браузере:"));
    for (url, what) in &pages {
        if answers(url).await {
            println!("  {url:<44} {what}");
        }
    }
    let leads = house.intake_url("/api/leads");
    println!(
        "\n{}",
        words("Paste into a terminal:", "Вставьте в терминал:")
    );
    println!(
        "  curl -s {leads} -H 'Content-Type: application/json' \\\n    \
         -d '{{\"name\": \"Тест Тестов\", \"phone\": \"+79001234567\", \"utm_source\": \"google\"}}'"
    );
    println!("  curl -s {leads}");
    println!("  curl -s {leads}/1/amo");
    println!("  curl -s -X PUT '{leads}/1/status?status=contacted'");
    println!("  curl -s {}", house.intake_url("/api/auth/amo/status"));
    println!("  curl -s '{}'", house.gateway_url("/api/events?limit=5"));
    println!("  curl -s '{}'", house.lessons_url("/api/sync/log?limit=5"));
    println!("  curl -s -X POST {emulator}/_emulator/tokens/expire");
    let logs = house.workshop.logs_shown();
    let last = say!(
        language,
        "Logs are in {logs}. Ctrl-C ends everything.",
        "Журналы — в {logs}. Ctrl-C всё завершит."
    );
    println!("\n{last}");
}

/// Whether a page is there; a redirect leads to one.
async fn answers(url: &str) -> bool {
    let Ok(http) = Http::new() else {
        return false;
    };
    matches!(http.get(url).await, Ok(answer) if (200..400).contains(&answer.status))
}
