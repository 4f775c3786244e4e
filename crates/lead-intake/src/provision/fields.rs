//! The fields of deals and contacts.

use amocrm_sdk::custom_fields::{FieldOwner, NewCustomField};
use amocrm_sdk::fields::FieldType;

use super::Provision;
use crate::crm::{
    CrmError, FieldDef, FieldSet, INTAKE_FIELD_CODE, create_intake_field, read_contact_fields,
    read_fields,
};
use crate::lead::{DealField, UTM_MARKS};

/// Types that take a mark, a number, an option.
const TEXTS: [&str; 4] = ["tracking_data", "text", "textarea", "streetaddress"];
const NUMBERS: [&str; 5] = ["numeric", "monetary", "price", "text", "textarea"];
const LISTS: [&str; 5] = ["select", "radiobutton", "multiselect", "text", "textarea"];

/// A field that is wanted.
struct Wanted {
    code: String,
    name: String,
    kind: FieldType,
    /// Types that do as well.
    takes: &'static [&'static str],
    options: Vec<String>,
}

impl Provision<'_> {
    /// Creates the fields that are missing.
    pub(super) async fn fields(&mut self) -> anyhow::Result<()> {
        let client = &self.linked.client;
        let contacts = read_contact_fields(client).await?;
        for (code, name) in [("PHONE", "phone"), ("EMAIL", "e-mail")] {
            match contacts.find(code) {
                Some(field) => self.is_there("contact", name, field)?,
                None => self.progress.look(
                    "contact",
                    &format!("amoCRM's own field {code} is not there; write to its support"),
                )?,
            }
        }
        for mark in UTM_MARKS {
            self.field(FieldOwner::Contacts, &contacts, mark_of_contact(mark))
                .await?;
        }
        let (deals, intake_field) = read_fields(client).await?;
        for mark in UTM_MARKS {
            self.field(FieldOwner::Leads, &deals, mark_of_deal(mark))
                .await?;
        }
        for ours in DealField::ALL {
            let wanted = self.deal_field(ours);
            let found = deals.find_ours(ours, &self.config.fields);
            self.found_or_made(FieldOwner::Leads, found, wanted).await?;
        }
        match intake_field.and_then(|id| deals.0.iter().find(|field| field.id == id)) {
            Some(field) if field.kind == FieldType::Text.to_string() => {
                self.is_there("deal", INTAKE_FIELD_CODE, field)
            }
            Some(field) => self.progress.look(
                "deal",
                &format!(
                    "the field {INTAKE_FIELD_CODE} ({}) is of type {} and not a text: delete it, then run this again",
                    field.id, field.kind
                ),
            ),
            None if self.progress.dry_run => self.progress.would_make("deal", INTAKE_FIELD_CODE),
            None => {
                let id = create_intake_field(client).await?;
                self.progress
                    .made("deal", &format!("{INTAKE_FIELD_CODE} ({id})"))
            }
        }
    }

    fn deal_field(&self, ours: DealField) -> Wanted {
        let (kind, takes): (_, &[&str]) = if ours.is_amount() {
            (FieldType::Numeric, &NUMBERS)
        } else {
            (FieldType::Select, &LISTS)
        };
        let options = self.config.fields.options(ours);
        Wanted {
            code: ours.code().to_owned(),
            name: self.config.fields.name(ours).to_owned(),
            kind,
            takes,
            options: options.into_iter().map(str::to_owned).collect(),
        }
    }

    async fn field(
        &mut self,
        owner: FieldOwner,
        fields: &FieldSet,
        wanted: Wanted,
    ) -> anyhow::Result<()> {
        let found = fields
            .find(&wanted.code)
            .or_else(|| fields.find(&wanted.name));
        self.found_or_made(owner, found, wanted).await
    }

    async fn found_or_made(
        &mut self,
        owner: FieldOwner,
        found: Option<&FieldDef>,
        wanted: Wanted,
    ) -> anyhow::Result<()> {
        let what = word(owner);
        if let Some(field) = found {
            return self.compare(what, field, &wanted);
        }
        let shown = match wanted.options.len() {
            0 => format!("«{}», {}", wanted.name, wanted.kind),
            options => format!("«{}», {} of {options} options", wanted.name, wanted.kind),
        };
        if self.progress.dry_run {
            return self.progress.would_make(what, &shown);
        }
        let id = self.create(owner, &wanted).await?;
        self.progress.made(what, &format!("{shown} ({id})"))
    }

    /// Says what is there, and what of it does not fit: it is not changed.
    fn compare(&mut self, what: &str, field: &FieldDef, wanted: &Wanted) -> anyhow::Result<()> {
        if !wanted.takes.contains(&field.kind.as_str()) {
            return self.progress.look(
                what,
                &format!(
                    "«{}» ({}) is of type {}, which cannot hold such values: they go into the deal's note; rename or \
                     delete the field, then run this again",
                    field.name, field.id, field.kind
                ),
            );
        }
        self.is_there(what, &wanted.name, field)?;
        if !field.is_list() {
            return Ok(());
        }
        let missing: Vec<_> = wanted
            .options
            .iter()
            .filter(|option| field.write(std::slice::from_ref(*option)).is_none())
            .map(|option| format!("«{option}»"))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.progress.look(
            what,
            &format!(
                "«{}» has other options than the configuration; not among them: {}",
                field.name,
                missing.join(", ")
            ),
        )
    }

    fn is_there(&mut self, what: &str, name: &str, field: &FieldDef) -> anyhow::Result<()> {
        self.progress.say(
            what,
            &format!("{name} = «{}» ({}) is there", field.name, field.id),
        )
    }

    async fn create(&self, owner: FieldOwner, wanted: &Wanted) -> anyhow::Result<u64> {
        let client = &self.linked.client;
        let send = |kind: FieldType| {
            let mut new = NewCustomField::new(&wanted.name, kind).code(&wanted.code);
            if !wanted.options.is_empty() {
                new = new.options(wanted.options.iter().map(String::as_str));
            }
            client.custom_fields(owner).create([new])
        };
        let mut created = send(wanted.kind.clone()).await;
        // Some accounts take no further fields of analytics; a text does as well.
        if created.is_err() && wanted.kind == FieldType::TrackingData {
            created = send(FieldType::Text).await;
        }
        match created {
            Ok(fields) => match fields.first() {
                Some(field) => Ok(field.id.get()),
                None => anyhow::bail!("amoCRM answered without the field «{}»", wanted.name),
            },
            // The code is unique: somebody with another database, or by hand, was faster.
            Err(error) => {
                let error = CrmError::from(error);
                let now = match owner {
                    FieldOwner::Contacts => read_contact_fields(client).await,
                    _ => read_fields(client).await.map(|(fields, _)| fields),
                };
                match now.ok().and_then(|now| Some(now.find(&wanted.code)?.id)) {
                    Some(id) => Ok(id),
                    None => Err(error.into()),
                }
            }
        }
    }
}

/// amoCRM's own field of analytics, which every account should have.
fn mark_of_deal(mark: &str) -> Wanted {
    Wanted {
        code: format!("UTM_{}", mark.to_uppercase()),
        name: format!("utm_{mark}"),
        kind: FieldType::TrackingData,
        takes: &TEXTS,
        options: Vec::new(),
    }
}

/// A text, because contacts have no fields of analytics.
fn mark_of_contact(mark: &str) -> Wanted {
    let mut letters = mark.chars();
    let capital = letters.next().map(|first| first.to_ascii_uppercase());
    Wanted {
        code: format!("UTM_{}", mark.to_uppercase()),
        name: format!(
            "UTM {}",
            capital.into_iter().chain(letters).collect::<String>()
        ),
        kind: FieldType::Text,
        takes: &TEXTS,
        options: Vec::new(),
    }
}

fn word(owner: FieldOwner) -> &'static str {
    match owner {
        FieldOwner::Contacts => "contact",
        _ => "deal",
    }
}
