//! The filters of the list of files.

use super::presets::{DayRange, preset};
use crate::{
    problem::Problem,
    query::{Query, Range},
    world::{Author, File},
};

/// Who wrote to a chat from outside, in `filter[created_by]`.
const CLIENT: i64 = -1;

/// What a list of files is narrowed to.
pub(super) struct FileFilter {
    uuids: Vec<String>,
    name: Option<String>,
    term: Option<String>,
    extensions: Vec<String>,
    source_ids: Vec<u64>,
    is_deleted: bool,
    size: Option<Range>,
    date: Option<(DateOf, DayRange)>,
    created_by: Vec<i64>,
    updated_by: Vec<i64>,
}

#[derive(Clone, Copy)]
enum DateOf {
    Created,
    Updated,
}

impl FileFilter {
    /// Reads `filter[…]`; days begin at the account's midnight.
    pub(super) fn of(query: &Query, now: i64, utc_offset_seconds: i32) -> Result<Self, Problem> {
        let text = |key| query.get(&["filter", key]).map(str::to_lowercase);
        // The vendor's client joins uuids with commas.
        let texts = |key| -> Vec<String> {
            let values = query.list(&["filter", key]).into_iter();
            values
                .flat_map(|value| value.split(','))
                .map(|value| value.trim().to_lowercase())
                .collect()
        };
        let numbers = |key| texts(key).iter().filter_map(|id| id.parse().ok()).collect();
        Ok(Self {
            uuids: texts("uuid"),
            name: text("name"),
            term: text("term"),
            extensions: texts("extensions"),
            source_ids: texts("source_id")
                .iter()
                .filter_map(|id| id.parse().ok())
                .collect(),
            is_deleted: query.get(&["filter", "deleted"]).is_some(),
            size: size(query)?,
            date: date(query, now, utc_offset_seconds)?,
            created_by: numbers("created_by"),
            updated_by: numbers("updated_by"),
        })
    }

    pub(super) fn admits(&self, file: &File) -> bool {
        let version = file.version(&file.main_version);
        let extension = version.map(crate::world::FileVersion::extension);
        let size = version.map_or(0, |version| version.size);
        let name = file.name.to_lowercase();
        let is_in = |part: &Option<String>| part.as_ref().is_none_or(|part| name.contains(part));
        self.is_deleted == file.deleted_at.is_some()
            && (self.uuids.is_empty() || self.uuids.contains(&file.uuid))
            && is_in(&self.name)
            && is_in(&self.term)
            && (self.extensions.is_empty()
                || extension.is_some_and(|extension| self.extensions.contains(&extension)))
            && (self.source_ids.is_empty()
                || file
                    .source_id
                    .is_some_and(|id| self.source_ids.contains(&id)))
            && self.size.is_none_or(|range| range.contains(float(size)))
            && self.date.is_none_or(|(of, days)| {
                days.contains(match of {
                    DateOf::Created => file.created_at,
                    DateOf::Updated => file.updated_at,
                })
            })
            && is_by(&self.created_by, &file.created_by)
            && is_by(&self.updated_by, &file.updated_by)
    }
}

fn is_by(wanted: &[i64], author: &Author) -> bool {
    let id = if author.kind == "external" {
        CLIENT
    } else {
        author.id
    };
    wanted.is_empty() || wanted.contains(&id)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a file has at most 300 MB, far below 2^52"
)]
fn float(size: u64) -> f64 {
    size as f64
}

/// `filter[size][from|to|unit]`. What a unit is, is not documented: a number of bytes, or one of the words anybody would try.
fn size(query: &Query) -> Result<Option<Range>, Problem> {
    let Some(range) = query.range(&["filter", "size"]) else {
        return Ok(None);
    };
    let unit = query
        .get(&["filter", "size", "unit"])
        .unwrap_or_default()
        .to_lowercase();
    let factor = match unit.as_str() {
        "" | "b" | "byte" | "bytes" => 1.0,
        "kb" => 1024.0,
        "mb" => 1024.0 * 1024.0,
        "gb" => 1024.0 * 1024.0 * 1024.0,
        other => match other.parse::<u32>() {
            Ok(bytes @ 1..) => f64::from(bytes),
            _ => return Err(Problem::choice("filter.size.unit")),
        },
    };
    let scaled = |end: Option<f64>| end.map(|end| end * factor);
    Ok(Some(Range {
        from: scaled(range.from),
        to: scaled(range.to),
    }))
}

/// `filter[date][type|from|to|date_preset]`.
fn date(
    query: &Query,
    now: i64,
    utc_offset_seconds: i32,
) -> Result<Option<(DateOf, DayRange)>, Problem> {
    let part = |key| {
        query
            .get(&["filter", "date", key])
            .filter(|v| !v.is_empty())
    };
    let of = match part("type") {
        None | Some("created_at") => DateOf::Created,
        Some("updated_at") => DateOf::Updated,
        Some(_) => return Err(Problem::choice("filter.date.type")),
    };
    if let Some(name) = part("date_preset") {
        let days = preset(name, now, utc_offset_seconds)
            .ok_or_else(|| Problem::choice("filter.date.date_preset"))?;
        return Ok(Some((of, days)));
    }
    let moment = |key| part(key).and_then(|value| value.parse::<i64>().ok());
    let (from, to) = (moment("from"), moment("to"));
    if from.is_none() && to.is_none() {
        return Ok(None);
    }
    let days = DayRange {
        from: from.unwrap_or(i64::MIN),
        until: to.map_or(i64::MAX, |to| to.saturating_add(1)),
    };
    Ok(Some((of, days)))
}
