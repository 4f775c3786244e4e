//! Custom-field values: what is accepted, and how it is read back.

mod kinds;
mod listing;
mod render;
mod write;

pub(crate) use self::{
    listing::{supplier_fields, total_sum},
    render::{as_number, as_texts, render},
    write::{ValueChange, read_changes},
};
