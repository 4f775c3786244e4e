//! Customers in both modes: statuses and purchases, segments and bonus points.

use amocrm_sdk::ErrorKind;
use amocrm_sdk::catalogs::{NewCatalog, NewCatalogElement};
use amocrm_sdk::contacts::NewContact;
use amocrm_sdk::custom_fields::{FieldOwner, NewCustomField};
use amocrm_sdk::customers::{
    CustomerFilter, CustomerPatch, CustomerWith, CustomersMode, NewCustomer, NewCustomerStatus,
    NewSegment, NewTransaction, PurchasedElement, SegmentColor, TransactionFilter,
};
use amocrm_sdk::entity::Direction;
use amocrm_sdk::fields::kind::Text;
use amocrm_sdk::fields::{Field, FieldType};
use amocrm_sdk::links::{EntityType, NewLink};
use amocrm_sdk::pipelines::StatusColor;
use amocrm_sdk::tags::NewTag;
use chrono::{TimeDelta, TimeZone, Utc};

use super::Stage;

pub async fn periodicity(
    Stage {
        client, emulator, ..
    }: Stage,
) {
    let customers = client.customers();
    let on = customers.set_mode(CustomersMode::Periodicity, true);
    assert!(on.await.unwrap().is_enabled);
    let account = client.account().get().await.unwrap();
    assert_eq!(account.customers_mode, Some(CustomersMode::Periodicity));

    let statuses = customers.statuses();
    let calls = NewCustomerStatus::new("Обзвон", 50).color(StatusColor::PaleBlue);
    let calls = statuses.create([calls]).await.unwrap()[0].id;
    let renamed = statuses.update(calls).name("Обзвон после сезона");
    assert_eq!(renamed.await.unwrap().name, "Обзвон после сезона");
    let read = statuses.get(calls).await.unwrap().unwrap();
    assert_eq!(read.color.as_deref(), Some("#d6eaff"));
    let all = statuses.list().all().await.unwrap();
    assert!(all.len() > 1 && all.iter().any(|status| status.id == calls));

    let due = Utc.timestamp_opt(emulator.now(), 0).unwrap() + TimeDelta::days(30);
    let anna = NewCustomer::new("Анна Петрова")
        .next_date(due)
        .next_price(15_000)
        .periodicity(30)
        .tag("vip");
    let boris = NewCustomer::new("Борис Иванов").next_date(due);
    let made = customers.create([anna, boris]).await.unwrap();
    let (anna, boris) = (made[0].id, made[1].id);
    customers
        .update(anna)
        .next_price(20_000)
        .status(calls)
        .await
        .unwrap();
    let patch = CustomerPatch::new(boris).name("Борис").tag("новый");
    customers.update_many([patch]).await.unwrap();
    let contact = NewContact::new().name("Анна Петрова");
    let contact = client.contacts().create([contact]).await.unwrap()[0].id;
    let link = NewLink::to(contact).main();
    client.links(anna).link([link]).await.unwrap();
    let read = customers.get(anna).with([
        CustomerWith::Contacts,
        CustomerWith::Companies,
        CustomerWith::CatalogElements,
        CustomerWith::GroupId,
    ]);
    let read = read.await.unwrap().unwrap();
    assert_eq!(
        (read.next_price, read.next_date, read.status_id),
        (Some(20_000), Some(due), Some(calls))
    );
    assert_eq!(read.embedded.contacts[0].id, contact);
    assert_eq!(read.embedded.tags[0].name, "vip");
    let only = CustomerFilter::new().names(["Борис".to_owned()]);
    let found = customers.list().filter(only).all().await.unwrap();
    assert_eq!(
        found.iter().map(|held| held.id).collect::<Vec<_>>(),
        [boris]
    );
    let tags = client.tags(EntityType::Customers);
    tags.create([NewTag::new("опт")]).await.unwrap();
    assert_eq!(tags.list().all().await.unwrap().len(), 3);

    let villas = client.catalogs().create([NewCatalog::new("Виллы")]);
    let villas = villas.await.unwrap()[0].id;
    let villa = NewCatalogElement::new("Вилла у моря");
    let villa = client.catalog_elements(villas).create([villa]);
    let villa = villa.await.unwrap()[0].id;
    let purchases = customers.transactions_of(anna);
    let rent = NewTransaction::new(15_000)
        .comment("Аренда на месяц")
        .elements([PurchasedElement::new(villas, villa, 1.0)]);
    let made = purchases
        .create([rent, NewTransaction::new(5_000)])
        .accrue_bonus(false);
    let made = made.await.unwrap();
    assert_eq!(made[0].customer_id, Some(anna));
    let read = purchases.get(made[0].id).await.unwrap().unwrap();
    assert_eq!(read.price, Some(15_000));
    assert_eq!(read.embedded.catalog_elements[0].id, villa);
    assert_eq!(purchases.list().all().await.unwrap().len(), 2);
    let ltv = customers.get(anna).await.unwrap().unwrap().ltv;
    assert_eq!(ltv, Some(20_000));
    let every = customers.transactions();
    let one = TransactionFilter::new().ids([made[1].id]);
    assert_eq!(every.list().filter(one).all().await.unwrap().len(), 1);
    assert!(every.get(made[1].id).await.unwrap().is_some());
    every.delete(made[1].id).await.unwrap();
    purchases.delete(made[0].id).await.unwrap();
    assert!(every.list().all().await.unwrap().is_empty());

    statuses.delete(calls).await.unwrap();
    assert!(statuses.get(calls).await.unwrap().is_none());
    let off = customers.set_mode(CustomersMode::Periodicity, false);
    assert!(!off.await.unwrap().is_enabled);
    let refused = customers.list().all().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Rejected);
}

