//! Lists: order, filters, pages.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::Crm;

#[tokio::test]
async fn pages_hold_every_record_once_and_end_with_204() {
    let crm = Crm::empty().await;
    let items: Vec<Value> = (0..7)
        .map(|n| json!({"name": n.to_string(), "updated_at": 1_000_000 - n}))
        .collect();
    crm.post("leads", items.into()).await;
    let (mut path, mut seen) = ("leads?limit=3&with=contacts".to_owned(), Vec::new());
    loop {
        let document = crm.read(&path).await;
        let leads = document["_embedded"]["leads"].as_array().unwrap();
        seen.extend(
            leads
                .iter()
                .map(|lead| lead["name"].as_str().unwrap().to_owned()),
        );
        assert!(document.get("_total_items").is_none());
        let number = document["_page"].as_u64().unwrap();
        assert_eq!(document["_links"].get("prev").is_some(), number > 1);
        let Some(next) = document["_links"]["next"]["href"].as_str() else {
            break;
        };
        assert!(
            next.contains("with=contacts") && next.contains("limit=3"),
            "{next}"
        );
        path = next
            .strip_prefix(crm.emulator.base_url())
            .unwrap()
            .to_owned();
    }
    // The longest unchanged first.
    assert_eq!(seen, ["6", "5", "4", "3", "2", "1", "0"]);
    assert_eq!(crm.get("leads?limit=3&page=4").await, (204, Value::Null));
    assert_eq!(crm.ids("leads?limit=99999").await.len(), 7);
    assert!(
        crm.read("leads?limit=99999").await["_links"]["self"]["href"]
            .as_str()
            .unwrap()
            .contains("limit=250")
    );
}

#[tokio::test]
async fn orders_that_amocrm_does_not_know_are_the_default_order() {
    let crm = Crm::empty().await;
    let leads = json!([
        {"name": "Б", "created_at": 10, "updated_at": 300},
        {"name": "А", "created_at": 30, "updated_at": 100},
        {"name": "В", "created_at": 20, "updated_at": 200},
    ]);
    let (_, made) = crm.post("leads", leads.clone()).await;
    let ids: Vec<u64> = made["_embedded"]["leads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["id"].as_u64().unwrap())
        .collect();
    let by = |order: [usize; 3]| order.map(|n| ids[n]);
    let default = by([1, 2, 0]);
    assert_eq!(crm.ids("leads").await, default);
    assert_eq!(crm.ids("leads?order[updated_at]=desc").await, by([0, 2, 1]));
    assert_eq!(
        crm.ids("leads?order%5Bcreated_at%5D=asc").await,
        by([0, 2, 1])
    );
    assert_eq!(crm.ids("leads?order[id]=desc").await, by([2, 1, 0]));
    for ignored in [
        "order[name]=asc",
        "order[price]=desc",
        "order[id]=sideways",
        "order=id",
    ] {
        assert_eq!(
            crm.ids(&format!("leads?{ignored}")).await,
            default,
            "{ignored}"
        );
    }
    // Contacts are the other way round: by name, but not by time of creation.
    let (_, made) = crm.post("contacts", leads).await;
    let ids: Vec<u64> = made["_embedded"]["contacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["id"].as_u64().unwrap())
        .collect();
    assert_eq!(
        crm.ids("contacts?order[name]=asc").await,
        [ids[1], ids[0], ids[2]]
    );
    assert_eq!(
        crm.ids("contacts?order[created_at]=asc").await,
        [ids[1], ids[2], ids[0]]
    );
}

#[tokio::test]
async fn filters_are_anded_and_unknown_ones_let_everything_through() {
    let crm = Crm::start().await;
    let pipelines = crm.read("leads/pipelines").await;
    let pipeline = pipelines["_embedded"]["pipelines"][0]["id"].clone();
    let colour =
        json!({"name": "Цвет", "type": "select", "enums": [{"value": "Белый"}, {"value": "Дуб"}]});
    let (colour, area) = (
        crm.create("leads/custom_fields", colour).await,
        crm.create(
            "leads/custom_fields",
            json!({"name": "Площадь", "type": "numeric"}),
        )
        .await,
    );
    let lead = crm
        .create(
            "leads",
            json!({"name": "Кухня", "price": 777, "status_id": 142, "created_at": 1000, "custom_fields_values": [
                {"field_id": colour, "values": [{"value": "Дуб"}]}, {"field_id": area, "values": [{"value": 12}]},
            ]}),
        )
        .await;
    for only in [
        format!("filter[id]={lead}"),
        format!("filter[id][]={lead}&filter[id][]=1"),
        format!("filter%5Bid%5D%5B0%5D={lead}"),
        "filter[name]=Кухня".to_owned(),
        "filter[price][from]=700&filter[price][to]=800".to_owned(),
        "filter[price]=777".to_owned(),
        "filter[created_at][to]=1000".to_owned(),
        format!(
            "filter[statuses][0][pipeline_id]={pipeline}&filter[statuses][0][status_id]=142&filter[name][]=Кухня"
        ),
        format!("filter[custom_fields_values][{colour}][]=Дуб"),
        format!(
            "filter[custom_fields_values][{area}][from]=10&filter[custom_fields_values][{area}][to]=12"
        ),
    ] {
        assert_eq!(crm.ids(&format!("leads?{only}")).await, [lead], "{only}");
    }
    for nothing in [
        "filter[id]=1",
        "filter[price][from]=778&filter[name]=Кухня",
        "filter[pipeline_id]=1",
        "filter[id]=x",
    ] {
        assert_eq!(
            crm.get(&format!("leads?{nothing}")).await.0,
            204,
            "{nothing}"
        );
    }
    let all = crm.ids("leads").await;
    for ignored in [
        "filter[nonsense]=1",
        "filter[statuses][0][status_id]=60000002",
        "filter[custom_fields_values][PHONE]=1",
        "filter[id]=",
        "filter",
    ] {
        assert_eq!(crm.ids(&format!("leads?{ignored}")).await, all, "{ignored}");
    }
}

#[tokio::test]
async fn the_last_page_of_many_leads_takes_no_longer_than_the_first() {
    const LEADS: usize = 20_000;
    let crm = Crm::empty().await;
    let batch: Value = vec![json!({"name": "x"}); 250].into();
    for _ in 0..LEADS / 250 {
        assert_eq!(crm.post("leads", batch.clone()).await.0, 200);
    }
    let time = async |page: usize| {
        let start = Instant::now();
        assert_eq!(
            crm.ids(&format!("leads?limit=250&page={page}")).await.len(),
            250
        );
        start.elapsed()
    };
    let (mut first, mut last) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        first = first.min(time(1).await);
        last = last.min(time(LEADS / 250).await);
    }
    assert!(
        last < first * 3 + Duration::from_millis(20),
        "first page {first:?}, last page {last:?}"
    );
}
