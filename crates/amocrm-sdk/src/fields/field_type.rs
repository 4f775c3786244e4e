//! Types of custom fields, as definitions and values name them.

crate::de::open_enum! {
    /// Type of a custom field.
    pub enum FieldType {
        /// One line of text.
        Text = "text",
        /// Long text.
        Textarea = "textarea",
        /// A number.
        Numeric = "numeric",
        /// Money, with the currency in the definition.
        Monetary = "monetary",
        /// Price of a catalog's element.
        Price = "price",
        /// A flag.
        Checkbox = "checkbox",
        /// One of a list.
        Select = "select",
        /// One of a list, shown as a switch.
        Radiobutton = "radiobutton",
        /// Several of a list.
        Multiselect = "multiselect",
        /// One of a tree, in catalogs.
        Category = "category",
        /// A calendar day.
        Date = "date",
        /// An instant.
        DateTime = "date_time",
        /// A calendar day with a yearly reminder.
        Birthday = "birthday",
        /// A link.
        Url = "url",
        /// An address in one line.
        StreetAddress = "streetaddress",
        /// An address in parts.
        SmartAddress = "smart_address",
        /// A company's requisites.
        LegalEntity = "legal_entity",
        /// Phones, e-mails and messengers.
        Multitext = "multitext",
        /// Positions of an invoice.
        Items = "items",
        /// Payer of an invoice.
        Payer = "payer",
        /// Supplier of an invoice.
        Supplier = "supplier",
        /// A link to another element, in catalogs.
        LinkedEntity = "linked_entity",
        /// Elements of linked catalogs.
        ChainedList = "chained_list",
        /// A file of the Drive.
        File = "file",
        /// A mark of web analytics: UTM, client ids, counters.
        TrackingData = "tracking_data",
        /// The account's own legal entity. It can be read and not written.
        OrgLegalName = "org_legal_name",
    }
}