pub async fn segments(Stage { client, .. }: Stage) {
    const TERMS: Field<Text> = Field::code("TERMS");

    let customers = client.customers();
    let on = customers.set_mode(CustomersMode::Segments, true);
    assert_eq!(on.await.unwrap().mode, CustomersMode::Segments);
    let fields = client.custom_fields(FieldOwner::Segments);
    let terms = NewCustomField::new("Условия", FieldType::Text).code("TERMS");
    let terms = fields.create([terms]).await.unwrap()[0].id;
    fields.update(terms).name("Особые условия").await.unwrap();
    let read = fields.get(terms).await.unwrap().unwrap();
    assert_eq!(read.name, "Особые условия");
    assert_eq!(fields.list().all().await.unwrap().len(), 1);

    let segments = customers.segments();
    let regulars = NewSegment::new("Постоянные")
        .color(SegmentColor::C006ACC)
        .field(&TERMS, "Скидка 10%");
    let regulars = segments.create(regulars).await.unwrap();
    assert_eq!(regulars.color, Some(SegmentColor::C006ACC));
    let renamed = segments.update(regulars.id).name("Постоянные гости");
    assert_eq!(renamed.await.unwrap().name, "Постоянные гости");
    let read = segments.get(regulars.id).await.unwrap().unwrap();
    let held = read.custom_fields_values.get(&TERMS).unwrap();
    assert_eq!(held.as_deref(), Some("Скидка 10%"));

    let anna = NewCustomer::new("Анна").segments([regulars.id]);
    let anna = customers.create([anna]).await.unwrap()[0].id;
    let listed = customers
        .list()
        .order(
            amocrm_sdk::customers::CustomerOrder::Id,
            Direction::Descending,
        )
        .all()
        .await
        .unwrap();
    assert_eq!(listed[0].embedded.segments[0].id, regulars.id);
    assert_eq!(segments.list().all().await.unwrap().len(), 1);

    let points = customers.bonus_points(anna);
    assert_eq!(points.earn(500).await.unwrap(), 500);
    assert_eq!(points.redeem(200).await.unwrap(), 300);

    let refused = customers.statuses().list().all().await.unwrap_err();
    assert_eq!(refused.status(), Some(422));
    fields.delete(terms).await.unwrap();
    segments.delete(regulars.id).await.unwrap();
    assert!(segments.list().all().await.unwrap().is_empty());
}
