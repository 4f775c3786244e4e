//! What lists ask for, how they go on, and which links are not asked for at all.

use amocrm_sdk::catalogs::{CatalogElementFilter, CatalogFilter, CatalogType};
use amocrm_sdk::chat_templates::ChatTemplateFilter;
use amocrm_sdk::contacts::ContactChatFilter;
use amocrm_sdk::customers::{CustomerFilter, CustomerOrder, CustomerWith, TransactionFilter};
use amocrm_sdk::entity::Direction;
use amocrm_sdk::links::{EntityType, LinkFilter, NewLink};
use amocrm_sdk::sources::SourceFilter;
use amocrm_sdk::{
    CatalogElementId, CatalogId, CompanyId, ContactId, CustomerId, ErrorKind, LeadId, Request,
    TransactionId,
};
use chrono::{TimeZone, Utc};
use serde_json::{Value, json};

use crate::script::{Script, json as answer};

const VILLAS: CatalogId = CatalogId::new(3001);
const VILLA: CatalogElementId = CatalogElementId::new(61);

/// The query of a list without its paging.
fn asked(request: &Request) -> Vec<String> {
    let pairs = request.query_pairs().iter();
    pairs
        .filter(|(key, _)| key != "page" && key != "limit")
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

#[tokio::test]
async fn filters_stand_where_amocrm_looks_for_them() {
    let client = Script::new([]).client();
    let invoices = CatalogFilter::new().of_type(CatalogType::Invoices);
    let catalogs = client.catalogs().list().filter(invoices).into_request(1);
    assert_eq!(asked(&catalogs), ["type=invoices"]);

    // Under both names that the documentation and the vendor's own client have for it.
    let elements = CatalogElementFilter::new().ids([VILLA]);
    let elements = client.catalog_elements(VILLAS).list().filter(elements);
    assert_eq!(
        asked(&elements.search("море").into_request(1)),
        ["filter[id][]=61", "id[]=61", "query=море"]
    );

    let chats = ContactChatFilter::new()
        .contacts([ContactId::new(9)])
        .chats(["6cba".to_owned()]);
    let chats = client.contacts().chats().list().filter(chats);
    assert_eq!(
        chats.into_request(1).target(),
        "/api/v4/contacts/chats?contact_id%5B%5D=9&chat_id%5B%5D=6cba"
    );

    let sources = SourceFilter::new().external_ids(["site".to_owned()]);
    let sources = client.sources().list().filter(sources).into_request(1);
    assert_eq!(
        sources.target(),
        "/api/v4/sources?filter%5Bexternal_id%5D%5B%5D=site"
    );
    let templates = ChatTemplateFilter::new().external_ids(["hello".to_owned()]);
    let templates = client.chat_templates().list().filter(templates);
    // amoCRM gives no more than 50 of them.
    assert!(templates.into_request(1).target().contains("limit=50&"));

    let day = |day| Utc.with_ymd_and_hms(2026, 1, day, 0, 0, 0).unwrap();
    let customers = CustomerFilter::new()
        .ids([CustomerId::new(6)])
        .next_date(day(1)..day(2));
    let customers = client
        .customers()
        .list()
        .with([CustomerWith::Contacts, CustomerWith::GroupId])
        .filter(customers)
        .order(CustomerOrder::UpdatedAt, Direction::Descending)
        .into_request(1);
    assert_eq!(
        asked(&customers),
        [
            "with=contacts,group_id",
            "filter[id][]=6",
            "filter[next_date][from]=1767225600",
            "filter[next_date][to]=1767311999",
            "order[updated_at]=desc",
        ]
    );
    let purchases = client
        .customers()
        .transactions_of(CustomerId::new(6))
        .list();
    let one = TransactionFilter::new().ids([TransactionId::new(8)]);
    assert_eq!(
        asked(&purchases.filter(one).into_request(1)),
        ["filter[id][]=8"]
    );
    let to = LinkFilter::new().to(ContactId::new(9)).to_catalog(VILLAS);
    let links = client.links(LeadId::new(7)).list().filter(to);
    assert_eq!(
        asked(&links.into_request(1)),
        [
            "filter[to_entity_id]=9",
            "filter[to_entity_type]=contacts",
            "filter[to_catalog_id]=3001",
        ]
    );
}

#[tokio::test]
async fn elements_are_read_to_the_end_without_a_link_to_the_next_page() {
    // amoCRM has been seen to give 100 elements a page, whatever is asked for, and no link.
    let page = |ids: std::ops::Range<u64>| {
        let elements: Vec<Value> = ids.map(|id| json!({"id": id, "name": "Вилла"})).collect();
        answer(
            200,
            &json!({"_embedded": {"elements": elements}}).to_string(),
        )
    };
    let wire = Script::new([page(1..101), page(101..201), page(201..231)]);
    let elements = wire.client().catalog_elements(VILLAS).list();
    assert_eq!(elements.all().await.unwrap().len(), 230);
    assert_eq!(wire.count(), 3);
    let few = Script::new([page(1..4)]);
    let elements = few.client().catalog_elements(VILLAS).list();
    assert_eq!(elements.all().await.unwrap().len(), 3);
    assert_eq!(few.count(), 1);
}

#[tokio::test]
async fn a_link_that_amocrm_does_not_have_is_not_sent() {
    let wire = Script::new([]);
    let client = wire.client();
    let refused = [
        (
            client
                .links(LeadId::new(7))
                .link([NewLink::to(ContactId::new(9)), NewLink::to(LeadId::new(8))])
                .await
                .unwrap_err(),
            "item 1, to_entity_type: leads link to contacts, companies, catalog_elements, not to leads",
        ),
        (
            client
                .links(CustomerId::new(6))
                .unlink([NewLink::to(LeadId::new(7))])
                .await
                .unwrap_err(),
            "item 0, to_entity_type: customers link to contacts, companies, catalog_elements, not to leads",
        ),
        (
            client
                .links(VILLA)
                .link([NewLink::to(LeadId::new(7))])
                .await
                .unwrap_err(),
            "catalog_elements link to nothing: link the lead or the customer to the element",
        ),
        (
            client
                .links_of(EntityType::Companies)
                .link([(5_u64, NewLink::to(VILLA))])
                .await
                .unwrap_err(),
            "item 0, metadata.catalog_id: expected the element's catalog, see NewLink::element",
        ),
        (
            client
                .links(LeadId::new(7))
                .link([NewLink::element(VILLAS, VILLA).quantity(f64::NAN)])
                .await
                .unwrap_err(),
            "item 0, metadata.quantity: expected a number",
        ),
    ];
    for (error, told) in &refused {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(told), "{error}");
    }
    assert_eq!(wire.count(), 0);
    // A type that the SDK does not know may have any links.
    let holograms = client.links_of("holograms".into());
    let link = (1_u64, NewLink::to(CompanyId::new(5)));
    assert!(holograms.link([link]).into_requests().is_ok());
}
