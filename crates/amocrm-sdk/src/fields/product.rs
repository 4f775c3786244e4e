//! Fields of the products' catalog.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/products-api>.

use super::Field;
use super::kind::{Category, Price, Text, Textarea};

/// Article.
pub const SKU: Field<Text> = Field::code("SKU");
/// Description.
pub const DESCRIPTION: Field<Textarea> = Field::code("DESCRIPTION");
/// Price. Old accounts have a plain number here, which reads and writes the same.
pub const PRICE: Field<Price> = Field::code("PRICE");
/// Group, one of a tree.
pub const GROUP: Field<Category> = Field::code("GROUP");
/// Id in another system; users do not see it.
pub const EXTERNAL_ID: Field<Text> = Field::code("EXTERNAL_ID");
