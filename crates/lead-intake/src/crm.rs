//! amoCRM as this service sees it: its pipeline and fields, and the few things we do there. How we are connected is the
//! crate `connection`'s.

mod contacts;
mod deal;
mod fields;
mod load;
mod mapping;
mod note;
mod placing;
mod stage;
mod team;

pub(crate) use connection::{Crm, CrmError, Linked, Verdict, add_marked_note, add_task_once};

pub(crate) use self::contacts::{Found, complete_contact, find_contact};
pub(crate) use self::deal::{
    Deal, Order, create_deal, deal_tags, find_delivered, folded, missing_values,
    refuses_the_contact, what_is_refused,
};
pub(crate) use self::fields::{FieldDef, FieldSet};
pub(crate) use self::load::Loads;
pub(crate) use self::mapping::{
    INTAKE_FIELD_CODE, Mapping, Meaning, Stages, create_intake_field, find_pipeline,
    read_contact_fields, read_fields, read_stages,
};
pub(crate) use self::note::{add_note_once, note_text};
pub(crate) use self::placing::{Leftover, Why, Without};
pub(crate) use self::stage::{DealNow, last_move, move_deal, read_deal, target};
pub(crate) use self::team::Team;
#[cfg(test)]
pub(crate) use self::team::{Group, Member};
