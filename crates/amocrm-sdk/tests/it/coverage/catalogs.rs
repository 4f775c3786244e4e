//! Catalogs, products, invoices, and elements on leads.

use amocrm_sdk::catalogs::{
    CatalogElementFilter, CatalogElementPatch, CatalogElementWith, CatalogFilter, CatalogPatch,
    CatalogType, NewCatalog, NewCatalogElement,
};
use amocrm_sdk::custom_fields::{
    CustomFieldFilter, CustomFieldOrder, CustomFieldPatch, FieldOwner, NewCustomField,
    NewCustomFieldGroup,
};
use amocrm_sdk::entity::Direction;
use amocrm_sdk::fields::invoice::{InvoiceStatus, VatType};
use amocrm_sdk::fields::kind::Price;
use amocrm_sdk::fields::{Field, FieldType, InvoiceItem, Payer, invoice, product};
use amocrm_sdk::leads::{LeadWith, NewLead};
use amocrm_sdk::links::{LinkFilter, NewLink};

use super::Stage;

pub async fn lists(Stage { client, .. }: Stage) {
    const NIGHT: Field<Price> = Field::code("NIGHT");

    let catalogs = client.catalogs();
    let villas = NewCatalog::new("Виллы").can_link_multiple(true).sort(10);
    let villas = catalogs.create([villas]).await.unwrap()[0].id;
    let renamed = catalogs.update(villas).name("Виллы и дома");
    assert_eq!(renamed.await.unwrap().name, "Виллы и дома");
    let patch = CatalogPatch::new(villas).name("Дома");
    let many = catalogs.update_many([patch]).await.unwrap();
    assert_eq!(many[0].name, "Дома");
    let read = catalogs.get(villas).await.unwrap().unwrap();
    assert_eq!(read.catalog_type, Some(CatalogType::Regular));
    assert!(!catalogs.list().all().await.unwrap().is_empty());

    let fields = client.custom_fields(FieldOwner::Catalog(villas));
    let night = NewCustomField::new("Ночь", FieldType::Price).code("NIGHT");
    let owner = NewCustomField::new("Владелец", FieldType::LinkedEntity).search_in("contacts");
    let made = fields.create([night, owner]).await.unwrap();
    let (night, owner) = (made[0].id, made[1].id);
    fields.update(night).name("Цена за ночь").await.unwrap();
    let patch = CustomFieldPatch::new(owner).name("Хозяин");
    fields.update_many([patch]).await.unwrap();
    let read = fields.get(night).await.unwrap().unwrap();
    assert_eq!(
        (read.name.as_str(), read.catalog_id),
        ("Цена за ночь", Some(villas))
    );
    let only = CustomFieldFilter::new().types([FieldType::Price]);
    let prices = fields
        .list()
        .filter(only)
        .order(CustomFieldOrder::Id, Direction::Descending)
        .all()
        .await
        .unwrap();
    assert_eq!(prices.len(), 1);
    fields.delete(owner).await.unwrap();
    let groups = fields.groups();
    let group = groups.create([NewCustomFieldGroup::new("Деньги", 20)]);
    let group = group.await.unwrap().remove(0);
    assert!(
        groups
            .list()
            .all()
            .await
            .unwrap()
            .iter()
            .any(|held| held.id == group.id)
    );

    let elements = client.catalog_elements(villas);
    let named = |number: u32| NewCatalogElement::new(format!("Вилла {number}"));
    let first = named(1).field(&NIGHT, 5_000.5);
    let made = elements
        .create([first].into_iter().chain((2..=120).map(named)))
        .await
        .unwrap();
    let sea = made[0].id;
    let price = made[0].custom_fields_values.get(&NIGHT).unwrap().unwrap();
    assert_eq!(price.to_string(), "5000.5");
    let updated = elements.update(sea).name("Вилла у моря");
    assert_eq!(updated.await.unwrap().name, "Вилла у моря");
    let patch = CatalogElementPatch::new(made[1].id).field(&NIGHT, 4_000);
    elements.update_many([patch]).await.unwrap();
    let read = elements.get(sea).await.unwrap().unwrap();
    assert_eq!((read.catalog_id, read.is_deleted), (Some(villas), false));
    assert_eq!(elements.list().all().await.unwrap().len(), 120);
    let found = elements.list().search("у моря").all().await.unwrap();
    assert_eq!(found.len(), 1);
    let two = CatalogElementFilter::new().ids([sea, made[1].id]);
    assert_eq!(elements.list().filter(two).all().await.unwrap().len(), 2);

    let lead = client.leads().create([NewLead::new().name("Сделка")]);
    let lead = lead.await.unwrap()[0].id;
    let links = client.links(lead);
    let three = NewLink::element(villas, sea).quantity(3.0);
    let linked = links.link([three.price_field(night)]).await.unwrap();
    assert_eq!(linked[0].metadata.price_id, Some(night));
    let more = NewLink::element(villas, sea)
        .quantity(7.5)
        .clear_price_field();
    links.link([more]).await.unwrap();
    let to = LinkFilter::new().to_catalog(villas);
    let held = links.list().filter(to).all().await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(
        (held[0].metadata.quantity, held[0].metadata.price_id),
        (Some(7.5), None)
    );
    let read = client.leads().get(lead).with([LeadWith::CatalogElements]);
    let read = read.await.unwrap().unwrap();
    assert_eq!(read.embedded.catalog_elements[0].id, sea);
    links.unlink([NewLink::element(villas, sea)]).await.unwrap();
    assert!(links.list().all().await.unwrap().is_empty());
}

