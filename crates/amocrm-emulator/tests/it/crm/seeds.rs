//! What accounts hold at the start.

use serde_json::Value;

use super::client::Crm;

fn texts(items: &Value, key: &str) -> Vec<String> {
    let items = items.as_array().unwrap();
    let text = |item: &Value| item[key].as_str().unwrap_or_default().to_owned();
    items.iter().map(text).collect()
}

#[tokio::test]
async fn asia_deals_is_the_account_of_the_setup_guide() {
    let crm = Crm::start().await;
    let pipelines = crm.read("leads/pipelines").await["_embedded"]["pipelines"].take();
    assert_eq!(texts(&pipelines, "name"), ["Воронка", "Asia Deals"]);
    assert_eq!(
        texts(&pipelines[1]["_embedded"]["statuses"], "name"),
        [
            "Неразобранное",
            "Новый лид",
            "Первичный контакт",
            "Презентация",
            "Выбор объекта",
            "Резервирование",
            "Сделка",
            "Завершено",
            "Закрыто и не реализовано"
        ]
    );
    let fields =
        crm.read("leads/custom_fields?limit=250").await["_embedded"]["custom_fields"].take();
    let own: Vec<&Value> = fields
        .as_array()
        .unwrap()
        .iter()
        .filter(|field| field["is_predefined"] == false)
        .collect();
    let shown: Vec<String> = own
        .iter()
        .map(|field| format!("{}: {}", field["name"], field["type"]).replace('"', ""))
        .collect();
    assert_eq!(
        shown,
        [
            "UTM Source: text",
            "UTM Medium: text",
            "UTM Campaign: text",
            "UTM Content: text",
            "UTM Term: text",
            "Стоимость объекта: numeric",
            "Комиссия: numeric",
            "Объект: select",
            "Статус оплаты: select"
        ]
    );
    let leads = crm.read("leads?with=contacts").await["_embedded"]["leads"].take();
    assert_eq!(leads.as_array().unwrap().len(), 5);
    for lead in leads.as_array().unwrap() {
        assert_eq!(lead["pipeline_id"], pipelines[1]["id"]);
        assert_eq!(lead["closed_at"].is_null(), lead["status_id"] != 142);
        assert_eq!(lead["_embedded"]["contacts"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_empty_account_has_one_pipeline_its_predefined_fields_and_no_cards() {
    let crm = Crm::empty().await;
    let pipelines = crm.read("leads/pipelines").await["_embedded"]["pipelines"].take();
    assert_eq!(texts(&pipelines, "name"), ["Воронка"]);
    assert_eq!(pipelines[0]["is_main"], true);
    for (path, count) in [("leads", 19), ("contacts", 4), ("companies", 4)] {
        assert_eq!(crm.get(path).await.0, 204, "{path}");
        let fields = crm.read(&format!("{path}/custom_fields")).await;
        assert_eq!(fields["_total_items"], count, "{path}");
    }
}
