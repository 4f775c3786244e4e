//! The fields lists of a special kind come with. Nobody can delete them.

use super::{Account, CatalogType, Counters, EnumOption, FieldOwner};

/// A predefined field: code, type, name, options with their codes.
type Preset = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const PRODUCTS: [Preset; 5] = [
    ("SKU", "text", "Артикул", &[]),
    ("DESCRIPTION", "textarea", "Описание", &[]),
    ("PRICE", "price", "Цена", &[]),
    ("GROUP", "category", "Группа", &[]),
    ("EXTERNAL_ID", "text", "External ID", &[]),
];
/// Nobody sees it in the interface.
const HIDDEN: &str = "EXTERNAL_ID";

const INVOICES: [Preset; 10] = [
    (
        "BILL_STATUS",
        "select",
        "Статус",
        &[
            ("created", "Создан"),
            ("paid", "Оплачен"),
            ("paid_in_advance", "Предоплата"),
            ("partially_paid", "Частично оплачен"),
        ],
    ),
    ("LEGAL_ENTITY", "legal_entity", "Юридическое лицо", &[]),
    ("SUPPLIER", "supplier", "Поставщик", &[]),
    ("PAYER", "payer", "Плательщик", &[]),
    ("ITEMS", "items", "Товары", &[]),
    (
        "BILL_VAT_TYPE",
        "select",
        "Налог",
        &[
            ("vat_exempt", "Не облагается"),
            ("vat_included", "Включён в стоимость"),
            ("vat_not_included", "Не включён в стоимость"),
        ],
    ),
    (
        "BILL_REASON_FOR_NO_VAT",
        "text",
        "Причина освобождения от НДС",
        &[],
    ),
    ("BILL_PAYMENT_DATE", "date_time", "Дата оплаты", &[]),
    ("BILL_COMMENT", "textarea", "Комментарий", &[]),
    ("BILL_PRICE", "numeric", "Итого к оплате", &[]),
];

const SUPPLIERS: [Preset; 12] = [
    ("SUPPLIER_VAT_ID", "text", "ИНН", &[]),
    ("SUPPLIER_TAX_REGISTRATION_REASON_CODE", "text", "КПП", &[]),
    (
        "SUPPLIER_PRIMARY_STATE_REGISTRATION_NUMBER",
        "text",
        "ОГРН",
        &[],
    ),
    ("SUPPLIER_BANK_IDENTIFICATION_CODE", "text", "БИК", &[]),
    ("SUPPLIER_ACCOUNT_NUMBER", "text", "Расчётный счёт", &[]),
    ("SUPPLIER_LEGAL_ADDRESS", "text", "Юридический адрес", &[]),
    ("SUPPLIER_REAL_ADDRESS", "text", "Фактический адрес", &[]),
    ("SUPPLIER_DIRECTOR_NAME", "text", "Руководитель", &[]),
    (
        "SUPPLIER_DIRECTOR_POST",
        "text",
        "Должность руководителя",
        &[],
    ),
    ("SUPPLIER_ACCOUNTANT_NAME", "text", "Бухгалтер", &[]),
    (
        "SUPPLIER_ACCOUNTANT_POST",
        "text",
        "Должность бухгалтера",
        &[],
    ),
    ("SUPPLIER_PHONE", "text", "Телефон", &[]),
];

impl Account {
    /// Adds the fields of a new list.
    pub(super) fn add_preset_fields(&mut self, catalog_id: u64, kind: CatalogType) {
        let presets: &[Preset] = match kind {
            CatalogType::Regular => &[],
            CatalogType::Products => &PRODUCTS,
            CatalogType::Invoices => &INVOICES,
            CatalogType::Suppliers => &SUPPLIERS,
        };
        let owner = FieldOwner::Catalog(catalog_id);
        for (sort, (code, field_type, name, options)) in (1..).zip(presets) {
            let id = self.predefined(owner, field_type, name, code, sort);
            let options = (1..).zip(*options).map(|(sort, (code, value))| EnumOption {
                id: Counters::take(&mut self.counters.option),
                value: (*value).to_owned(),
                sort,
                code: Some((*code).to_owned()),
                parent_id: None,
            });
            let options: Vec<EnumOption> = options.collect();
            let field = self.fields.get_mut(&owner).and_then(|it| it.get_mut(&id));
            let Some(field) = field else { continue };
            if !options.is_empty() {
                field.enums = Some(options);
            }
            if let Some(listing) = &mut field.listing {
                listing.is_deletable = false;
                listing.is_visible = *code != HIDDEN;
            }
        }
    }
}
