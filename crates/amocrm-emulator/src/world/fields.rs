//! Definitions and groups of custom fields, with the ones a new account has.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Account, Counters, EntityType, FieldOwner};

/// The group of fields that are in no other.
pub(crate) const DEFAULT_GROUP: &str = "default";
/// The group of tracking fields.
const GROUP_STATISTIC: &str = "statistic";

/// Codes of the predefined tracking fields of leads, in amoCRM's order.
const TRACKING: [&str; 19] = [
    "UTM_CONTENT",
    "UTM_MEDIUM",
    "UTM_CAMPAIGN",
    "UTM_SOURCE",
    "UTM_TERM",
    "UTM_REFERRER",
    "ROISTAT",
    "REFERRER",
    "OPENSTAT_SERVICE",
    "OPENSTAT_CAMPAIGN",
    "OPENSTAT_AD",
    "OPENSTAT_SOURCE",
    "FROM",
    "GCLIENTID",
    "_YM_UID",
    "_YM_COUNTER",
    "GCLID",
    "YCLID",
    "FBCLID",
];

/// The kinds of a phone; the first is given when none is.
const PHONE_ENUMS: [&str; 6] = ["WORK", "WORKDD", "MOB", "FAX", "HOME", "OTHER"];
/// The kinds of an e-mail; the first is given when none is.
const EMAIL_ENUMS: [&str; 3] = ["WORK", "PRIV", "OTHER"];

/// The parts of a `smart_address`; their ids 1 to 6 are the same in every account.
pub(crate) const ADDRESS_PARTS: [&str; 6] = [
    "address_line_1",
    "address_line_2",
    "city",
    "state",
    "zip",
    "country",
];

/// A custom field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FieldDefinition {
    /// Its id.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
    /// `text`, `select`, …
    pub(crate) kind: String,
    /// Symbolic code, unique per entity type.
    pub(crate) code: Option<String>,
    /// Order in the card.
    pub(crate) sort: i64,
    /// Its tab; none is the default one.
    pub(crate) group_id: Option<String>,
    /// What it is a field of.
    pub(crate) entity: FieldOwner,
    /// Cannot be edited by people.
    pub(crate) is_api_only: bool,
    /// Came with the account.
    pub(crate) is_predefined: bool,
    /// Options of list-like fields.
    pub(crate) enums: Option<Vec<EnumOption>>,
    /// Stages at which it must be filled.
    pub(crate) required_statuses: Vec<StageRef>,
    /// Stages at which it is not shown.
    pub(crate) hidden_statuses: Vec<StageRef>,
    /// Of `monetary` fields.
    pub(crate) currency: Option<String>,
    /// Of `birthday` fields.
    pub(crate) remind: Option<String>,
    /// Of `tracking_data` fields.
    pub(crate) tracking_callback: Option<String>,
    /// Of `chained_list` fields; kept as sent.
    pub(crate) chained_lists: Option<Value>,
    /// Of `linked_entity` fields.
    pub(crate) search_in: Option<String>,
    /// What only fields of lists have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) listing: Option<ListFieldState>,
}

/// What only fields of lists have.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ListFieldState {
    /// Shown to people.
    pub(crate) is_visible: bool,
    /// People must fill it.
    pub(crate) is_required: bool,
    /// People may delete it.
    pub(crate) is_deletable: bool,
    /// How the interface shows it; kept as sent.
    pub(crate) settings: Option<Value>,
}

impl Default for ListFieldState {
    fn default() -> Self {
        Self {
            is_visible: true,
            is_required: false,
            is_deletable: true,
            settings: None,
        }
    }
}

/// An option of a list-like field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EnumOption {
    /// Its id.
    pub(crate) id: u64,
    /// Its text.
    pub(crate) value: String,
    /// Order in the list.
    pub(crate) sort: i64,
    /// Symbolic code, unique in the field.
    pub(crate) code: Option<String>,
    /// The option above it, in the tree of a `category` field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent_id: Option<u64>,
}

/// A stage of a pipeline, by the pair that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StageRef {
    /// The stage.
    pub(crate) status_id: u64,
    /// Its pipeline.
    pub(crate) pipeline_id: u64,
}

/// A tab of a card.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FieldGroup {
    /// A text id: `default`, `statistic`, `leads_51901754000000`.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Came with the account.
    pub(crate) is_predefined: bool,
    /// Order in the card.
    pub(crate) sort: i64,
}