pub async fn invoices(Stage { client, .. }: Stage) {
    let products = client.products();
    assert!(products.set_enabled(true).await.unwrap().is_enabled);
    assert!(products.settings().await.unwrap().is_enabled);
    let of_type = |wanted| {
        client
            .catalogs()
            .list()
            .filter(CatalogFilter::new().of_type(wanted))
    };
    let goods = of_type(CatalogType::Products).all().await.unwrap();
    let goods = goods[0].id;
    let week = NewCatalogElement::new("Неделя")
        .field(&product::SKU, "WEEK")
        .field(&product::PRICE, 35_000);
    let week = client.catalog_elements(goods).create([week]);
    let week = week.await.unwrap()[0].id;

    let held = of_type(CatalogType::Invoices).all().await.unwrap();
    let bills = if let Some(catalog) = held.first() {
        catalog.id
    } else {
        let bills = NewCatalog::new("Счета").catalog_type(CatalogType::Invoices);
        client.catalogs().create([bills]).await.unwrap()[0].id
    };
    let position = InvoiceItem {
        description: Some("Аренда, неделя".into()),
        product_id: Some(week),
        unit_price: Some(35_000.into()),
        quantity: Some(2.into()),
        ..InvoiceItem::default()
    };
    let payer = Payer {
        name: Some("Анна Петрова".into()),
        ..Payer::default()
    };
    let bill = NewCatalogElement::new("Счёт 1")
        .field(&invoice::STATUS, InvoiceStatus::Created)
        .field(&invoice::PAYER, payer)
        .field(&invoice::ITEMS, position)
        .field(&invoice::VAT_TYPE, VatType::Exempt)
        .field(&invoice::PRICE, 70_000);
    let elements = client.catalog_elements(bills);
    let bill = elements.create([bill]).await.unwrap()[0].id;
    elements
        .update(bill)
        .field(&invoice::STATUS, InvoiceStatus::Paid)
        .await
        .unwrap();
    let read = elements
        .get(bill)
        .with([CatalogElementWith::InvoiceLink])
        .await
        .unwrap()
        .unwrap();
    assert!(read.invoice_link.is_some());
    let read = read.invoice().unwrap();
    assert_eq!(read.status, Some(InvoiceStatus::Paid));
    assert_eq!(read.items[0].product_id, Some(week));
    assert_eq!(read.price.unwrap().as_i64(), Some(70_000));
}