impl FieldDefinition {
    /// A definition with nothing but the obligatory parts.
    pub(crate) fn new(id: u64, owner: impl Into<FieldOwner>, kind: &str, name: &str) -> Self {
        let owner = owner.into();
        Self {
            id,
            name: name.to_owned(),
            kind: kind.to_owned(),
            code: None,
            sort: 500,
            group_id: None,
            entity: owner,
            is_api_only: false,
            is_predefined: false,
            enums: None,
            required_statuses: Vec::new(),
            hidden_statuses: Vec::new(),
            currency: None,
            remind: None,
            tracking_callback: None,
            chained_lists: None,
            search_in: None,
            listing: matches!(owner, FieldOwner::Catalog(_)).then(ListFieldState::default),
        }
    }

    /// The option with this id.
    pub(crate) fn option(&self, id: u64) -> Option<&EnumOption> {
        self.enums
            .as_deref()
            .unwrap_or_default()
            .iter()
            .find(|option| option.id == id)
    }
}

/// Whether fields of this type have options.
pub(crate) fn has_enums(kind: &str) -> bool {
    matches!(
        kind,
        "select" | "multiselect" | "radiobutton" | "multitext" | "category"
    )
}

impl Account {
    /// Adds the fields and groups every account is born with.
    pub(crate) fn add_predefined_fields(&mut self) {
        use EntityType::{Companies, Contacts, Leads};
        let group = |id: &str, name: &str, sort| FieldGroup {
            id: id.into(),
            name: name.into(),
            is_predefined: true,
            sort,
        };
        for entity in EntityType::ALL {
            self.groups
                .entry(entity.into())
                .or_default()
                .push(group(DEFAULT_GROUP, "Основное", 0));
        }
        self.groups
            .entry(Leads.into())
            .or_default()
            .push(group(GROUP_STATISTIC, "Статистика", 1));

        let phone = self.predefined(Contacts, "multitext", "Телефон", "PHONE", 4);
        let email = self.predefined(Contacts, "multitext", "Email", "EMAIL", 6);
        for (id, kinds) in [
            (phone, PHONE_ENUMS.as_slice()),
            (email, EMAIL_ENUMS.as_slice()),
        ] {
            let enums: Vec<EnumOption> = (0..)
                .zip(kinds)
                .map(|(index, kind)| EnumOption {
                    id: Counters::take(&mut self.counters.option),
                    value: (*kind).to_owned(),
                    sort: 2 + index,
                    code: Some((*kind).to_owned()),
                    parent_id: None,
                })
                .collect();
            let Some(field) = self.fields.entry(Contacts.into()).or_default().get_mut(&id) else {
                continue;
            };
            field.enums = Some(enums);
            let shared = FieldDefinition {
                entity: Companies.into(),
                ..field.clone()
            };
            self.fields
                .entry(Companies.into())
                .or_default()
                .insert(id, shared);
        }
        self.predefined(Contacts, "text", "Должность", "POSITION", 8);
        self.predefined(
            Contacts,
            "checkbox",
            "Пользовательское соглашение",
            "USER_AGREEMENT",
            10,
        );
        self.predefined(Companies, "url", "Web", "WEB", 8);
        self.predefined(Companies, "textarea", "Адрес", "ADDRESS", 10);
        for (sort, code) in (2..).zip(TRACKING) {
            let id = self.predefined(Leads, "tracking_data", &code.to_lowercase(), code, sort);
            if let Some(field) = self.fields.entry(Leads.into()).or_default().get_mut(&id) {
                field.group_id = Some(GROUP_STATISTIC.to_owned());
            }
        }
    }

    /// Adds a predefined field; its id.
    pub(crate) fn predefined(
        &mut self,
        owner: impl Into<FieldOwner>,
        kind: &str,
        name: &str,
        code: &str,
        sort: i64,
    ) -> u64 {
        let id = Counters::take(&mut self.counters.field);
        let owner = owner.into();
        let mut field = FieldDefinition::new(id, owner, kind, name);
        field.code = Some(code.to_owned());
        field.sort = sort;
        field.is_predefined = true;
        self.fields.entry(owner).or_default().insert(id, field);
        id
    }
}
